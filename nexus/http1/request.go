package http1

import (
	"net/http"
	"net/url"
	"strings"
)

// exchange is a request and its answer, and all that belongs to them alone: it is
// never used for another, for a handler may leave something behind that holds on
// to it.
type exchange struct {
	request *http.Request
	url     url.URL
	body    body
	ctx     requestContext
	answer  answer
	values  [8]string
}

// body is a request's body, which has come.
type body struct{ strings.Reader }

// Close implements io.Closer.
func (b *body) Close() error {
	b.Reset("")
	return nil
}

// blank is the request that all begin as.
var blank http.Request

// parse reads a request's head, with the end of its last line and without the
// empty one. It returns nil if the request is not plain.
func parse(head string) *exchange {
	line, head, _ := strings.Cut(head, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(line, " ")
	if version != "HTTP/1.1" {
		return nil
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		return nil
	}
	e := &exchange{}
	if !e.target(target) {
		return nil
	}
	r := blank.WithContext(&e.ctx) // which alone can set a context
	e.request = r
	r.Method, r.URL, r.RequestURI = method, &e.url, target
	r.Proto, r.ProtoMajor, r.ProtoMinor = version, 1, 1
	r.Body = http.NoBody
	if !e.fields(head) || r.Host == "" {
		return nil
	}
	return e
}

// target takes the request's path and query.
func (e *exchange) target(target string) bool {
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") {
		return false
	}
	path, query, asked := strings.Cut(target, "?")
	if all(path, inPath) && all(query, inQuery) && (!asked || query != "") {
		e.url.Path, e.url.RawQuery = path, query
		return true
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || !all(target, inTarget) {
		return false
	}
	e.url = *u
	return true
}

// fields takes the header.
func (e *exchange) fields(head string) bool {
	r := e.request
	r.Header = make(http.Header, len(e.values))
	values, hosts, length := e.values[:], 0, false
	for head != "" {
		line, rest, _ := strings.Cut(head, "\r\n")
		head = rest
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || !all(name, inToken) || !all(value, inValue) {
			return false
		}
		name, value = http.CanonicalHeaderKey(name), trimmed(value)
		switch name {
		case "Host":
			if hosts++; hosts > 1 || !all(value, inHost) {
				return false
			}
			r.Host = value
			continue
		case "Content-Length":
			if length {
				return false
			}
			if r.ContentLength, length = digits(value); !length {
				return false
			}
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Expect", "Pragma", "Trailer", "Transfer-Encoding", "Upgrade":
			return false
		}
		if before := r.Header[name]; before != nil {
			r.Header[name] = append(before, value)
			continue
		}
		if len(values) == 0 {
			values = make([]string, len(e.values))
		}
		values[0] = value
		r.Header[name] = values[:1:1]
		values = values[1:]
	}
	return true
}

// digits reads the length of a plain request's body.
func digits(s string) (n int64, ok bool) {
	if s == "" || len(s) > len("65536") {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, n <= maxBody
}

// Sets of bytes, each with a bit in classes.
const (
	inPath   = 1 << iota // a path's that mean themselves
	inQuery              // those of a query
	inTarget             // those of path and query, escaped or to be escaped
	inToken              // a name's (RFC 9110, 5.6.2)
	inValue              // a field's, with blanks around it (5.5)
	inHost               // a host's with its port
)

var classes = func() (t [256]uint8) {
	add := func(set uint8, chars string) {
		for i := 0; i < len(chars); i++ {
			t[chars[i]] |= set
		}
	}
	for c := range t {
		if c > ' ' && c < 0x7f {
			t[c] |= inQuery | inTarget
		}
		if c >= ' ' && c != 0x7f {
			t[c] |= inValue
		}
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	add(inPath, plain+"-_.~/")
	add(inToken, plain+"!#$%&'*+-.^_`|~")
	add(inValue, "\t")
	add(inHost, plain+"-_.:[]")
	return t
}()

// trimmed is a value without the space around it, which most have before them
// alone, and once.
func trimmed(value string) string {
	if value != "" && value[0] == ' ' {
		value = value[1:]
	}
	if value == "" || value[0] > ' ' && value[len(value)-1] > ' ' {
		return value
	}
	return strings.Trim(value, " \t")
}

// all reports whether s is made of bytes of a set.
func all(s string, set uint8) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&set == 0 {
			return false
		}
	}
	return true
}
