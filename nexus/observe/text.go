package observe

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// NewTextHandler is slog's text handler for lines of which there are many and
// which are plain: it writes the same bytes, in a third of the time. What is not
// plain slog writes. w must be safe for concurrent use.
func NewTextHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return &textHandler{Handler: slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}), w: w}
}

type textHandler struct {
	slog.Handler // for what is not plain, and what has attributes or groups of its own
	w            io.Writer
	room         sync.Pool // of *[]byte
	second       atomic.Pointer[second]
}

// second is how a second is written, which many lines are of.
type second struct {
	at            int64
	in            *time.Location
	moment, place string // 2026-01-31T12:00:00 and Z
}

// Handle implements slog.Handler.
func (h *textHandler) Handle(ctx context.Context, r slog.Record) error {
	room, ok := h.room.Get().(*[]byte)
	if !ok {
		room = new([]byte)
	}
	defer h.room.Put(room)
	line, plain := h.append((*room)[:0], r)
	*room = line[:0]
	if !plain {
		return h.Handler.Handle(ctx, r)
	}
	_, err := h.w.Write(line)
	return err
}

// append appends a line, as long as all of it is plain.
func (h *textHandler) append(b []byte, r slog.Record) (line []byte, plain bool) {
	if r.Time.IsZero() {
		return b, false
	}
	b = h.appendTime(append(b, slog.TimeKey+"="...), r.Time)
	b = append(append(b, " "+slog.LevelKey+"="...), r.Level.String()...)
	b, plain = appendPlain(append(b, " "+slog.MessageKey+"="...), r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b, plain = appendAttr(b, a, plain)
		return plain
	})
	return append(b, '\n'), plain
}

func appendAttr(b []byte, a slog.Attr, plain bool) ([]byte, bool) {
	if !plain {
		return b, false
	}
	b, plain = appendPlain(append(b, ' '), a.Key)
	b = append(b, '=')
	if !plain {
		return b, false
	}
	switch a.Value.Kind() {
	case slog.KindString:
		return appendPlain(b, a.Value.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, a.Value.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(b, a.Value.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(b, a.Value.Bool()), true
	case slog.KindDuration:
		return append(b, a.Value.Duration().String()...), true
	}
	return b, false
}

// appendPlain appends a text, in quotes if it needs them. One that is not ASCII is
// not plain.
func appendPlain(b []byte, s string) ([]byte, bool) {
	quoted := s == ""
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80:
			return b, false
		case c <= ' ' || c == '"' || c == '=':
			quoted = true
		}
	}
	if quoted {
		return strconv.AppendQuote(b, s), true
	}
	return append(b, s...), true
}

// appendTime appends a moment to the millisecond.
func (h *textHandler) appendTime(b []byte, t time.Time) []byte {
	s := h.second.Load()
	if at := t.Unix(); s == nil || s.at != at || s.in != t.Location() {
		s = &second{at: at, in: t.Location(), moment: t.Format("2006-01-02T15:04:05"), place: t.Format("Z07:00")}
		h.second.Store(s)
	}
	milli := t.Nanosecond() / 1e6
	b = append(append(b, s.moment...), '.', byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10))
	return append(b, s.place...)
}
