package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

func selectSorted(m *dataflow.Model) *query.Select {
	return &query.Select{Model: m, Order: []query.Order{{Field: 0}}}
}

// connect returns pgx's own connection, whose decoding ours is compared with.
func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// raw returns the binary form of an expression's value.
func raw(t testing.TB, c *pgx.Conn, expr string) []byte {
	t.Helper()
	r := c.PgConn().ExecParams(context.Background(), "SELECT "+expr, nil, nil, nil, inBinary).Read()
	if r.Err != nil {
		t.Fatalf("%s: %v", expr, r.Err)
	}
	return r.Rows[0][0]
}

// TestNumericAsTheServerWritesIt compares with the server's own text, over
// edges and at random.
func TestNumericAsTheServerWritesIt(t *testing.T) {
	c := connect(t)
	rng := rand.New(rand.NewPCG(1, 2))
	numbers := []string{"0", "0.00", "-0.01", "1", "-1", "9999", "10000", "10001", "100000000", "0.0001", "0.00001", "0.10", "1.10", "12345678.9",
		"-99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001", "1e37", "10000.0001", "100.00000000"}
	for range 300 {
		digits := make([]byte, 1+rng.IntN(38))
		for i := range digits {
			digits[i] = byte('0' + rng.IntN(10)*rng.IntN(2))
		}
		text := string(digits)
		if at := rng.IntN(len(text)); at > 0 {
			text = text[:at] + "." + text[at:]
		}
		numbers = append(numbers, text, "-"+text)
	}
	for _, n := range numbers {
		var want string
		if err := c.QueryRow(context.Background(), "SELECT ($1::text)::numeric::text", n).Scan(&want); err != nil {
			t.Fatal(err)
		}
		b := raw(t, c, "'"+n+"'::numeric")
		got, ok := appendNumeric(nil, b, 0)
		if !ok || string(got) != want {
			t.Errorf("%s is written %s, want %s", n, got, want)
		}
		d, ok := decodeNumeric(b, 0).(dataflow.Decimal)
		if text := string(dataflow.AppendDecimal(nil, d)); !ok || text != want {
			t.Errorf("%s is read as %s, want %s", n, text, want)
		}
	}
	for _, n := range []string{"NaN", "Infinity", "-Infinity"} {
		if got, ok := appendNumeric(nil, raw(t, c, "'"+n+"'::numeric"), 0); ok || len(got) > 0 {
			t.Errorf("%s is written %s", n, got)
		}
	}
}

// TestDecodingIsAsPgxs compares with pgx's own decoding.
func TestDecodingIsAsPgxs(t *testing.T) {
	c := connect(t)
	for _, at := range []string{"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1999-12-31T23:59:59.999999Z", "2000-01-01T00:00:00Z",
		"1969-12-31T23:59:59.5Z", "2024-02-29T12:00:00.000001+05:30", "1582-10-10T00:00:00Z"} {
		var want time.Time
		if err := c.QueryRow(context.Background(), "SELECT ($1::text)::timestamptz", at).Scan(&want); err != nil {
			t.Fatal(err)
		}
		got, ok := decodeMoment(raw(t, c, "'"+at+"'::timestamptz"))
		if !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
		day := string(codec.AppendDateTime(nil, want)[:10])
		if date, ok := decodeDate(raw(t, c, "'"+day+"'::date")); !ok || string(date) != day {
			t.Errorf("%s is %v", day, date)
		}
	}
	for _, expr := range []string{"'infinity'::timestamptz", "'-infinity'::timestamptz", "'0001-12-31 BC'::timestamptz", "'10000-01-01Z'::timestamptz"} {
		if at, ok := decodeMoment(raw(t, c, expr)); ok {
			t.Errorf("%s is %v", expr, at)
		}
	}
	for _, expr := range []string{"'infinity'::date", "'-infinity'::date", "'0001-12-31 BC'::date", "'10000-01-01'::date"} {
		if date, ok := decodeDate(raw(t, c, expr)); ok {
			t.Errorf("%s is %v", expr, date)
		}
	}
	for _, clock := range []string{"00:00:00", "23:59:59.999999", "12:30:00.5", "00:00:00.000001", "24:00:00"} {
		if got := string(appendTime(nil, raw(t, c, "'"+clock+"'::time"))); got != clock {
			t.Errorf("%s is written %s", clock, got)
		}
	}
	for _, id := range []string{"00000000-0000-0000-0000-000000000000", "0190a8b0-1234-7abc-8def-0123456789ab"} {
		var want pgtype.UUID
		if err := c.QueryRow(context.Background(), "SELECT $1::uuid", id).Scan(&want); err != nil {
			t.Fatal(err)
		}
		if got := string(appendUUID(nil, raw(t, c, "'"+id+"'::uuid"))); got != want.String() {
			t.Errorf("%s is written %s, want %s", id, got, want.String())
		}
	}
	for expr, want := range map[string]int64{"(-32768)::smallint": -32768, "2147483647::integer": 2147483647, "(-9223372036854775808)::bigint": -9223372036854775808} {
		if got := decodeInt(raw(t, c, expr)); got != want {
			t.Errorf("%s is %d", expr, got)
		}
	}
}

