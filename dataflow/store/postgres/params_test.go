package postgres

import "testing"

// TestAnEmptyTextIsNotNull: not even as the first that a connection sends.
func TestAnEmptyTextIsNotNull(t *testing.T) {
	for _, args := range [][]any{{""}, {"", nil, ""}, {[]byte(nil)}, {[]byte{}}, {nil}} {
		values, _ := new(params).encode(args)
		for i, v := range values {
			if (v == nil) != (args[i] == nil) {
				t.Errorf("%#v is sent as %#v", args, values)
			}
		}
	}
}
