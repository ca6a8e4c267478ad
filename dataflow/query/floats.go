package query

import "strings"

// A sum of floats that is beyond them is an error to PostgreSQL, of whatever group,
// also one that no one asked for, and infinity to SQLite. So that both give the
// same, floats that could lead there are added up apart, as parts of 2^64.

// What a float is kept apart from, by what it is made smaller and larger again, and
// what is infinite when it is made larger.
const (
	largeFloat  = "1e288"
	makeSmaller = "5.421010862427522e-20"
	makeLarger  = "1.8446744073709552e+19"
	mostSmaller = "9.745314011399998e+288"
)

// FloatSum is the sum of a column of floats, or their average if avg. What is
// beyond them, which only a sum can be, or was infinite before, is what beyond makes
// of that part of it.
func FloatSum(column string, avg bool, beyond func(part string) string) string {
	small := "sum(" + column + ") FILTER (WHERE abs(" + column + ") <= " + largeFloat + ")"
	large := "sum(" + column + " * " + makeSmaller + ") FILTER (WHERE abs(" + column + ") > " + largeFloat + ")"
	both := "(" + large + " + CASE WHEN abs(" + small + ") > 1 THEN " + small + " * " + makeSmaller + " ELSE 0 END)"
	if avg {
		count := " / (1.0 * count(" + column + "))"
		small += count
		both += count
	}
	return strings.Join([]string{"CASE WHEN", large, "IS NULL THEN", small, "WHEN abs(" + both + ") <=", mostSmaller, "THEN", both, "*", makeLarger,
		"ELSE", beyond(both), "END"}, " ")
}
