package dataflow

import "strings"

// Suggest returns the candidate nearest to name by edit distance, or "" if
// none is near enough to be what was meant. A swap of neighbours is one edit
// (Damerau, 1964), and so is any difference of case. Of those that are equally
// near the one with fewer differences of case is returned, else the first.
func Suggest(name string, candidates []string) string {
	limit := 1 + len(name)/5
	best, bestExact := "", 0
	lower := strings.ToLower(name)
	for _, c := range candidates {
		d := editDistance(lower, strings.ToLower(c), limit)
		// Of two names that have nothing in common, as "m" and "l", neither is
		// meant by the other.
		if d > limit || c == name || d > 0 && d >= max(len(name), len(c)) {
			continue
		}
		// Another case is a mistake like another letter.
		d = max(d, 1)
		exact := editDistance(name, c, len(name)+len(c))
		if best == "" || d < limit || exact < bestExact {
			best, bestExact, limit = c, exact, d
		}
	}
	return best
}

// ThereAre is a hint that names all the candidates.
func ThereAre(candidates []string) string {
	switch len(candidates) {
	case 0:
		return "there is none"
	case 1:
		return "there is " + candidates[0]
	}
	return "there are " + strings.Join(candidates, ", ")
}

// DidYouMean returns a hint `did you mean "x"?`, or "" if nothing is near.
func DidYouMean(name string, candidates []string) string {
	if s := Suggest(name, candidates); s != "" {
		return `did you mean "` + s + `"?`
	}
	return ""
}

// NearOrAll is a hint for a name that is none of the candidates: the nearest, or
// else all of them, where they are few enough to be read.
func NearOrAll(name string, candidates []string) string {
	const few = 20
	if hint := DidYouMean(name, candidates); hint != "" || len(candidates) > few {
		return hint
	}
	return ThereAre(candidates)
}

// editDistance is the optimal string alignment distance, or limit+1 if it is
// more than limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	const usual = 64 // as long as names may be, so that they take no memory
	var room [3][usual + 1]int
	rows := [3][]int{room[0][:], room[1][:], room[2][:]}
	if len(b) > usual {
		rows = [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, prev2 := rows[2], rows[1], rows[0]
		cur[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, prev2[j-2]+1)
			}
			cur[j] = d
			least = min(least, d)
		}
		if least > limit {
			return limit + 1
		}
		rows = [3][]int{prev, cur, prev2}
	}
	return rows[1][len(b)]
}
