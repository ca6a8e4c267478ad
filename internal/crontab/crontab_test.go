package crontab

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
)

// What a clock shows, and by how much it is ahead of UTC.
const clock = "2006-01-02 15:04 -0700"

func TestNext(t *testing.T) {
	tests := []struct {
		name, times, zone, after string
		want                     []string
	}{
		{"a time that is skipped comes when it has been", "30 2 * * *", "Europe/Berlin", "2026-03-28 00:00 +0100",
			[]string{"2026-03-28 02:30 +0100", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"several that are skipped come as one", "0,15,30,45 2 * * *", "Europe/Berlin", "2026-03-28 02:30 +0100",
			[]string{"2026-03-28 02:45 +0100", "2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"}},
		{"steps within a named hour are times of the day", "*/30 2 * * *", "Europe/Berlin", "2026-10-24 12:00 +0200",
			[]string{"2026-10-25 02:00 +0200", "2026-10-25 02:30 +0200", "2026-10-26 02:00 +0100"}},
		{"and one that is skipped falls in with one that is not", "0 1-5 * * *", "Europe/Berlin", "2026-03-29 00:00 +0100",
			[]string{"2026-03-29 01:00 +0100", "2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200", "2026-03-29 05:00 +0200", "2026-03-30 01:00 +0200"}},
		{"a time that is shown twice comes once", "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00 +0200",
			[]string{"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
		{"from between the two it is the next day", "30 2 * * *", "Europe/Berlin", "2026-10-25 02:10 +0100",
			[]string{"2026-10-26 02:30 +0100"}},
		{"every other hour is times of the day", "0 */2 * * *", "Europe/Berlin", "2026-10-25 00:00 +0200",
			[]string{"2026-10-25 02:00 +0200", "2026-10-25 04:00 +0100", "2026-10-25 06:00 +0100"}},
		{"also in spring", "0 */2 * * *", "Europe/Berlin", "2026-03-29 00:00 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
		{"every hour is the time that passes in spring", "0 * * * *", "Europe/Berlin", "2026-03-29 00:30 +0100",
			[]string{"2026-03-29 01:00 +0100", "2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
		{"and in autumn", "@hourly", "Europe/Berlin", "2026-10-25 00:30 +0200",
			[]string{"2026-10-25 01:00 +0200", "2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"}},
		{"every quarter in spring", "*/15 * * * *", "America/New_York", "2026-03-08 01:20 -0500",
			[]string{"2026-03-08 01:30 -0500", "2026-03-08 01:45 -0500", "2026-03-08 03:00 -0400", "2026-03-08 03:15 -0400"}},
		{"every quarter in autumn", "*/15 * * * *", "America/New_York", "2026-11-01 01:20 -0400",
			[]string{"2026-11-01 01:30 -0400", "2026-11-01 01:45 -0400", "2026-11-01 01:00 -0500", "2026-11-01 01:15 -0500", "2026-11-01 01:30 -0500",
				"2026-11-01 01:45 -0500", "2026-11-01 02:00 -0500"}},
		{"New York's skipped hour", "30 2 * * *", "America/New_York", "2026-03-07 12:00 -0500",
			[]string{"2026-03-08 03:00 -0400", "2026-03-09 02:30 -0400"}},
		{"New York's second hour", "30 1 * * *", "America/New_York", "2026-10-31 12:00 -0400",
			[]string{"2026-11-01 01:30 -0400", "2026-11-02 01:30 -0500"}},
		{"a skipped half hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00 +1030",
			[]string{"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"}},
		{"what comes after the skipped half hour", "45 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00 +1030",
			[]string{"2026-10-04 02:45 +1100"}},
		{"a day on which half an hour is skipped has its other times", "0 5 * * *", "Australia/Lord_Howe", "2026-10-03 12:00 +1030",
			[]string{"2026-10-04 05:00 +1100", "2026-10-05 05:00 +1100"}},
		{"a half hour that is shown twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00 +1100",
			[]string{"2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"}},
		{"every half hour over a half hour in spring", "*/30 * * * *", "Australia/Lord_Howe", "2026-10-04 01:00 +1030",
			[]string{"2026-10-04 01:30 +1030", "2026-10-04 02:30 +1100", "2026-10-04 03:00 +1100"}},
		{"and in autumn", "*/30 * * * *", "Australia/Lord_Howe", "2026-04-05 01:00 +1100",
			[]string{"2026-04-05 01:30 +1100", "2026-04-05 01:30 +1030", "2026-04-05 02:00 +1030"}},
		{"every hour goes by the minutes that the clock shows", "0 * * * *", "Australia/Lord_Howe", "2026-10-04 00:30 +1030",
			[]string{"2026-10-04 01:00 +1030", "2026-10-04 03:00 +1100"}},
		{"a midnight that is skipped", "@daily", "Africa/Cairo", "2026-04-23 12:00 +0200",
			[]string{"2026-04-24 01:00 +0300", "2026-04-25 00:00 +0300"}},
		{"a midnight that is skipped, by the minute", "*/20 * * * fri", "Africa/Cairo", "2026-04-23 12:00 +0200",
			[]string{"2026-04-24 01:00 +0300", "2026-04-24 01:20 +0300"}},
		{"an hour before midnight that is shown twice", "30 23 * * *", "Africa/Cairo", "2026-10-29 12:00 +0300",
			[]string{"2026-10-29 23:30 +0300", "2026-10-30 23:30 +0200"}},
		{"and by the minute, with a day that is none of them", "30 * * * thu", "Africa/Cairo", "2026-10-29 22:45 +0300",
			[]string{"2026-10-29 23:30 +0300", "2026-10-29 23:30 +0200", "2026-11-05 00:30 +0200"}},
		{"a day that is skipped whole", "0 6 * * fri", "Pacific/Apia", "2011-12-29 12:00 -1000",
			[]string{"2011-12-31 00:00 +1400", "2012-01-06 06:00 +1400"}},
		{"a place whose clock is let be", "30 2 * * *", "Asia/Kolkata", "2026-03-28 00:00 +0530",
			[]string{"2026-03-28 02:30 +0530", "2026-03-29 02:30 +0530", "2026-03-30 02:30 +0530"}},
		{"UTC", "0 6 * * mon-fri", "UTC", "2026-01-30 06:00 +0000",
			[]string{"2026-02-02 06:00 +0000", "2026-02-03 06:00 +0000"}},
		{"a stretch of time knows no clock", "@every 90m", "Europe/Berlin", "2026-03-29 01:00 +0100",
			[]string{"2026-03-29 03:30 +0200", "2026-03-29 05:00 +0200"}},
		{"a day of the month or of the week", "0 0 13 * fri", "UTC", "2026-02-10 00:00 +0000",
			[]string{"2026-02-13 00:00 +0000", "2026-02-20 00:00 +0000", "2026-02-27 00:00 +0000", "2026-03-06 00:00 +0000", "2026-03-13 00:00 +0000"}},
		{"a step over the days leaves the week to say", "0 0 */2 * mon", "UTC", "2026-06-01 12:00 +0000",
			[]string{"2026-06-15 00:00 +0000", "2026-06-29 00:00 +0000", "2026-07-13 00:00 +0000"}},
		{"Sunday is 0 and 7", "0 0 * * 7", "UTC", "2026-06-01 00:00 +0000", []string{"2026-06-07 00:00 +0000", "2026-06-14 00:00 +0000"}},
		{"until Sunday", "0 0 * * Sat-Sun", "UTC", "2026-06-01 00:00 +0000", []string{"2026-06-06 00:00 +0000", "2026-06-07 00:00 +0000", "2026-06-13 00:00 +0000"}},
		{"a leap day", "0 0 29 2 *", "UTC", "2096-03-01 00:00 +0000", []string{"2104-02-29 00:00 +0000"}},
		{"from a minute on in steps", "5/20 3 1 JAN,jul *", "UTC", "2026-01-01 03:10 +0000",
			[]string{"2026-01-01 03:25 +0000", "2026-01-01 03:45 +0000", "2026-07-01 03:05 +0000"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			times, err := Parse(test.times)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			next, err := time.Parse(clock, test.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range test.want {
				next = times.Next(next, at)
				got = append(got, next.In(at).Format(clock))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// From wherever in a year one looks, the next time is later, and nothing lies
// between: what is next from just before it is the same.
func TestNextIsTheFirst(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Asia/Tokyo"} {
		at, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"*/15 * * * *", "30 2 * * *", "0,59 0-3 * * *", "15 * * * sun", "0 0 1 * *"} {
			times, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			for from := time.Date(2026, 1, 1, 0, 0, 0, 1, time.UTC); from.Before(end); from = from.Add(29 * time.Minute) {
				next := times.Next(from, at)
				if !next.After(from) {
					t.Fatalf("%s in %s: after %s comes %s", text, zone, from, next)
				}
				if again := times.Next(next.Add(-time.Nanosecond), at); !again.Equal(next) {
					t.Fatalf("%s in %s: after %s comes %s, and just before that %s", text, zone, from, next, again)
				}
			}
		}
	}
}

func TestNextNever(t *testing.T) {
	for _, text := range []string{"0 0 31 2 *", "* * 30 feb *"} {
		times, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if next := times.Next(time.Now(), time.UTC); !next.IsZero() {
			t.Errorf("%q comes at %s", text, next)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "there are 0 fields instead of five",
		"0 6 * *":           "there are 4 fields instead of five",
		"0 0 6 * * *":       "there are 6 fields instead of five",
		"60 * * * *":        "the minute 60 is none of 0 to 59",
		"0 24 * * *":        "the hour 24 is none of 0 to 23",
		"0 0 0 * *":         "the day of the month 0 is none of 1 to 31",
		"0 0 1 13 *":        "the month 13 is none of 1 to 12",
		"0 0 * * 8":         "the day of the week 8 is none of 0 to 7",
		"0 0 * * moon":      `"moon" is no day of the week`,
		"60 24 1 * *":       "the minute 60 is none of 0 to 59; the hour 24 is none of 0 to 23",
		"-1 0 * * *":        `"" is no minute`,
		"0 0 5-2 * *":       "5-2 goes backwards, as a range of the day of the month",
		"*/0 * * * *":       `the step "0" is no number above zero`,
		"*/x * * * *":       `the step "x" is no number above zero`,
		"*/90 * * * *":      "the step 90 is more than 60, beyond which there is no minute",
		"* 1/25 * * *":      "the step 25 is more than 24, beyond which there is no hour",
		"1, * * * *":        `"" is no minute`,
		"99999999 * * * *":  `"99999999" is no minute`,
		"@reboot":           "there is no @reboot, but @hourly, @daily, @weekly, @monthly, @yearly and @every",
		"@every 10":         `"10" is no time of whole seconds, as "90s", "10m" or "1h30m"`,
		"@every 500ms":      `"500ms" is no time of whole seconds, as "90s", "10m" or "1h30m"`,
		"@every -1h":        `"-1h" is no time of whole seconds, as "90s", "10m" or "1h30m"`,
		"TZ=UTC 0 6 * * * ": "there are 6 fields instead of five",

		"1/9223372036854775807 * * * *": "the step 9223372036854775807 is more than 60, beyond which there is no minute",
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
