package stdlib

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on any machine

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func timeModule() Module {
	fns := []Function{
		{Name: "duration", Params: "text", Doc: "A stretch of time: `\"100ms\"`, `\"1m30s\"`, `\"2h\"`, `\"7d\"`. Its `.seconds`, `.minutes`, `.hours`, `.days` and `.milliseconds` are whole numbers.", call: parseDuration, Examples: []Example{{`duration("1m30s").seconds`, "90"}, {`duration("7d").hours`, "168"}}},
		{Name: "parse", Params: `text, format = None, zone = None`, Doc: "A datetime from text: RFC 3339, or a format as of strftime, read as a time in that zone (\"Europe/Berlin\"; UTC if left out), or as its `%z` says. A time that a zone has twice is the first; one that it skips is moved on by what is skipped.", call: parseTime, Examples: []Example{{`parse("2026-01-31T10:30:00+01:00")`, "2026-01-31T09:30:00.000000Z"}, {`parse("31.01.2026 09:30", "%d.%m.%Y %H:%M")`, "2026-01-31T09:30:00.000000Z"}, {`parse("2026-07-01 09:30", "%Y-%m-%d %H:%M", zone = "Europe/Berlin")`, "2026-07-01T07:30:00.000000Z"}, {`parse("2026-03-29 02:30", "%Y-%m-%d %H:%M", zone = "Europe/Berlin")`, "2026-03-29T01:30:00.000000Z"}, {`parse("2026-10-25 02:30", "%Y-%m-%d %H:%M", zone = "Europe/Berlin")`, "2026-10-25T00:30:00.000000Z"}, {`parse("01/31/2026 -0500", "%m/%d/%Y %z")`, "2026-01-31T05:00:00.000000Z"}}},
		{Name: "format", Params: "t, format, zone = None", Doc: "Text of a datetime, date or time, with the signs of strftime: `%Y %m %d %H %M %S %f %y %b %B %a %A %I %p %j %z %%`. A datetime is shown as in a zone (\"Europe/Berlin\"; UTC if left out).", call: formatTime, Examples: []Example{{`format(datetime("2026-01-31T09:30:00Z"), "%d %b %Y, %H:%M")`, "31 Jan 2026, 09:30"}, {`format(date("2026-01-31"), "%Y%m%d")`, "20260131"}, {`format(datetime("2026-07-01T07:30:00Z"), "%H:%M %z", zone = "Europe/Berlin")`, "09:30 +0200"}}},
		{Name: "local", Params: "t, zone", Doc: "What a datetime is in a zone: a record of `date`, `time`, `weekday` (0 is Monday) and `offset` (seconds east of UTC).", call: localTime, Examples: []Example{{`local(datetime("2026-01-31T23:30:00Z"), "Asia/Tokyo").date`, "2026-02-01"}, {`local(datetime("2026-01-31T23:30:00Z"), "Asia/Tokyo").time`, "08:30:00"}}},
		{Name: "from_unix", Params: "seconds", Doc: "The datetime of so many seconds since 1970.", call: fromUnix, Examples: []Example{{`from_unix(0)`, "1970-01-01T00:00:00.000000Z"}}},
		{Name: "add_months", Params: "t, n", Doc: "So many months later; a day that the month lacks becomes its last.", call: addMonths, Examples: []Example{{`add_months(date("2026-01-31"), 1)`, "2026-02-28"}, {`add_months(date("2026-03-31"), -13)`, "2025-02-28"}}},
		{Name: "start_of_day", Params: "t, zone = None", Doc: "When the day of a datetime, or a date, begins in a zone (UTC if left out).", call: startOfDay, Examples: []Example{{`start_of_day(datetime("2026-01-31T23:30:00Z"), zone = "Asia/Tokyo")`, "2026-01-31T15:00:00.000000Z"}, {`start_of_day(date("2026-07-01"), zone = "America/New_York")`, "2026-07-01T04:00:00.000000Z"}, {`start_of_day(datetime("2026-01-31T09:30:00Z"))`, "2026-01-31T00:00:00.000000Z"}}},
		{Name: "now", Params: "", Doc: "There is none: a handler's clock is `ctx.now()`, so that a run can be repeated.", call: noClock},
	}
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"milliseconds", time.Millisecond}, {"seconds", time.Second}, {"minutes", time.Minute}, {"hours", time.Hour}, {"days", 24 * time.Hour}} {
		fns = append(fns, Function{Name: u.name, Params: "n", Doc: "So many " + u.name + ".", call: units(u.unit),
			Examples: []Example{{u.name + "(2)." + u.name, "2"}}})
	}
	return Module{Name: "time", Capability: pure, Doc: "Dates and times. `datetime(\"…\")`, `date(\"…\")` and `time(\"…\")` make values; they compare, `t.year`, `t.hour`, … are their parts, and a duration is added with `+`.", Functions: fns}
}

