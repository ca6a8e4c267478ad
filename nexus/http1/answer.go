package http1

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is an http.ResponseWriter. What is written is kept until there is much
// of it: most answers are one call of the system.
type answer struct {
	server *Server
	conn   Conn
	ctx    *requestContext
	header http.Header
	status int   // 0: the header is not written
	head   bool  // the request was HEAD: nothing of the body is sent
	last   bool  // on its connection
	err    error // of sending

	buffer  *[]byte
	out     []byte // what is to be sent next, in buffer
	over    bool   // the request is
	framed  bool   // out has the end of the header, or it has been sent
	ahead   []byte // of a body, before it is known how its end is to be found
	chunked bool
	length  int64 // that the header has; -1: none
	written int64 // of the body
}

const (
	full    = 32 << 10 // how much is gathered before it is sent
	guessed = 512      // how much http.DetectContentType looks at
	kept    = 64 << 10 // the largest buffer that is used again
	usually = 1 << 10  // the smallest
)

func (w *answer) begin(s *Server, k *carrier, ctx *requestContext, method string) {
	w.server, w.conn, w.ctx, w.head, w.length = s, k.Conn, ctx, method == http.MethodHead, -1
	w.header = make(http.Header, k.headers)
	w.buffer, _ = s.buffers.Get().(*[]byte)
	if w.buffer == nil {
		b := make([]byte, 0, usually)
		w.buffer = &b
	}
	w.out = *w.buffer
}

// Header implements http.ResponseWriter.
func (w *answer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Later calls, but for answers that
// are only on the way (1xx), change nothing.
func (w *answer) WriteHeader(status int) {
	if w.over || w.status != 0 {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("%d is no status", status)) // as net/http takes it: there is nothing to answer
	}
	w.out = append(strconv.AppendInt(append(w.out, "HTTP/1.1 "...), int64(status), 10), ' ')
	if text := http.StatusText(status); text != "" {
		w.out = append(append(w.out, text...), "\r\n"...)
	} else {
		w.out = append(strconv.AppendInt(append(w.out, "status code "...), int64(status), 10), "\r\n"...)
	}
	if status < http.StatusOK {
		w.fields(status)
		w.out = append(w.out, "\r\n"...)
		w.send()
		return
	}
	w.status = status
	if l := w.header["Content-Length"]; len(l) > 0 {
		if n, err := strconv.ParseInt(l[0], 10, 64); err == nil && n >= 0 {
			w.length = n
		} else {
			delete(w.header, "Content-Length")
		}
	}
	w.fields(status)
	if !w.last && w.conn.Last() {
		w.last = true
		w.out = append(w.out, "Connection: close\r\n"...)
	}
	if _, ok := w.header["Date"]; !ok {
		w.out = append(append(append(w.out, "Date: "...), w.server.date(time.Now())...), "\r\n"...)
	}
}

// bodied reports whether an answer of a status has a body (RFC 9112, 6.3).
func bodied(status int) bool {
	return status >= http.StatusOK && status != http.StatusNoContent && status != http.StatusNotModified
}

// fields appends the header as it is, in the order of its names, but for what
// tells of a body where there is none. What would end the line of a field becomes
// a blank.
func (w *answer) fields(status int) {
	var room [16]string
	names := room[:0]
	for name := range w.header {
		i := len(names)
		names = append(names, name)
		for ; i > 0 && names[i-1] > name; i-- {
			names[i] = names[i-1]
		}
		names[i] = name
	}
	for _, name := range names {
		if name == "Transfer-Encoding" || name == "" || !all(name, inToken) {
			continue // how the body comes is said by frame
		}
		if name == "Content-Length" && !bodied(status) || name == "Content-Type" && status == http.StatusNotModified {
			continue
		}
		for _, value := range w.header[name] {
			if !all(value, inValue) {
				value = lineEnds.Replace(value)
			}
			if name == "Connection" && strings.EqualFold(value, "close") {
				w.last = true
			}
			w.out = append(append(append(append(w.out, name...), ": "...), strings.Trim(value, " \t")...), "\r\n"...)
		}
	}
}

var lineEnds = strings.NewReplacer("\n", " ", "\r", " ")

