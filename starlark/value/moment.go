package value

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const (
	dateLayout = "2006-01-02"
	timeLayout = "15:04:05.999999"
)

type (
	// DateTime is an instant, in UTC, to the microsecond.
	DateTime struct{ T time.Time }
	// Date is a calendar date.
	Date struct{ D dataflow.Date }
	// TimeOfDay is a time within a day.
	TimeOfDay struct{ T dataflow.TimeOfDay }
	// Duration is a stretch of time.
	Duration struct{ D time.Duration }
)

var (
	_ sl.HasBinary  = DateTime{}
	_ sl.HasAttrs   = DateTime{}
	_ sl.Comparable = DateTime{}
	_ sl.HasBinary  = Date{}
	_ sl.HasAttrs   = Date{}
	_ sl.Comparable = Date{}
	_ sl.HasAttrs   = TimeOfDay{}
	_ sl.Comparable = TimeOfDay{}
	_ sl.HasBinary  = Duration{}
	_ sl.HasUnary   = Duration{}
	_ sl.HasAttrs   = Duration{}
	_ sl.Comparable = Duration{}
)

// NewDateTime makes a DateTime of an instant, or fails beyond the years 1 to 9999.
func NewDateTime(t time.Time) (DateTime, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Year() < 1 || t.Year() > 9999 {
		return DateTime{}, fmt.Errorf("a datetime lies in the years 1 to 9999")
	}
	return DateTime{t}, nil
}

// ParseDateTime reads RFC 3339, with any offset.
func ParseDateTime(s string) (DateTime, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return DateTime{}, fmt.Errorf(`%q is no datetime; write it as "2026-01-31T09:30:00Z"`, s)
	}
	return NewDateTime(t)
}

// ParseDate reads "2026-01-31".
func ParseDate(s string) (Date, error) {
	if t, err := time.Parse(dateLayout, s); err != nil || t.Year() < 1 {
		return Date{}, fmt.Errorf(`%q is no date; write it as "2026-01-31"`, s)
	}
	return Date{dataflow.Date(s)}, nil
}

// ParseTimeOfDay reads "09:30:00" or "09:30", with up to six decimals.
func ParseTimeOfDay(s string) (TimeOfDay, error) {
	for _, layout := range []string{timeLayout, "15:04"} {
		if t, err := time.Parse(layout, s); err == nil && t.Nanosecond()%1000 == 0 && len(s) >= 5 && s[2] == ':' {
			return TimeOfDay{dataflow.TimeOfDay(t.Format(timeLayout))}, nil
		}
	}
	return TimeOfDay{}, fmt.Errorf(`%q is no time of day; write it as "09:30:00"`, s)
}

// ParseDuration reads "100ms", "1m30s", "2h" or "7d".
func ParseDuration(s string) (time.Duration, error) { return codec.ParseDuration(s) }

// String returns the fixed text form, in UTC.
func (t DateTime) String() string { return string(codec.AppendDateTime(nil, t.T)) }

// String returns the date as JSON has it: "2026-01-31".
func (d Date) String() string { return string(d.D) }

// String returns the time as JSON has it: "09:30:00".
func (t TimeOfDay) String() string { return string(t.T) }

// String returns the duration in Go's units: "1h30m0s".
func (d Duration) String() string { return d.D.String() }

// Type returns "datetime".
func (t DateTime) Type() string { return "datetime" }

// Type returns "date".
func (d Date) Type() string { return "date" }

// Type returns "time".
func (t TimeOfDay) Type() string { return "time" }

// Type returns "duration".
func (d Duration) Type() string { return "duration" }

// Freeze does nothing: the value is immutable.
func (t DateTime) Freeze() {}

// Freeze does nothing: the value is immutable.
func (d Date) Freeze() {}

// Freeze does nothing: the value is immutable.
func (t TimeOfDay) Freeze() {}

// Freeze does nothing: the value is immutable.
func (d Duration) Freeze() {}

// Truth is always true.
func (t DateTime) Truth() sl.Bool { return true }

// Truth is always true.
func (d Date) Truth() sl.Bool { return true }

// Truth is always true, at midnight too.
func (t TimeOfDay) Truth() sl.Bool { return true }