// TestRegexMeansTheSame holds patterns, written anew for PostgreSQL, to Go's.
func TestRegexMeansTheSame(t *testing.T) {
	c := connect(t)
	patterns := []string{"", "a", "^a", "a$", "^$", "a|b", "a||b", "(a|)b", "[a-c]+", "[^a]", "[^\\n]", ".", "(?s).", "a.b", "(?i)straße", "(?i)k", "\\d+", "\\w", "\\W", "\\s", "\\S",
		"\\bfoo\\b", "\\Boo", "(\\b)*x", "(?m)^b$", "^b$", "a{3}", "a{2,}", "a{0,2}b", "(ab){2,3}", "x{300}", "\\pL", "\\p{Greek}", "[[:alpha:]]", "[[:^digit:]]", "\\x41", "\\x{1F600}",
		"é", "[é-ü]", "\\.", "\\*\\?\\[\\]\\(\\)\\{\\}\\^\\$\\|\\\\", "a*?b", "(?:a+)+$", "[\\d-]", "\\Qa.b\\E", "\\A\\z", "a\\z", "\\*\\*\\*:a", "(?U)a+", "[^\\x00-\\x{10FFFF}]", "\\x00"}
	texts := []string{"", "a", "b", "ab", "aab", "aaab", "ababab", "a\nb", "b\n", "\n", "foo", "foo bar", "oo", "A", "K", "K", "STRASSE", "STRAẞE", "straße", "é", "É", "ü", "日本", "😀",
		"x", "a.b", "***:a", "*?[](){}^$|\\", "1", "-", "_", " ", "\u00a0", strings.Repeat("x", 300), "Ω", "\U0010FFFF"}
	for _, pattern := range patterns {
		re, err := regexp.Compile(pattern)
		if err != nil {
			t.Fatalf("%q: %v", pattern, err)
		}
		for _, text := range texts {
			var got bool
			if err := c.QueryRow(context.Background(), "SELECT $1::text ~ $2::text", text, regexPattern(pattern)).Scan(&got); err != nil {
				t.Fatalf("%q is written %q: %v", pattern, regexPattern(pattern), err)
			}
			if got != re.MatchString(text) {
				t.Errorf("%q on %.20q: %v, written %q", pattern, text, got, regexPattern(pattern))
			}
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	parts := []string{"a", "b", "A", ".", "^", "$", "(", ")", "|", "*", "+", "?", "[ab]", "[^a]", "\\b", "(?i)", "(?m)", "{2}", "é", "\\n"}
	for tried := 0; tried < 400; {
		pattern := ""
		for range 1 + rng.IntN(7) {
			pattern += parts[rng.IntN(len(parts))]
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			continue
		}
		tried++
		for _, text := range []string{"", "a", "ab", "ba", "aA\nb", "é", "b\n", "aa bb"} {
			var got bool
			if err := c.QueryRow(context.Background(), "SELECT $1::text ~ $2::text", text, regexPattern(pattern)).Scan(&got); err != nil {
				t.Fatalf("%q is written %q: %v", pattern, regexPattern(pattern), err)
			}
			if got != re.MatchString(text) {
				t.Errorf("%q on %q: %v, written %q", pattern, text, got, regexPattern(pattern))
			}
		}
	}
}

// TestLowersToEveryCharacter: what $ilike takes for a character is what folds
// to it, of all there are.
func TestLowersToEveryCharacter(t *testing.T) {
	for r := rune(1); r <= unicode.MaxRune; r++ {
		lower := unicode.ToLower(r)
		found := false
		for _, x := range lowersTo(lower) {
			found = found || x == r
		}
		if !found {
			t.Fatalf("%q folds to %q, which stands for %q", r, lower, lowersTo(lower))
		}
	}
	if got := fmt.Sprintf("%q", lowersTo('σ')); got != "['σ' 'Σ']" && got != "['Σ' 'σ']" {
		t.Errorf("σ stands for %s", got)
	}
}

// TestRealAsTheServerWritesIt: a real of another program's table is the number
// that was stored, not the binary fraction next to it.
func TestRealAsTheServerWritesIt(t *testing.T) {
	for text, want := range map[string]float64{"0.1": 0.1, "-3.4e38": -3.4e38, "16777216": 16777216, "1e-45": 1e-45, "infinity": math.Inf(1)} {
		var raw [4]byte
		f, err := strconv.ParseFloat(text, 32)
		if err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint32(raw[:], math.Float32bits(float32(f)))
		if got := decodeFloat(raw[:]); got != want {
			t.Errorf("%s is read as %v", text, got)
		}
	}
}
