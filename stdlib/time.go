package stdlib

import (
	"fmt"
	"time"
	_ "time/tzdata" // zones must not depend on the machine

	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func timeMembers() sl.StringDict {
	return dict(
		// datetime(s) reads RFC 3339: "2026-01-31T09:30:00Z".
		parser("datetime", func(s string) (sl.Value, error) { return value.ParseDateTime(s) }),
		// date(s) reads "2026-01-31".
		parser("date", func(s string) (sl.Value, error) { return value.ParseDate(s) }),
		// time(s) reads "09:30:00".
		parser("time", func(s string) (sl.Value, error) { return value.ParseTimeOfDay(s) }),
		// duration(s) reads "1m30s", "2h" or "7d".
		parser("duration", func(s string) (sl.Value, error) {
			d, err := value.ParseDuration(s)
			return value.Duration{D: d}, err
		}),
		// from_unix(seconds) is the moment so long after 1970-01-01T00:00:00Z.
		builtin("from_unix", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var seconds int64
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "seconds", &seconds); err != nil {
				return nil, err
			}
			return value.NewDateTime(time.Unix(seconds, 0))
		}),
		// to_unix(moment) is its whole seconds since 1970-01-01T00:00:00Z.
		builtin("to_unix", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var t value.DateTime
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "moment", &t); err != nil {
				return nil, err
			}
			return sl.MakeInt64(t.T.Unix()), nil
		}),
		// format(moment, layout, zone) writes a moment by strftime's codes
		// (%Y %m %d %H %M %S %f %j %a %A %b %B %p %I %z %Z %%), in a zone of the
		// IANA database.
		builtin("format", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var t value.DateTime
			var layout string
			zone := "UTC"
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "moment", &t, "layout", &layout, "zone?", &zone); err != nil {
				return nil, err
			}
			loc, err := time.LoadLocation(zone)
			if err != nil || zone == "Local" || zone == "" {
				return nil, fmt.Errorf(`there is no time zone %q; write one such as "Europe/Berlin"`, zone)
			}
			s, err := strftime(t.T.In(loc), layout)
			return sl.String(s), err
		}),
	)
}

func parser(name string, parse func(string) (sl.Value, error)) *sl.Builtin {
	return builtin(name, func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var s string
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s); err != nil {
			return nil, err
		}
		v, err := parse(s)
		if err != nil {
			return nil, err
		}
		return v, nil
	})
}

// strftimeCodes maps strftime's codes (POSIX.1-2024) to Go layouts.
var strftimeCodes = map[byte]string{
	'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'j': "002",
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'p': "PM", 'I': "03", 'z': "-0700", 'Z': "MST",
}

func strftime(t time.Time, layout string) (string, error) {
	var out []byte
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' {
			out = append(out, layout[i])
			continue
		}
		i++
		switch {
		case i == len(layout):
			return "", fmt.Errorf(`the layout %q ends in a lone %%; write "%%%%" for the character`, layout)
		case layout[i] == '%':
			out = append(out, '%')
		case layout[i] == 'f':
			out = fmt.Appendf(out, "%06d", t.Nanosecond()/1000)
		default:
			code, ok := strftimeCodes[layout[i]]
			if !ok {
				return "", fmt.Errorf("the layout %q has the code %%%c, which is none of %%Y %%m %%d %%H %%M %%S %%f %%j %%a %%A %%b %%B %%p %%I %%z %%Z", layout, layout[i])
			}
			out = t.AppendFormat(out, code)
		}
	}
	return string(out), nil
}
