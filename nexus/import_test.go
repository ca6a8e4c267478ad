package nexus_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// onFreshDatabases is onEachEngine for tests that need several.
func onFreshDatabases(t *testing.T, test func(t *testing.T, fresh func() string)) {
	t.Run("sqlite", func(t *testing.T) {
		n := 0
		test(t, func() string {
			n++
			return "sqlite:" + filepath.Join(t.TempDir(), fmt.Sprintf("%d.db", n))
		})
	})
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		test(t, func() string { return pgtest.URL(t) })
	})
}

// sendFile imports a file.
func (s *site) sendFile(path, media string, file io.Reader, headers ...string) string {
	s.t.Helper()
	return s.send("POST", path, media, file, headers...)
}

// samples is an app with a field of every type, which can be null and which
// can't.
func samples(url string) (*dataflow.App, []*dataflow.Field) {
	app := apptest.Shop(url)
	kind := func(k dataflow.Kind) *dataflow.Type { return &dataflow.Type{Kind: k} }
	decimal := &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 18, Scale: 4}
	var fields []*dataflow.Field
	for _, of := range []struct {
		name string
		t    *dataflow.Type
	}{
		{"text", dataflow.String}, {"whole", dataflow.Int}, {"real", dataflow.Float}, {"yes", dataflow.Bool}, {"money", decimal},
		{"moment", dataflow.DateTime}, {"day", kind(dataflow.KindDate)}, {"clock", kind(dataflow.KindTime)}, {"uid", kind(dataflow.KindUUID)},
		{"data", dataflow.JSON}, {"raw", kind(dataflow.KindBytes)}, {"word", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"a b", "c,d", ""}}},
		{"texts", dataflow.ListOf(dataflow.String)}, {"numbers", dataflow.ListOf(dataflow.Int)},
	} {
		fields = append(fields, apptest.Field(of.name, of.t), apptest.Field(of.name+"_or_null", of.t, apptest.Optional))
	}
	sample := apptest.Model(app.Databases[0], "Sample", "samples", func(m *dataflow.Model) { m.ClientID = true },
		append([]*dataflow.Field{apptest.Field("id", dataflow.Int)}, fields...)...)
	leaf := apptest.Model(app.Databases[0], "Leaf", "leaves", func(m *dataflow.Model) { m.ClientID = true },
		apptest.Field("id", kind(dataflow.KindUUID)),
		apptest.Field("of", &dataflow.Type{Kind: dataflow.KindRef, Model: sample}),
		apptest.Field("or_of", &dataflow.Type{Kind: dataflow.KindRef, Model: sample}, apptest.Optional))
	app.Exposures = append(app.Exposures, apptest.Expose(sample), apptest.Expose(leaf))
	return app, fields
}

// oddTexts are those that a form of rows may get wrong.
var oddTexts = []string{"", " ", "=1+1", "-1", "@x", "+1", "a,b", `"`, `""`, "\r", "\n", "\r\n", "a\nb\n", " x ", "null", "NULL", `\N`, "\ufeff", "é漢😀", "a\tb", "'", "true", "0"}