// frame ends the header with how the end of the body is found, and with what the
// body is where the handler has not said it. first is where the body begins, and
// all of it if whole.
func (w *answer) frame(first []byte, whole bool) {
	w.framed = true
	if bodied(w.status) {
		_, typed := w.header["Content-Type"]
		_, coded := w.header["Content-Encoding"]
		if !typed && !coded && len(first) > 0 {
			w.out = append(append(append(w.out, "Content-Type: "...), http.DetectContentType(first)...), "\r\n"...)
		}
		switch {
		case w.length >= 0:
		case whole && (!w.head || len(first) > 0):
			w.length = int64(len(first))
			w.out = append(strconv.AppendInt(append(w.out, "Content-Length: "...), w.length, 10), "\r\n"...)
		case !w.head:
			w.chunked = true
			w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
		}
	}
	w.out = append(w.out, "\r\n"...)
}

// Write implements http.ResponseWriter.
func (w *answer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.over || !bodied(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	switch {
	case w.length >= 0 && w.written > w.length:
		return 0, http.ErrContentLength
	case len(p) == 0:
	case w.framed:
		w.body(p)
	case w.length >= 0:
		w.frame(p, false)
		w.body(p)
	case len(w.ahead)+len(p) <= full:
		w.ahead = append(w.ahead, p...)
	default: // the type is guessed of what begins the body
		n := min(len(p), guessed)
		w.ahead = append(w.ahead, p[:n]...)
		w.open(false)
		w.body(p[n:])
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// open ends the header if it is open, with what there is of the body.
func (w *answer) open(whole bool) {
	if !w.framed {
		w.frame(w.ahead, whole)
		w.body(w.ahead)
		w.ahead = nil
	}
}

// body appends to the body.
func (w *answer) body(p []byte) {
	if w.head || len(p) == 0 {
		return
	}
	if w.chunked {
		w.out = append(strconv.AppendInt(w.out, int64(len(p)), 16), "\r\n"...)
	}
	if len(p) > full { // not worth copying
		w.send()
		w.write(p)
	} else {
		w.out = append(w.out, p...)
	}
	if w.chunked {
		w.out = append(w.out, "\r\n"...)
	}
	if len(w.out) > full {
		w.send()
	}
}

// send sends what has been gathered.
func (w *answer) send() {
	w.write(w.out)
	w.out = w.out[:0]
}

func (w *answer) write(p []byte) {
	if w.err == nil && len(p) > 0 {
		if _, w.err = w.conn.Write(p); w.err != nil {
			w.ctx.cut()
		}
	}
}

// FlushError is http.Flusher's Flush that tells whether the client can still be
// written to, for http.ResponseController.
func (w *answer) FlushError() error {
	w.WriteHeader(http.StatusOK)
	if w.over {
		return net.ErrClosed
	}
	w.open(false)
	w.send()
	return w.err
}

// Flush implements http.Flusher.
func (w *answer) Flush() { _ = w.FlushError() }

// SetReadDeadline is for http.ResponseController. The request has been read, so
// there is nothing that a deadline could bound: what goes on reading waits for the
// client to go, however long that takes.
func (w *answer) SetReadDeadline(time.Time) error {
	if w.over {
		return net.ErrClosed
	}
	return nil
}

// SetWriteDeadline is for http.ResponseController.
func (w *answer) SetWriteDeadline(t time.Time) error {
	if w.over {
		return net.ErrClosed
	}
	return w.conn.SetWriteDeadline(t)
}

// finish sends what is left. It reports whether the connection can have another
// answer.
func (w *answer) finish() (more bool) {
	w.WriteHeader(http.StatusOK)
	w.open(true)
	if w.chunked {
		w.out = append(w.out, "0\r\n\r\n"...)
	}
	w.send()
	w.abandon()
	wrong := w.length >= 0 && w.length != w.written && bodied(w.status) && !w.head // which the client is to see
	return w.err == nil && !w.last && !wrong
}

// abandon leaves the answer as it is.
func (w *answer) abandon() {
	w.over = true
	if cap(w.out) <= kept {
		*w.buffer = w.out[:0]
		w.server.buffers.Put(w.buffer)
	}
	w.buffer, w.out = nil, nil
}