// Truth reports whether the duration is not zero.
func (d Duration) Truth() sl.Bool { return d.D != 0 }

// Hash agrees with equality.
func (t DateTime) Hash() (uint32, error) { return sl.MakeInt64(t.T.UnixMicro()).Hash() }

// Hash agrees with equality.
func (d Date) Hash() (uint32, error) { return sl.String(d.D).Hash() }

// Hash agrees with equality.
func (t TimeOfDay) Hash() (uint32, error) { return sl.String(t.T).Hash() }

// Hash agrees with equality.
func (d Duration) Hash() (uint32, error) { return sl.MakeInt64(int64(d.D)).Hash() }

// CompareSameType compares two datetimes.
func (t DateTime) CompareSameType(op syntax.Token, y sl.Value, _ int) (bool, error) {
	return threeway(op, t.T.Compare(y.(DateTime).T)), nil
}

// CompareSameType compares two dates.
func (d Date) CompareSameType(op syntax.Token, y sl.Value, _ int) (bool, error) {
	return threeway(op, strings.Compare(string(d.D), string(y.(Date).D))), nil
}

// CompareSameType compares two times of day.
func (t TimeOfDay) CompareSameType(op syntax.Token, y sl.Value, _ int) (bool, error) {
	return threeway(op, strings.Compare(string(t.T), string(y.(TimeOfDay).T))), nil
}

// CompareSameType compares two durations.
func (d Duration) CompareSameType(op syntax.Token, y sl.Value, _ int) (bool, error) {
	o := y.(Duration).D
	switch {
	case d.D < o:
		return threeway(op, -1), nil
	case d.D > o:
		return threeway(op, 1), nil
	}
	return threeway(op, 0), nil
}

// Binary implements datetime ± duration and datetime - datetime.
func (t DateTime) Binary(op syntax.Token, y sl.Value, side sl.Side) (sl.Value, error) {
	switch y := y.(type) {
	case Duration:
		switch {
		case op == syntax.PLUS:
			return NewDateTime(t.T.Add(y.D))
		case op == syntax.MINUS && side == sl.Left:
			return NewDateTime(t.T.Add(-y.D))
		}
	case DateTime:
		if op == syntax.MINUS && side == sl.Left {
			return Duration{t.T.Sub(y.T)}, nil
		}
	}
	return nil, nil
}

// Binary implements date ± duration, for whole days, and date - date.
func (d Date) Binary(op syntax.Token, y sl.Value, side sl.Side) (sl.Value, error) {
	switch y := y.(type) {
	case Duration:
		step := y.D
		if op == syntax.MINUS && side == sl.Left {
			step = -step
		} else if op != syntax.PLUS {
			return nil, nil
		}
		if step%(24*time.Hour) != 0 {
			return nil, fmt.Errorf("date %s duration: %s is not a whole number of days", op, y)
		}
		t := d.midnight().Add(step)
		if t.Year() < 1 || t.Year() > 9999 {
			return nil, fmt.Errorf("a date lies in the years 1 to 9999")
		}
		return Date{dataflow.Date(t.Format(dateLayout))}, nil
	case Date:
		if op == syntax.MINUS && side == sl.Left {
			return Duration{d.midnight().Sub(y.midnight())}, nil
		}
	}
	return nil, nil
}

// Binary implements duration ± duration and duration times or by an int.
func (d Duration) Binary(op syntax.Token, y sl.Value, side sl.Side) (sl.Value, error) {
	switch y := y.(type) {
	case Duration:
		switch op {
		case syntax.PLUS:
			if r := d.D + y.D; (r > d.D) == (y.D > 0) {
				return Duration{r}, nil
			}
		case syntax.MINUS:
			if r := d.D - y.D; (r < d.D) == (y.D > 0) {
				return Duration{r}, nil
			}
		default:
			return nil, nil
		}
		return nil, fmt.Errorf("duration %s duration: the result is too long", op)
	case sl.Int:
		n, ok := y.Int64()
		if !ok {
			return nil, fmt.Errorf("duration %s int: the number is too large", op)
		}
		switch {
		case op == syntax.STAR:
			r := d.D * time.Duration(n)
			if n != 0 && r/time.Duration(n) != d.D {
				return nil, fmt.Errorf("duration * int: the result is too long")
			}
			return Duration{r}, nil
		case op == syntax.SLASHSLASH && side == sl.Left && n != 0:
			return Duration{d.D / time.Duration(n)}, nil
		}
	}
	return nil, nil
}