// value makes a value of a type by lot.
func value(r *rand.Rand, t *dataflow.Type) any {
	switch t.Kind {
	case dataflow.KindString:
		text := oddTexts[r.IntN(len(oddTexts))]
		for range r.IntN(3) {
			text += oddTexts[r.IntN(len(oddTexts))]
		}
		return text
	case dataflow.KindInt:
		return []int64{0, -1, math.MaxInt64, math.MinInt64, r.Int64()}[r.IntN(5)]
	case dataflow.KindFloat:
		return []float64{0, 0.1, -1.5e300, 5e-324, math.MaxFloat64, 1e21, r.NormFloat64()}[r.IntN(7)]
	case dataflow.KindBool:
		return r.IntN(2) == 1
	case dataflow.KindDecimal:
		return fmt.Sprintf("%d.%04d", r.Int64N(2e14)-1e14, r.IntN(10000))
	case dataflow.KindDateTime:
		return []string{"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", time.UnixMicro(r.Int64N(4e15)).UTC().Format("2006-01-02T15:04:05.000000Z")}[r.IntN(3)]
	case dataflow.KindDate:
		return time.Unix(r.Int64N(4e9), 0).UTC().Format("2006-01-02")
	case dataflow.KindTime:
		return fmt.Sprintf("%02d:%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(60))
	case dataflow.KindUUID:
		return fmt.Sprintf("%08x-ad%02x-774b-bcce-%012x", r.Uint32(), r.IntN(256), r.Uint64N(1<<48))
	case dataflow.KindBytes:
		b := make([]byte, r.IntN(5))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return base64.StdEncoding.EncodeToString(b)
	case dataflow.KindEnum:
		return t.Values[r.IntN(len(t.Values))]
	case dataflow.KindList:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = value(r, t.Elem)
		}
		return list
	}
	return []any{"", "null", value(r, dataflow.String), true, int64(7), []any{}, []any{nil, "x,"}, dataflow.NewObject(),
		dataflow.ObjectOf("a\n", dataflow.ObjectOf("\"", value(r, dataflow.String)), "n", nil)}[r.IntN(9)]
}

// What is exported and imported into an empty database is exported as it was, to
// the byte, in either form and whatever the types and values.
func TestWhatIsExportedCanBeImported(t *testing.T) {
	onFreshDatabases(t, func(t *testing.T, fresh func() string) {
		serve := func() (*site, []*dataflow.Field) {
			app, fields := samples(fresh())
			return serveSite(t, app), fields
		}
		from, fields := serve()
		r := rand.New(rand.NewPCG(1, 2))
		var rows, leaves bytes.Buffer
		const n = 510 // more than are written together
		for i := range n {
			row := dataflow.ObjectOf("id", []int64{int64(i), -int64(i) - 1, math.MaxInt64 - int64(i)}[i%3])
			for _, f := range fields {
				v := value(r, f.Type)
				if f.Optional && r.IntN(3) == 0 {
					v = nil
				}
				row.Set(f.Name, v)
			}
			rows.Write(append(codec.AppendValue(nil, row), '\n'))
			id, _ := row.Get("id")
			leaf := dataflow.ObjectOf("id", value(r, &dataflow.Type{Kind: dataflow.KindUUID}), "of", id, "or_of", []any{id, nil}[i%2])
			leaves.Write(append(codec.AppendValue(nil, leaf), '\n'))
		}
		want := fmt.Sprintf(`200 {"processed":%d,"inserted":%d}`, n, n)
		for _, file := range []struct{ path, text string }{{"samples", rows.String()}, {"leaves", leaves.String()}} {
			if got := from.sendFile("/api/"+file.path+"/import", "application/x-ndjson", strings.NewReader(file.text)); got != want {
				t.Fatalf("%s: %s", file.path, got)
			}
		}
		var names []string
		for _, f := range fields {
			names = append(names, f.Name)
		}
		paths := []string{"/api/samples?fields=" + strings.Join(names, ","), "/api/leaves?fields=of,or_of&sort=-id"}
		export := func(s *site, path, form string) string { return s.ask("GET", path, "", "Accept", form) }
		forms := []string{"text/csv", "application/x-ndjson"}
		for _, form := range forms {
			to, _ := serve()
			for _, path := range paths {
				base, _, _ := strings.Cut(path, "?")
				_, file, _ := strings.Cut(export(from, path, form), " ")
				if got := to.sendFile(base+"/import", form, strings.NewReader(file)); got != want {
					t.Fatalf("%s of %s: %s", form, base, got)
				}
				for _, again := range forms {
					if a, b := export(from, path, again), export(to, path, again); a != b {
						t.Errorf("by %s, %s of %s is another:\n%s", form, again, base, firstDifference(a, b))
					}
				}
			}
		}
	})
}

