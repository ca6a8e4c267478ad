package codec

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// twoDigits reads s[i:i+2], or returns -1.
func twoDigits(s string, i int) int {
	if i+2 > len(s) {
		return -1
	}
	a, b := s[i]-'0', s[i+1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

// parseDate reads the "2006-01-02" at the start of s. Years are 1 to 9999.
func parseDate(s string) (year, month, day int, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, 0, 0, false
	}
	century, rest := twoDigits(s, 0), twoDigits(s, 2)
	month, day = twoDigits(s, 5), twoDigits(s, 8)
	if century < 0 || rest < 0 || month < 1 || month > 12 || day < 1 {
		return 0, 0, 0, false
	}
	year = century*100 + rest
	return year, month, day, year > 0 && day <= daysIn(year, month)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func validDate(s string) bool {
	_, _, _, ok := parseDate(s)
	return ok && len(s) == 10
}

// parseClock reads the "15:04:05.999999999" at the start of s; seconds may be
// left out. Decimals after the sixth are cut off.
func parseClock(s string) (hour, min, sec, micro int, rest string, ok bool) {
	hour, min = twoDigits(s, 0), twoDigits(s, 3)
	if hour < 0 || hour > 23 || min < 0 || min > 59 || s[2] != ':' {
		return 0, 0, 0, 0, "", false
	}
	rest = s[5:]
	if !strings.HasPrefix(rest, ":") {
		return hour, min, 0, 0, rest, true
	}
	if sec = twoDigits(rest, 1); sec < 0 || sec > 59 {
		return 0, 0, 0, 0, "", false
	}
	rest = rest[3:]
	if !strings.HasPrefix(rest, ".") {
		return hour, min, sec, 0, rest, true
	}
	n := 1
	for unit := 100000; n < len(rest) && n <= 9 && rest[n]-'0' <= 9; n, unit = n+1, unit/10 {
		micro += int(rest[n]-'0') * unit
	}
	return hour, min, sec, micro, rest[n:], n > 1
}

// parseDateTime reads RFC 3339 text. An offset is required.
func parseDateTime(s string) (time.Time, bool) {
	year, month, day, ok := parseDate(s)
	if !ok || len(s) < 11 || s[10] != 'T' && s[10] != 't' && s[10] != ' ' {
		return time.Time{}, false
	}
	hour, min, sec, micro, zone, ok := parseClock(s[11:])
	if !ok {
		return time.Time{}, false
	}
	offset, ok := parseOffset(zone)
	if !ok {
		return time.Time{}, false
	}
	at := time.Date(year, time.Month(month), day, hour, min, sec, micro*1000, time.UTC)
	if offset != 0 {
		at = at.Add(-offset)
	}
	return at, at.Year() >= 1 && at.Year() <= 9999
}

// parseOffset reads "Z" or "+01:00".
func parseOffset(s string) (time.Duration, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, mins := twoDigits(s, 1), twoDigits(s, 4)
	if hours < 0 || hours > 23 || mins < 0 || mins > 59 {
		return 0, false
	}
	d := time.Duration(hours)*time.Hour + time.Duration(mins)*time.Minute
	if s[0] == '-' {
		d = -d
	}
	return d, true
}

// parseTimeOfDay reads a time and writes it in its canonical form.
func parseTimeOfDay(s string) (dataflow.TimeOfDay, bool) {
	hour, min, sec, micro, rest, ok := parseClock(s)
	if !ok || rest != "" {
		return "", false
	}
	b := appendTwo(make([]byte, 0, 15), hour)
	b = appendTwo(append(b, ':'), min)
	b = appendTwo(append(b, ':'), sec)
	if micro > 0 {
		b = append(b, '.')
		for unit := 100000; micro > 0; unit /= 10 {
			b = append(b, byte('0'+micro/unit))
			micro %= unit
		}
	}
	return dataflow.TimeOfDay(b), true
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// AppendDateTime appends the text form of a datetime, without quotes.
func AppendDateTime(dst []byte, at time.Time) []byte {
	at = at.UTC()
	year, month, day := at.Date()
	hour, min, sec := at.Clock()
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, 'T'), hour)
	dst = appendTwo(append(dst, ':'), min)
	dst = appendTwo(append(dst, ':'), sec)
	micro := at.Nanosecond() / 1000
	dst = append(dst, '.')
	dst = appendTwo(appendTwo(appendTwo(dst, micro/10000), micro/100%100), micro%100)
	return append(dst, 'Z')
}

// parseUUID reads a uuid with or without hyphens, in either case, and writes
// it with hyphens in lower case.
func parseUUID(s string) (string, bool) {
	var b [36]byte
	n := 0
	for i := range len(s) {
		if s[i] == '-' && len(s) == 36 && (i == 8 || i == 13 || i == 18 || i == 23) {
			continue
		}
		d := hexDigit(s[i])
		if d < 0 || n == 36 {
			return "", false
		}
		if n == 8 || n == 13 || n == 18 || n == 23 {
			b[n] = '-'
			n++
		}
		if n == 36 {
			return "", false
		}
		b[n] = "0123456789abcdef"[d]
		n++
	}
	if n != 36 {
		return "", false
	}
	if string(b[:]) == s {
		return s, true
	}
	return string(b[:]), true
}

// parseBytes reads standard base64 with its padding.
func parseBytes(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") { // which the decoder would skip
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// formatHint says what text that is nearly right lacks.
func formatHint(t *dataflow.Type, s string) string {
	switch t.Kind {
	case dataflow.KindDateTime:
		if _, ok := parseDateTime(s + "Z"); ok {
			return `add "Z" for UTC, or an offset such as "+02:00"`
		}
		if validDate(s) {
			return `add a time and an offset, as "` + s + `T00:00:00Z"`
		}
	case dataflow.KindDate:
		if _, ok := parseDateTime(s); ok {
			return `give the date alone, as "` + s[:10] + `"`
		}
	}
	return ""
}