// Unary implements + and -.
func (d Duration) Unary(op syntax.Token) (sl.Value, error) {
	switch op {
	case syntax.PLUS:
		return d, nil
	case syntax.MINUS:
		return Duration{-d.D}, nil
	}
	return nil, nil
}

func (d Date) midnight() time.Time {
	t, _ := time.Parse(dateLayout, string(d.D)) // valid by construction
	return t
}

func (t TimeOfDay) clock() time.Time {
	c, _ := time.Parse(timeLayout, string(t.T)) // valid by construction
	return c
}

// attr is one attribute of an instant.
type attr struct {
	name string
	get  func(time.Time) sl.Value
}

func intAttr(name string, get func(time.Time) int) attr {
	return attr{name, func(t time.Time) sl.Value { return sl.MakeInt(get(t)) }}
}

var dateAttrs = []attr{
	intAttr("year", time.Time.Year),
	intAttr("month", func(t time.Time) int { return int(t.Month()) }),
	intAttr("day", time.Time.Day),
	// Monday is 0, as in Python.
	intAttr("weekday", func(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }),
	intAttr("yearday", time.Time.YearDay),
}

var clockAttrs = []attr{
	intAttr("hour", time.Time.Hour),
	intAttr("minute", time.Time.Minute),
	intAttr("second", time.Time.Second),
	intAttr("microsecond", func(t time.Time) int { return t.Nanosecond() / 1000 }),
}

var dateTimeAttrs = append(append([]attr{
	{"date", func(t time.Time) sl.Value { return Date{dataflow.Date(t.Format(dateLayout))} }},
	{"time", func(t time.Time) sl.Value { return TimeOfDay{dataflow.TimeOfDay(t.Format(timeLayout))} }},
	{"unix", func(t time.Time) sl.Value { return sl.MakeInt64(t.Unix()) }},
}, dateAttrs...), clockAttrs...)

func findAttr(attrs []attr, name string, t func() time.Time) (sl.Value, error) {
	for _, a := range attrs {
		if a.name == name {
			return a.get(t()), nil
		}
	}
	return nil, nil
}

func attrNames(attrs []attr) []string {
	names := make([]string, len(attrs))
	for i, a := range attrs {
		names[i] = a.name
	}
	return names
}

// Attr returns a part of the instant: year, hour, date, unix, …
func (t DateTime) Attr(name string) (sl.Value, error) {
	return findAttr(dateTimeAttrs, name, func() time.Time { return t.T })
}

// AttrNames lists what Attr knows.
func (t DateTime) AttrNames() []string { return attrNames(dateTimeAttrs) }

// Attr returns a part of the date: year, month, day, weekday, yearday.
func (d Date) Attr(name string) (sl.Value, error) { return findAttr(dateAttrs, name, d.midnight) }

// AttrNames lists what Attr knows.
func (d Date) AttrNames() []string { return attrNames(dateAttrs) }

// Attr returns a part of the time: hour, minute, second, microsecond.
func (t TimeOfDay) Attr(name string) (sl.Value, error) { return findAttr(clockAttrs, name, t.clock) }

// AttrNames lists what Attr knows.
func (t TimeOfDay) AttrNames() []string { return attrNames(clockAttrs) }

// durationUnits are the attributes of a duration: it, in whole units.
var durationUnits = []struct {
	name string
	unit time.Duration
}{
	{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute},
	{"seconds", time.Second}, {"milliseconds", time.Millisecond}, {"microseconds", time.Microsecond},
}

// Attr returns the whole duration in whole units of that name, as d.seconds.
func (d Duration) Attr(name string) (sl.Value, error) {
	for _, u := range durationUnits {
		if u.name == name {
			return sl.MakeInt64(int64(d.D / u.unit)), nil
		}
	}
	return nil, nil
}

// AttrNames lists what Attr knows.
func (d Duration) AttrNames() []string {
	names := make([]string, len(durationUnits))
	for i, u := range durationUnits {
		names[i] = u.name
	}
	return names
}
