// Package crontab reads times as crontab has them, and says when they come by
// the clock of a place, also where that is set forward in spring and back in
// autumn. It knows nothing of what is to be done then.
//
// What happens at a change of the clock is what cron's manual says. Times of
// which there is one in every hour follow the time that passes. Others are
// times of the day, and each day has each of them once: one that the clock
// skips comes when it has, and one that it shows twice comes the first time.
package crontab

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Times are points in time that come again and again.
type Times struct {
	every                            time.Duration // else:
	minutes, hours, days, months, on set
	either                           bool // a day of the month or of the week does
}

// set holds small numbers.
type set uint64

func (s set) has(n int) bool { return s>>n&1 == 1 }

// field is one of the five, in their order.
type field struct {
	name      string
	low, high int
	names     []string // of low, and those after it
}

var fields = [5]field{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}, // 0 and 7 are Sunday
}

// allHours are those of a day.
const allHours = set(1<<24 - 1)

// words are texts that stand for five fields.
var words = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// Parse reads five fields, or one of the texts that begin with @.
func Parse(text string) (*Times, error) {
	if long, ok := strings.CutPrefix(text, "@every "); ok {
		d, err := time.ParseDuration(long)
		if err != nil || d < time.Second || d%time.Second != 0 {
			return nil, fmt.Errorf(`%q is no time of whole seconds, as "90s", "10m" or "1h30m"`, long)
		}
		return &Times{every: d}, nil
	}
	if strings.HasPrefix(text, "@") {
		long, ok := words[text]
		if !ok {
			return nil, fmt.Errorf("there is no %s, but @hourly, @daily, @weekly, @monthly, @yearly and @every", text)
		}
		text = long
	}
	parts := strings.Fields(text)
	if len(parts) != len(fields) {
		if len(parts) == 1 {
			return nil, errors.New("there is one field instead of five")
		}
		return nil, fmt.Errorf("there are %d fields instead of five", len(parts))
	}
	var sets [len(fields)]set
	var wrong []string
	for i, f := range fields {
		var err error
		if sets[i], err = f.parse(parts[i]); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	if sets[4].has(7) {
		sets[4] |= 1
	}
	star := func(i int) bool { return parts[i][0] == '*' || parts[i][0] == '?' }
	return &Times{minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], on: sets[4], either: !star(2) && !star(4)}, nil
}

// parse reads ranges with commas between them.
func (f field) parse(text string) (all set, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		low, high, ranged := strings.Cut(span, "-")
		from, to := f.low, f.high
		if span != "*" && span != "?" {
			if from, err = f.number(low); err != nil {
				return 0, err
			}
			switch {
			case ranged:
				if to, err = f.number(high); err != nil {
					return 0, err
				}
				if to == 0 && from > 0 && f.high == 7 { // from a day until Sunday
					to = 7
				}
				if from > to {
					return 0, fmt.Errorf("%s goes backwards, as a range of the %s", span, f.name)
				}
			case !stepped:
				to = from
			}
		}
		by := 1
		if stepped {
			if by, err = strconv.Atoi(step); err != nil || by < 1 {
				return 0, fmt.Errorf("the step %q is no number above zero", step)
			}
			// Minutes in steps of 90 would come every hour, which nobody means by it.
			if most := f.high - f.low + 1; by > most {
				return 0, fmt.Errorf("the step %d is more than %d, beyond which there is no %s", by, most, f.name)
			}
		}
		for n := from; n <= to; n += by {
			all |= 1 << n
		}
	}
	return all, nil
}

// number reads a number or a name.
func (f field) number(text string) (int, error) {
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return f.low + i, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no %s", text, f.name)
	case int(n) < f.low || int(n) > f.high:
		return 0, fmt.Errorf("the %s %d is none of %d to %d", f.name, n, f.low, f.high)
	}
	return int(n), nil
}

// Passing reports whether the times follow the time that passes, rather than
// the hours of a day.
func (t *Times) Passing() bool { return t.every > 0 || t.hours == allHours }

// horizon is how many years may lie between two times.
const horizon = 50

// Next returns the first of the times after one, by the clock of a place; the
// zero time if there is none.
func (t *Times) Next(after time.Time, at *time.Location) time.Time {
	if t.every > 0 {
		return after.Add(t.every).Truncate(time.Second)
	}
	here := after.In(at)
	if t.Passing() {
		return t.nextPassing(here)
	}
	return t.nextOfDay(here)
}

// nextPassing goes through the minutes that pass.
func (t *Times) nextPassing(after time.Time) time.Time {
	next := after.Add(time.Minute - time.Duration(after.Second())*time.Second - time.Duration(after.Nanosecond()))
	for end := after.Year() + horizon; next.Year() <= end; {
		switch day := shown(next); {
		case !t.onDay(day):
			midnight := time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, time.UTC)
			next = firstShown(next, midnight)
		case t.minutes.has(next.Minute()):
			return next
		default:
			next = next.Add(time.Minute)
		}
	}
	return time.Time{}
}

// nextOfDay goes through the times of each day. Those that the clock has shown
// have been, and so is what it shows after it was set back.
func (t *Times) nextOfDay(after time.Time) time.Time {
	now := shown(after)
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	for end := day.Year() + horizon; day.Year() <= end; day = day.AddDate(0, 0, 1) {
		if !t.onDay(day) {
			continue
		}
		for hour := range 24 {
			if !t.hours.has(hour) {
				continue
			}
			for minute := range 60 {
				clock := day.Add(time.Duration(hour*60+minute) * time.Minute)
				if !t.minutes.has(minute) || !clock.After(now) {
					continue
				}
				if next := firstShown(clock.AddDate(0, 0, -2).In(after.Location()), clock); next.After(after) {
					return next
				}
			}
		}
	}
	return time.Time{}
}

func (t *Times) onDay(day time.Time) bool {
	if !t.months.has(int(day.Month())) {
		return false
	}
	ofMonth, ofWeek := t.days.has(day.Day()), t.on.has(int(day.Weekday()))
	if t.either {
		return ofMonth || ofWeek
	}
	return ofMonth && ofWeek
}

// shown is what the clock of a time's place shows, as if it were UTC.
func shown(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// firstShown is when, from a time on, the clock of its place first shows what is
// given, or later than that because it skips it.
func firstShown(from, clock time.Time) time.Time {
	for {
		_, offset := from.Zone()
		then := clock.Add(-time.Duration(offset) * time.Second).In(from.Location())
		if then.Before(from) {
			return from // it begins here, and has been set forward
		}
		_, end := from.ZoneBounds()
		if end.IsZero() || then.Before(end) {
			return then
		}
		from = end.In(from.Location())
	}
}