func firstDifference(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	show := func(s string) string { return fmt.Sprintf("%q", s[max(0, i-60):min(len(s), i+60)]) }
	return show(a) + "\n" + show(b)
}

// A file is imported whole or not at all, however many rows were written before
// the one that can't be.
func TestAnImportIsAllOrNothing(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, apptest.Shop(url))
		const n = 1800
		file := func(last string) string {
			var b strings.Builder
			b.WriteString("email,name\n")
			for i := range n - 1 {
				fmt.Fprintf(&b, "a%d@example.org,A\n", i)
			}
			return b.String() + last
		}
		count := func(want int) {
			t.Helper()
			if got := s.ask("POST", "/api/customers/count", ""); got != fmt.Sprintf(`200 {"count":%d}`, want) {
				t.Errorf("%s, want %d", got, want)
			}
		}
		taken := file("a1@example.org,Again\n")
		got := s.sendFile("/api/customers/import", "text/csv", strings.NewReader(taken))
		if !strings.HasPrefix(got, "409 ") || !strings.Contains(got, fmt.Sprintf(`"line":%d}]`, n+1)) {
			t.Error(got)
		}
		count(0)
		if got := s.sendFile("/api/customers/import", "text/csv", strings.NewReader(taken), "Prefer", "tx=rollback"); !strings.HasPrefix(got, "409 ") {
			t.Error(got)
		}
		got = s.sendFile("/api/customers/import?on_error=skip", "text/csv", strings.NewReader(taken), "Prefer", "tx=rollback")
		if !strings.HasPrefix(got, fmt.Sprintf(`200 {"processed":%d,"inserted":%d,"skipped":1,"errors":[{"line":%d,"code":"unique_violation"`, n, n-1, n+1)) {
			t.Error(got)
		}
		count(0)
		if got := s.sendFile("/api/customers/import?on_error=skip", "text/csv", strings.NewReader(taken)); !strings.Contains(got, `"skipped":1,`) {
			t.Error(got)
		}
		count(n - 1)
		got = s.sendFile("/api/customers/import?mode=upsert&conflict_on=email", "text/csv", strings.NewReader(file("b@example.org,B\n")))
		if want := fmt.Sprintf(`200 {"processed":%d,"inserted":1,"updated":%d}`, n, n-1); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		count(n)
	})
}

// All of a file's problems are told of, up to a bound.
func TestAnImportTellsAllThatIsWrong(t *testing.T) {
	s := serveSite(t, apptest.Shop("sqlite:"+filepath.Join(t.TempDir(), "shop.db")))
	file := "id,name,stock\n" + strings.Repeat("a,A,-1\n", 5000)
	got := s.sendFile("/api/products/import", "text/csv", strings.NewReader(file))
	if n := strings.Count(got, `"line":`); n != 100 || !strings.Contains(got, `what is behind line `) {
		t.Errorf("%d problems: %.300s", n, got)
	}
	got = s.sendFile("/api/products/import?on_error=skip", "text/csv", strings.NewReader(file))
	if n := strings.Count(got, `"line":`); n != 1000 || !strings.HasSuffix(got, `"errors_left_off":4000}`) {
		t.Errorf("%d lines: …%s", n, got[max(0, len(got)-100):])
	}
}