func parseDuration(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var text string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "text", &text); err != nil {
		return nil, err
	}
	d, err := value.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return value.Duration{D: d}, nil
}

func units(unit time.Duration) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var n int
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "n", &n); err != nil {
			return nil, err
		}
		d := time.Duration(n) * unit
		if n != 0 && d/time.Duration(n) != unit {
			return nil, fmt.Errorf("%s: %d is too long", b.Name(), n)
		}
		return value.Duration{D: d}, nil
	}
}

func noClock(*sl.Thread, *sl.Builtin, sl.Tuple, []sl.Tuple) (sl.Value, error) {
	return nil, fmt.Errorf("time.now: there is no clock here; in a handler write ctx.now()")
}

func fromUnix(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var n int64
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "seconds", &n); err != nil {
		return nil, err
	}
	return value.NewDateTime(time.Unix(n, 0))
}

// directives are the signs of strftime with their layouts in Go.
var directives = map[byte]string{
	'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'f': "000000", 'y': "06",
	'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'I': "03", 'p': "PM", 'j': "002", 'z': "-0700",
}

// layoutPart is a sign of a format as Go's layout, or text of its own.
type layoutPart struct{ layout, text string }

func layoutParts(format string) ([]layoutPart, error) {
	var parts []layoutPart
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			parts = append(parts, layoutPart{text: format[i : i+1]})
			continue
		}
		i++
		switch {
		case i < len(format) && format[i] == '%':
			parts = append(parts, layoutPart{text: "%"})
		case i < len(format) && directives[format[i]] != "":
			parts = append(parts, layoutPart{layout: directives[format[i]]})
		default:
			return nil, fmt.Errorf("the format %q has a sign that is not known; there are %%Y %%m %%d %%H %%M %%S %%f %%y %%b %%B %%a %%A %%I %%p %%j %%z", format)
		}
	}
	return parts, nil
}

func formatTime(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var v sl.Value
	var format, zone string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "t", &v, "format", &format, "zone?", &zone); err != nil {
		return nil, err
	}
	t, err := instant(b.Name(), v)
	if err != nil {
		return nil, err
	}
	if zone != "" {
		if _, ok := v.(value.DateTime); !ok {
			return nil, fmt.Errorf("%s: a zone is for a datetime, and this is a %s", b.Name(), v.Type())
		}
		loc, err := zoneOf(zone)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		t = t.In(loc)
	}
	parts, err := layoutParts(format)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	var out strings.Builder
	for _, p := range parts {
		switch p.layout {
		case "":
			out.WriteString(p.text)
		case directives['f']: // Go writes fractions behind a point only
			fmt.Fprintf(&out, "%06d", t.Nanosecond()/1000)
		default:
			out.WriteString(t.Format(p.layout))
		}
	}
	return sl.String(out.String()), nil
}

func parseTime(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var text, format, zone string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "text", &text, "format??", &format, "zone??", &zone); err != nil {
		return nil, err
	}
	if format == "" {
		if zone != "" {
			return nil, fmt.Errorf("%s: text in RFC 3339 says its zone itself; a zone goes with a format", b.Name())
		}
		return value.ParseDateTime(text)
	}
	loc, err := zoneOf(zone)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	parts, err := layoutParts(format)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	layout, ok := parseLayout(parts)
	if !ok {
		return nil, fmt.Errorf("%s: a format to parse by has no digits of its own, nor the name of a day, a month or a zone", b.Name())
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %q does not fit %q", b.Name(), text, format)
	}
	if !slices.Contains(parts, layoutPart{layout: directives['z']}) {
		t = wallTime(t, loc)
	}
	return value.NewDateTime(t)
}

// zoneOf finds a zone by its name; "" is UTC. That of the machine, which Go
// calls Local, is none: a file means the same wherever it runs.
func zoneOf(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("%q is no time zone; there are names such as \"Europe/Berlin\" and \"UTC\"", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone; there are names such as \"Europe/Berlin\" and \"UTC\"", name)
	}
	return loc, nil
}

