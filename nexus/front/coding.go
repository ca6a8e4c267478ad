package front

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// minPacked is the size of an answer from which on it is packed: one that is
// smaller takes a packet or two either way, and packing it half as long again
// as to make it.
const minPacked = 2 << 10

// AcceptsGzip reports whether a client takes answers that are packed with gzip.
func AcceptsGzip(r *http.Request) bool {
	lines := r.Header["Accept-Encoding"]
	if len(lines) == 0 {
		return false
	}
	any := false
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		takes := !refused(params)
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return takes
		case "*":
			any = takes
		}
	}
	return any
}

// refused reports whether the parameters of a coding are q=0.
func refused(params string) bool {
	q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
	return ok && strings.Trim(q, "0.") == ""
}

// packer packs answers. One is some 300 KB, and kept for the next.
type packer struct {
	z   *gzip.Writer
	out bytes.Buffer
}

func newPacker() any {
	p := &packer{}
	p.z, _ = gzip.NewWriterLevel(&p.out, gzip.BestSpeed) // the level is one of those there are
	return p
}

// packed sends Out with gzip to who takes it, and reports whether it has. Either
// answer says that there is the other.
func (x *Exchange) packed(status int) bool {
	header := x.Header()
	if len(x.Out) < minPacked || header["Content-Encoding"] != nil {
		return false
	}
	x.Vary("Accept-Encoding")
	if !AcceptsGzip(x.Request) {
		return false
	}
	p := x.h.packers.Get().(*packer)
	defer x.h.packers.Put(p)
	p.out.Reset()
	p.z.Reset(&p.out)
	_, _ = p.z.Write(x.Out) // into memory, which takes it
	_ = p.z.Close()
	if p.out.Len() >= len(x.Out) {
		return false
	}
	header["Content-Encoding"] = gzipCoding
	if tags := header["Etag"]; len(tags) == 1 {
		header["Etag"] = []string{packedTag(tags[0])}
	}
	header["Content-Length"] = []string{strconv.Itoa(p.out.Len())}
	x.WriteHeader(status)
	if x.Request.Method != http.MethodHead {
		_, _ = x.Write(p.out.Bytes()) // an error means that the client is gone
	}
	return true
}

var gzipCoding = []string{"gzip"}

// packedTag is the entity tag of what has this tag, packed: the bytes are
// others, so the tag is another (RFC 9110, 8.8.3.3).
func packedTag(tag string) string {
	if strings.HasPrefix(tag, "W/") { // which says nothing of the bytes
		return tag
	}
	return strings.TrimSuffix(tag, `"`) + packedSuffix + `"`
}

const packedSuffix = "-gzip"

// PlainTag is the entity tag of what has this one, as it is when it is not packed.
func PlainTag(tag string) string {
	if plain, ok := strings.CutSuffix(tag, packedSuffix+`"`); ok {
		return plain + `"`
	}
	return tag
}

// SendTagged is Send for an answer to a GET that has an entity tag. A client that
// has the answer already is told so instead.
func (x *Exchange) SendTagged(tag string) {
	header := x.Header()
	if has := x.has(tag); has != "" {
		if len(x.Out) >= minPacked {
			x.Vary("Accept-Encoding")
		}
		header["Etag"] = []string{has}
		delete(header, "Link") // which is of the answer that the client has (RFC 9110, 15.4.5)
		x.Empty(http.StatusNotModified)
		return
	}
	header["Etag"] = []string{tag}
	x.Send(http.StatusOK)
}

// has returns the tag under which a client says, in If-None-Match, that it has
// what has this tag; "" if it has not. The comparison is the weak one.
func (x *Exchange) has(tag string) string {
	lines := x.Request.Header["If-None-Match"]
	if len(lines) == 0 {
		return ""
	}
	for known := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		known = strings.TrimPrefix(strings.TrimSpace(known), "W/")
		switch {
		case known == "*":
			return tag
		case known == strings.TrimPrefix(tag, "W/"):
			return tag
		case known == packedTag(tag):
			return known
		}
	}
	return ""
}

// Vary says that the answer depends on a header of the request.
func (x *Exchange) Vary(name string) {
	header := x.Header()
	if !slices.Contains(header["Vary"], name) {
		header["Vary"] = append(header["Vary"], name)
	}
}

// Packing is a writer of an answer that is written in parts: packed with gzip
// where the client takes that. It is to be closed behind the last part; the
// headers are set already.
func (x *Exchange) Packing() io.WriteCloser {
	x.Vary("Accept-Encoding")
	if !AcceptsGzip(x.Request) {
		return plainly{x}
	}
	x.Header()["Content-Encoding"] = gzipCoding
	z, _ := gzip.NewWriterLevel(x, gzip.BestSpeed) // the level is one of those there are
	return z
}

// plainly is an Exchange that nothing is behind.
type plainly struct{ *Exchange }

func (plainly) Close() error { return nil }

// Bodies reads the bodies of requests, packed or not. What unpacks one is kept
// for the next.
type Bodies struct {
	unpackers sync.Pool // of *gzip.Reader
}

