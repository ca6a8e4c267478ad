package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

func median[T cmp.Ordered](xs []T) T {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}

// micros and millis render a duration in one unit, for columns that compare.
func micros(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e3) }
func millis(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
func mib(n int64) string            { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

// ratio renders the median of a/b, round by round: a drift of the machine
// touches both.
func ratio(a, b []time.Duration) string {
	rs := make([]float64, len(a))
	for i := range a {
		rs[i] = float64(a[i]) / float64(max(b[i], 1))
	}
	return fmt.Sprintf("%.2f", median(rs))
}

// table prints a Markdown table.
func table(w io.Writer, title string, head []string, rows [][]string) {
	fmt.Fprintf(w, "\n### %s\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, r := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(r, " | "))
	}
}
