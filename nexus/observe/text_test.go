package observe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// both has a record written by slog and by the handler for many lines.
func both(t *testing.T, with func(slog.Handler) slog.Handler, r slog.Record) (want, got string) {
	t.Helper()
	var a, b bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	for _, h := range []slog.Handler{slog.NewTextHandler(&a, options), NewTextHandler(&b, slog.LevelDebug)} {
		if err := with(h).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return a.String(), b.String()
}

func asItIs(h slog.Handler) slog.Handler { return h }

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue("resolved") }

func TestLinesAreThoseOfSlog(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 987654321, time.UTC)
	east := time.FixedZone("east", 5*3600+1800)
	for _, r := range []struct {
		at    time.Time
		level slog.Level
		msg   string
		attrs []slog.Attr
	}{
		{now, slog.LevelInfo, "request", []slog.Attr{slog.String("method", "GET"), slog.String("route", "/api/{model}/{id}"), slog.Int("status", 200), slog.Int64("bytes", 12),
			slog.Duration("duration", 31415*time.Nanosecond), slog.String("remote", "::1"), slog.String("request_id", "a-1"), slog.String("caller", "key:x")}},
		{now.In(east), slog.LevelDebug, "", nil},
		{now.Add(9 * time.Millisecond), slog.LevelWarn + 1, "a b", []slog.Attr{slog.String("", ""), slog.String("a b", `c"d`), slog.String("=", "\\")}},
		{time.Date(1, 1, 1, 0, 0, 0, 1, time.FixedZone("w", -9*3600-30)), slog.LevelInfo, "early", nil},
		{time.Time{}, slog.LevelInfo, "no time", []slog.Attr{slog.Int("a", 1)}},
		{time.Now(), slog.LevelInfo, "now", nil},
		{now, slog.LevelInfo, "kinds", []slog.Attr{slog.Float64("f", 1.5), slog.Bool("b", true), slog.Uint64("u", 1<<63), slog.Time("t", now), slog.Any("e", errors.New("x y")), slog.Any("n", nil),
			slog.Any("v", valuer{}), slog.Group("g", slog.Int("a", 1)), {}, slog.Int64("i", -5)}},
		{now, slog.LevelInfo, "é漢\u00a0", []slog.Attr{slog.String("é", "\xff"), slog.String("del", "\x7f"), slog.String("tab", "\t\n")}},
	} {
		record := slog.NewRecord(r.at, r.level, r.msg, 0)
		record.AddAttrs(r.attrs...)
		for name, with := range map[string]func(slog.Handler) slog.Handler{
			"as it is":      asItIs,
			"with attrs":    func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.String("own", "x y")}) },
			"with a group":  func(h slog.Handler) slog.Handler { return h.WithGroup("g") },
			"for a request": Log,
		} {
			if want, got := both(t, with, record); got != want {
				t.Errorf("%s, %s:\ngot  %qwant %q", r.msg, name, got, want)
			}
		}
	}
	h := NewTextHandler(io.Discard, slog.LevelWarn)
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("the level does not hold")
	}
}

// Whatever is logged, the line is slog's to the byte, the second of a pair too.
func FuzzTextHandler(f *testing.F) {
	f.Add(int64(1769860800), int64(987654321), 0, "request", "route", "/api/{model}", int64(200), int64(31415), 0)
	f.Add(int64(-62135596800), int64(0), 13, "", "", "a=b \"\\", int64(-1), int64(-1), 3600)
	f.Add(int64(253402300800), int64(999999), -8, "\x7f\x1f", "é", "\xff\t", int64(0), int64(1e18), -30)
	f.Fuzz(func(t *testing.T, sec, nano int64, level int, msg, key, text string, n, took int64, zone int) {
		at := time.Unix(sec%1e12, nano%1e9).In(time.FixedZone("z", zone%86400))
		if y := at.Year(); y < 1 || y > 9998 {
			at = time.Unix(0, nano%1e9).UTC() // slog's own line is out of joint then
		}
		var a, b bytes.Buffer
		theirs, ours := slog.NewTextHandler(&a, &slog.HandlerOptions{Level: slog.Level(-1 << 30)}), NewTextHandler(&b, slog.Level(-1<<30))
		for _, at := range []time.Time{at, at.Add(time.Millisecond), at.UTC()} {
			r := slog.NewRecord(at, slog.Level(level), msg, 0)
			r.AddAttrs(slog.String(key, text), slog.Int64(text, n), slog.Duration("took", time.Duration(took)), slog.Uint64("u", uint64(n)), slog.Bool("b", n > 0))
			for _, h := range []slog.Handler{theirs, ours} {
				if err := h.Handle(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		if a.String() != b.String() {
			t.Errorf("\ngot  %q\nwant %q", b.String(), a.String())
		}
	})
}

func BenchmarkLine(b *testing.B) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0)
	r.AddAttrs(slog.String("method", "GET"), slog.String("route", "/api/{model}/{id}"), slog.Int("status", 200), slog.Int64("bytes", 120),
		slog.Duration("duration", 31415*time.Nanosecond), slog.String("remote", "127.0.0.1"), slog.String("request_id", "8f88cef1f7-2"), slog.String("caller", "key:"+strings.Repeat("x", 12)))
	for name, h := range map[string]slog.Handler{
		"slog": slog.NewTextHandler(io.Discard, nil), "ours": NewTextHandler(io.Discard, slog.LevelInfo),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = h.Handle(b.Context(), r)
			}
		})
	}
}

// Lines of many requests at once are whole, and each is there.
func TestLinesOfManyAtOnceAreWhole(t *testing.T) {
	var out bytes.Buffer
	lines := NewLines(&out)
	log := slog.New(NewTextHandler(lines.Patient(), slog.LevelInfo))
	const each = 200
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range each {
				log.Info("request", "a", i, "b", j, "text", strings.Repeat("x", i))
			}
		})
	}
	all.Wait()
	lines.Close()
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		_, what, _ := strings.Cut(line, " level=INFO msg=request a=")
		seen[what] = true
		var i, j int
		if _, err := fmt.Sscanf(what, "%d b=%d", &i, &j); err != nil || !strings.HasSuffix(what, " text="+cmp.Or(strings.Repeat("x", i), `""`)+"\n") {
			t.Fatalf("%q", line)
		}
	}
	if len(seen) != 8*each {
		t.Errorf("%d lines, want %d", len(seen), 8*each)
	}
}