// wallTime is the instant at which a clock in a zone shows what t shows in UTC:
// the first, if it does twice; and where the zone's clocks skip it, the one
// that a clock would show which had not been set on.
func wallTime(t time.Time, loc *time.Location) time.Time {
	offset := func(at time.Time) time.Duration {
		_, seconds := at.In(loc).Zone()
		return time.Duration(seconds) * time.Second
	}
	before := t.Add(-offset(t.Add(-24 * time.Hour)))
	after := t.Add(-offset(t.Add(24 * time.Hour)))
	for _, at := range []time.Time{earlier(before, after), before, after} {
		if offset(at) == t.Sub(at) {
			return at
		}
	}
	return before
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func localTime(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var v sl.Value
	var zone string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "t", &v, "zone", &zone); err != nil {
		return nil, err
	}
	at, ok := v.(value.DateTime)
	if !ok {
		return nil, fmt.Errorf("%s: want a datetime, not %s", b.Name(), v.Type())
	}
	loc, err := zoneOf(zone)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	t := at.T.In(loc)
	if t.Year() < 1 || t.Year() > 9999 {
		return nil, fmt.Errorf("%s: there it is not in the years 1 to 9999", b.Name())
	}
	clock := t.Format("15:04:05")
	if t.Nanosecond() > 0 {
		clock = strings.TrimRight(t.Format("15:04:05.000000"), "0")
	}
	_, offset := t.Zone()
	return value.NewRecord(dataflow.ObjectOf("date", dataflow.Date(t.Format("2006-01-02")), "time", dataflow.TimeOfDay(clock),
		"weekday", int64(t.Weekday()+6)%7, "offset", int64(offset))), nil
}

// parseLayout joins the parts of a format. It is false where text of the
// format's own would read as a layout to Go: such text is not itself when a
// time is written by it.
func parseLayout(parts []layoutPart) (string, bool) {
	other := time.Date(2031, time.November, 22, 1, 48, 59, 0, time.UTC) // nothing of which is as in Go's layouts
	var layout, text strings.Builder
	for _, p := range append(parts, layoutPart{layout: " "}) {
		if p.layout == "" {
			text.WriteString(p.text)
			continue
		}
		if own := text.String(); other.Format(own) != own || strings.ContainsAny(own, "0123456789_") {
			return "", false
		}
		layout.WriteString(text.String() + p.layout)
		text.Reset()
	}
	return strings.TrimSuffix(layout.String(), " "), true
}

// instant is the time that a datetime, a date or a time of day stands for.
func instant(fn string, v sl.Value) (time.Time, error) {
	switch v := v.(type) {
	case value.DateTime:
		return v.T, nil
	case value.Date:
		return time.Parse("2006-01-02", string(v.D))
	case value.TimeOfDay:
		return time.Parse("15:04:05.999999", string(v.T))
	}
	return time.Time{}, fmt.Errorf("%s: want a datetime, a date or a time, not %s", fn, v.Type())
}

func startOfDay(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var v sl.Value
	var zone string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "t", &v, "zone??", &zone); err != nil {
		return nil, err
	}
	loc, err := zoneOf(zone)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	if _, ok := v.(value.TimeOfDay); ok {
		return nil, fmt.Errorf("%s: want a datetime or a date, not time", b.Name())
	}
	t, err := instant(b.Name(), v)
	if err != nil {
		return nil, err
	}
	if _, ok := v.(value.DateTime); ok {
		t = t.In(loc)
	}
	return value.NewDateTime(wallTime(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), loc))
}

func addMonths(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var v sl.Value
	var n int
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "t", &v, "n", &n); err != nil {
		return nil, err
	}
	if n > 120_000 || n < -120_000 {
		return nil, fmt.Errorf("%s: %d months are too many", b.Name(), n)
	}
	t, err := instant(b.Name(), v)
	if err != nil {
		return nil, err
	}
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	moved, err := value.NewDateTime(first.AddDate(0, 0, min(t.Day(), last)-1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	switch v.(type) {
	case value.DateTime:
		return moved, nil
	case value.Date:
		return value.Date{D: dataflow.Date(moved.T.Format("2006-01-02"))}, nil
	}
	return nil, fmt.Errorf("%s: want a datetime or a date, not %s", b.Name(), v.Type())
}
