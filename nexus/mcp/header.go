package mcp

import (
	"encoding/base64"
	"strings"
)

// decodeHeader reads the value of a header that repeats a part of a request.
// What no header can hold is written =?base64?…?=.
func decodeHeader(value string) (string, bool) {
	value = strings.Trim(value, " \t")
	if encoded, ok := strings.CutPrefix(value, "=?base64?"); ok {
		if encoded, ok = strings.CutSuffix(encoded, "?="); ok {
			b, err := base64.StdEncoding.DecodeString(encoded)
			return string(b), err == nil
		}
	}
	for i := 0; i < len(value); i++ {
		if value[i] < ' ' || value[i] > '~' {
			return "", false
		}
	}
	return value, true
}
