package main

import (
	"errors"
	"strconv"
	"strings"
)

// cents is an exact price: a number or a string with up to two decimals in
// JSON, a string with two out of it.
type cents int64

func (c cents) MarshalJSON() ([]byte, error) {
	return c.append(make([]byte, 0, 16)), nil
}

func (c cents) append(dst []byte) []byte {
	dst = append(dst, '"')
	if c < 0 {
		dst = append(dst, '-')
		c = -c
	}
	dst = strconv.AppendInt(dst, int64(c/100), 10)
	return append(dst, '.', byte('0'+c/10%10), byte('0'+c%10), '"')
}

func (c *cents) UnmarshalJSON(b []byte) error {
	s := string(b)
	if len(s) >= 2 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	v, err := parseCents(s)
	*c = v
	return err
}

var errPrice = errors.New("a price is a number with at most two decimals")

func parseCents(s string) (cents, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) > 2 || len(whole) > 9 {
		return 0, errPrice
	}
	n, err := strconv.ParseInt(whole+(frac + "00")[:2], 10, 64)
	if err != nil {
		return 0, errPrice
	}
	return cents(n), nil
}