// Read returns a request's body, unpacked, of which no more than limit bytes are
// read, packed or not. Beyond that the error is tooLarge's. Errors are for the
// client, who is told by headers of the answer what it may send instead.
func (bs *Bodies) Read(w http.ResponseWriter, r *http.Request, limit int64, tooLarge func() error) ([]byte, error) {
	b, err := bs.open(w.Header(), r, limit, func() error {
		w.Header()["Connection"] = []string{"close"} // rather than read the rest
		return tooLarge()
	})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return io.ReadAll(b)
}

// body reads a request's body as it was before it was packed, within bounds.
type body struct {
	from     *Bodies
	header   http.Header // of the answer
	src      source
	z        *gzip.Reader // nil: it is not packed
	limit    int64
	left     int64 // of the limit
	tooLarge func() error
	done     func() // nil: nothing is to be done at the end
}

// source is the body as it comes. What is behind it can't tell an end that comes
// too soon for gzip from one that comes too soon for HTTP.
type source struct {
	r    io.Reader
	left int64
	err  error
	step func() // before each read
}

func (s *source) Read(p []byte) (int, error) {
	if s.left < 0 {
		return 0, io.ErrShortBuffer
	}
	if s.step != nil {
		s.step()
	}
	n, err := s.r.Read(p)
	s.left -= int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// open prepares to read the body, of which no more than limit bytes are read,
// packed or not.
func (bs *Bodies) open(header http.Header, r *http.Request, limit int64, tooLarge func() error) (*body, error) {
	b := &body{from: bs, header: header, limit: limit, left: limit, tooLarge: tooLarge}
	b.src = source{r: r.Body, left: limit}
	coding := strings.ToLower(strings.TrimSpace(strings.Join(r.Header["Content-Encoding"], ",")))
	switch coding {
	case "", "identity":
		return b, nil
	case "gzip", "x-gzip":
		return b, b.unpack()
	}
	header["Accept-Encoding"] = []string{"gzip, identity"} // RFC 9110, 12.5.3
	return nil, &dataflow.Error{Code: "unsupported_media_type", Status: dataflow.StatusInvalid,
		Message: "the body is encoded in a way that is not known here",
		Hint:    "send it as it is, without Content-Encoding, or packed with gzip"}
}

// Read implements io.Reader. Its errors are for the client, but for io.EOF.
func (b *body) Read(p []byte) (n int, err error) {
	if b.z == nil {
		n, err = b.src.Read(p)
	} else {
		n, err = b.z.Read(p)
	}
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return 0, b.tooLarge()
	case b.z != nil && b.limit-b.left > anyRatio && (b.limit-b.left)/maxRatio > b.limit-b.src.left:
		b.header["Connection"] = []string{"close"} // rather than read the rest
		return 0, &dataflow.Error{Code: "body_too_large", Status: dataflow.StatusInvalid,
			Message: "the body unpacks to more than " + strconv.Itoa(maxRatio) + " times its size",
			Hint:    "send it as it is, without packing it"}
	}
	return n, b.fault(err)
}

// What comes out of a body costs who reads it, and what goes in costs who sends
// it: beyond anyRatio no more may come out than maxRatio times what went in. gzip
// makes 1,032 of nothing but line ends, and 84 of rows of 250 bytes that differ in
// a number.
const (
	anyRatio = 1 << 20
	maxRatio = 250
)

// unpack reads the head of what gzip made.
func (b *body) unpack() (err error) {
	if z, ok := b.from.unpackers.Get().(*gzip.Reader); ok {
		b.z, err = z, z.Reset(&b.src)
	} else {
		b.z, err = gzip.NewReader(&b.src)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b.fault(err)
}

// fault words what went wrong while the body was read.
func (b *body) fault(err error) error {
	switch {
	case b.src.left < 0:
		return b.tooLarge()
	case b.src.err != nil:
		return bodyError(b.src.err)
	case err == nil || err == io.EOF:
		return err
	}
	b.header["Connection"] = []string{"close"} // rather than read the rest
	return &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
		Message: "the body is not what gzip makes, or not all of it", Err: err}
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.z != nil {
		b.from.unpackers.Put(b.z)
		b.z = nil
	}
	if b.done != nil {
		b.done()
	}
	return nil
}

// Stream returns the request's body, unpacked, for who reads it in parts. Each
// part has to come within patience. Beyond limit the error is tooLarge's. Errors
// are for the client, but for io.EOF.
func (x *Exchange) Stream(limit int64, patience time.Duration, tooLarge func() error) (io.ReadCloser, error) {
	if x.Request.Body == nil {
		return io.NopCloser(strings.NewReader("")), nil
	}
	control := http.NewResponseController(x.w)
	_ = control.SetWriteDeadline(time.Time{}) // which would run out before the answer; not every writer has deadlines
	wait := func() { _ = control.SetReadDeadline(time.Now().Add(patience)) }
	wait()
	b, err := x.h.bodies.open(x.Header(), x.Request, limit, func() error {
		x.Header()["Connection"] = []string{"close"} // rather than read the rest
		return tooLarge()
	})
	if err != nil {
		return nil, err
	}
	b.src.step = wait
	// Else the connection would be taken for broken while the request is served.
	b.done = func() { _ = control.SetReadDeadline(time.Time{}) }
	return b, nil
}

// Patiently gives the client this long from now on to take what is written.
func (x *Exchange) Patiently(d time.Duration) {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(d)) // not every writer has deadlines
}