// A client that is slow to send its file, or goes away in the middle, is in
// nobody's way.
func TestAFileThatIsStillComingHoldsNothing(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, apptest.Shop(url))
		send := func(ctx context.Context) (*io.PipeWriter, chan string) {
			r, w := io.Pipe()
			req, _ := http.NewRequestWithContext(ctx, "POST", s.http.URL+"/api/customers/import", r)
			req.Header.Set("Content-Type", "text/csv")
			answer := make(chan string, 1)
			go func() {
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					answer <- err.Error()
					return
				}
				defer res.Body.Close()
				text, _ := io.ReadAll(res.Body)
				answer <- fmt.Sprintf("%d %s", res.StatusCode, text)
			}()
			fmt.Fprint(w, "email,name\nslow@example.org,Slow\n")
			return w, answer
		}
		w, answer := send(t.Context())
		if got := s.ask("POST", "/api/customers", `{"email":"quick@example.org","name":"Quick"}`); !strings.HasPrefix(got, "201") {
			t.Error(got)
		}
		fmt.Fprint(w, "slower@example.org,Slower\n")
		w.Close()
		if got := <-answer; got != `200 {"processed":2,"inserted":2}` {
			t.Error(got)
		}
		ctx, leave := context.WithCancel(t.Context())
		w, answer = send(ctx)
		leave()
		w.CloseWithError(errors.New("gone")) // first: the client may wait for who reads from it
		<-answer
		if got := s.ask("POST", "/api/customers/count", ""); got != `200 {"count":3}` {
			t.Error(got)
		}
	})
}

func TestAFileMayBePacked(t *testing.T) {
	s := serveSite(t, apptest.Shop("sqlite:"+filepath.Join(t.TempDir(), "shop.db")))
	var file bytes.Buffer
	z := gzip.NewWriter(&file)
	const n = 40000 // unpacked more than is kept in memory, and than max_body
	fmt.Fprintln(z, "email,name")
	for i := range n {
		fmt.Fprintf(z, "a%d@example.org,somebody of a longer name\n", i)
	}
	z.Close()
	got := s.sendFile("/api/customers/import", "text/csv", bytes.NewReader(file.Bytes()), "Content-Encoding", "gzip")
	if want := fmt.Sprintf(`200 {"processed":%d,"inserted":%d}`, n, n); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	cut := file.Bytes()[:file.Len()/2]
	if got := s.sendFile("/api/products/import", "text/csv", bytes.NewReader(cut), "Content-Encoding", "gzip"); !strings.HasPrefix(got, "400 ") {
		t.Error(got)
	}
	if got := s.sendFile("/api/products/import", "text/csv", bytes.NewReader(cut), "Content-Encoding", "br"); !strings.HasPrefix(got, "415 ") {
		t.Error(got)
	}
}

// Files that are made to cost more than they are worth are told of for what they are.
func TestAFileThatIsABomb(t *testing.T) {
	s := serveSite(t, apptest.Shop("sqlite:"+filepath.Join(t.TempDir(), "shop.db")))
	columns := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "c%d,", i)
		}
		return b.String() + "email\n"
	}
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, text)
		z.Close()
		return b.String()
	}
	blank := strings.Repeat("\n", 8<<20)
	for _, tt := range []struct{ name, media, file, coding, want string }{
		{"more columns than may be", "text/csv", columns(100_000), "", `"errors":[{"code":"format","pointer":"","detail":"it has more than 16384 values","hint":"leave out the columns that are no fields","line":1}]}`},
		{"many columns", "text/csv", columns(16_000), "", `"detail":"the input has 100 problems"`},
		{"a line that is too long", "text/csv", "email\n" + strings.Repeat("x", 17<<20), "", `"hint":"a row may have 16777216 bytes; a quote that is not closed makes the rest of the file one value","line":2}]}`},
		{"a quote that is never closed", "text/csv", "email\n\"" + strings.Repeat("x\n", 9<<20), "", `"detail":"it is longer than a row may be"`},
		{"blank lines", "text/csv", "email,name\n" + blank + "a@example.org\n", "", `"errors":[{"code":"format","pointer":"","detail":"the line has 1 value, and the first one names 2 columns","hint":"a value that holds a comma, a quote or a line end stands in quotes","line":8388610}]}`},
		{"packed blank lines", "text/csv", pack("email,name\n" + blank), "gzip", `"status":413,"detail":"the body unpacks to more than 250 times its size","code":"body_too_large","hint":"send it as it is, without packing it"`},
		{"packed blank lines of JSON", "application/x-ndjson", pack(blank), "gzip", `"status":413,`},
	} {
		headers := []string{}
		if tt.coding != "" {
			headers = []string{"Content-Encoding", tt.coding}
		}
		if got := s.sendFile("/api/customers/import", tt.media, strings.NewReader(tt.file), headers...); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %.600s, want %s", tt.name, got, tt.want)
		}
	}
}

