package crontab

import (
	"math/rand/v2"
	"testing"
	"time"
)

// scan goes through the minutes that pass and looks at the clock of a place, as
// somebody would who sits before it. What follows the time that passes comes
// whenever the clock shows it. A time of the day comes when the clock first shows
// it or, where it is set forward beyond it, what it is set to.
func scan(t *Times, from, to time.Time, at *time.Location) (due []time.Time) {
	comes := func(clock time.Time) bool {
		return t.minutes.has(clock.Minute()) && t.hours.has(clock.Hour()) && t.onDay(clock)
	}
	var latest time.Time // that the clock has shown
	for now := from; now.Before(to); now = now.Add(time.Minute) {
		y, m, d := now.In(at).Date()
		clock := time.Date(y, m, d, now.In(at).Hour(), now.In(at).Minute(), 0, 0, time.UTC)
		switch {
		case t.Passing():
			if comes(clock) {
				due = append(due, now)
			}
		case latest.IsZero():
			latest = clock
		case clock.After(latest):
			came := false
			for latest.Before(clock) {
				latest = latest.Add(time.Minute)
				came = came || comes(latest)
			}
			if came {
				due = append(due, now)
			}
		}
	}
	return due
}

// Next says what somebody would see who looks at the clock every minute, at
// each change of the clock that these places have had for half a century.
func TestNextIsWhatTheClockShows(t *testing.T) {
	zones := []string{"Europe/Berlin", "Europe/Dublin", "Europe/Lisbon", "America/New_York", "America/St_Johns", "America/Havana",
		"America/Sao_Paulo", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "Africa/Casablanca", "Asia/Gaza", "Asia/Tehran",
		"Asia/Amman", "Asia/Kathmandu", "Asia/Pyongyang", "America/Caracas", "Antarctica/Troll", "Antarctica/Casey", "Pacific/Apia",
		"Pacific/Kwajalein", "Pacific/Kiritimati", "Pacific/Chatham"}
	texts := []string{"30 2 * * *", "0 3 * * *", "*/15 * * * *", "*/15 1-5 * * *", "0 0 * * *", "0 */2 * * *", "59 23 * * *", "1,31 0-2 * * *",
		"0 * * * *", "*/30 * * * fri,sun", "0 6 * * sat", "15 2 1-7 * sun", "30 1 29 2 *", "0 0 1 * *", "0 0 31 4 *", "* 2 * * *", "30 * 30 12 *"}
	draw := rand.New(rand.NewPCG(7, 26))
	changes := 0
	for _, zone := range zones {
		at, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		last := time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
		for now := time.Date(1976, 1, 1, 0, 0, 0, 0, time.UTC).In(at); ; {
			_, change := now.ZoneBounds()
			if change.IsZero() || change.After(last) {
				break
			}
			now = change
			changes++
			// From two days before the change to two days after it.
			from, to := change.Add(-48*time.Hour), change.Add(48*time.Hour)
			for range 4 {
				text := texts[draw.IntN(len(texts))]
				times, err := Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				var got []time.Time
				for next := times.Next(from, at); next.Before(to) && !next.IsZero(); next = times.Next(next, at) {
					got = append(got, next)
				}
				want := scan(times, from, to, at)
				if len(want) > 0 && want[0].Equal(from) {
					want = want[1:]
				}
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || !got[i].Equal(want[i]) {
						t.Errorf("%q around %s in %s:\ngot  %v\nwant %v", text, change, zone, got, want)
						break
					}
				}
			}
		}
	}
	if changes < 1000 {
		t.Errorf("only %d changes of a clock were looked at", changes)
	}
}