// What no database keeps as text is wrong with its line, as all else is, and
// keeps no other line from being imported.
func TestTextThatNoDatabaseKeepsIsOfItsLine(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, apptest.Shop(url))
		nul, notUTF8 := `"code":"format","pointer":"/name","detail":"must not hold the character U+0000"`, `"code":"format","pointer":"/name","detail":"must be valid UTF-8"`
		for _, tt := range []struct {
			path, media, file string
			want              []string
		}{
			{"", "text/csv", "email,name\na@example.org,a\x00b\nb@example.org,\xff\n", []string{"422 ", nul + `,"line":2}`, notUTF8 + `,"line":3}`}},
			{"?on_error=skip", "text/csv", "email,name\na@example.org,a\x00b\nb@example.org,\xff\nc@example.org,C\n", []string{`200 {"processed":3,"inserted":1,"skipped":2,`, `{"line":2,`, nul, `{"line":3,`, notUTF8}},
			{"?on_error=skip", "application/x-ndjson", `{"email":"a@example.org","name":"a\u0000b"}` + "\n" + `{"email":"d@example.org","name":"D"}`, []string{`200 {"processed":2,"inserted":1,"skipped":1,`, `{"line":1,`, nul}},
		} {
			got := s.sendFile("/api/customers/import"+tt.path, tt.media, strings.NewReader(tt.file))
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s: got\n%s\nwithout\n%s", tt.path, got, want)
				}
			}
		}
	})
}

func TestAFileWithOtherSignsBetweenItsValues(t *testing.T) {
	s := serveSite(t, apptest.Shop("sqlite:"+filepath.Join(t.TempDir(), "shop.db")))
	got := s.sendFile("/api/customers/import", "text/csv", strings.NewReader("email;name\na@example.org;A\n"))
	if want := `"detail":"there is no field \"email;name\"","hint":"names and values stand with commas between them","line":1}`; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwithout\n%s", got, want)
	}
}

// Rows of tenants are those of who imports them.
func TestAnImportIsTheTenants(t *testing.T) {
	s := serveSite(t, func() *dataflow.App {
		app := apptest.Shop("sqlite:" + filepath.Join(t.TempDir(), "shop.db"))
		for _, e := range app.Exposures {
			e.Ops = dataflow.Ops()
		}
		return app
	}())
	if got := s.sendFile("/api/invoices/import", "text/csv", strings.NewReader("number\n1\n")); !strings.HasPrefix(got, "403 ") || !strings.Contains(got, "tenant_required") {
		t.Error(got)
	}
	if got := s.sendFile("/api/invoices/import", "text/csv", strings.NewReader("number\n1\n"), "X-Tenant-ID", "acme"); !strings.HasPrefix(got, "200 ") {
		t.Error(got)
	}
	if got := s.sendFile("/api/invoices/import", "text/csv", strings.NewReader("number,tenant_id\n2,other\n"), "X-Tenant-ID", "acme"); !strings.Contains(got, `"code":"read_only","pointer":"/tenant_id"`) {
		t.Error(got)
	}
	for tenant, want := range map[string]string{"acme": `200 {"count":1}`, "other": `200 {"count":0}`} {
		if got := s.ask("POST", "/api/invoices/count", "", "X-Tenant-ID", tenant); got != want {
			t.Errorf("%s: %s", tenant, got)
		}
	}
}
