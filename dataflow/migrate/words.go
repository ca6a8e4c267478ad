package migrate

import "fmt"

// The words of diagnostics.

func rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

func have(n int64) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

func were(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func shared(n int64) string {
	if n == 1 {
		return "one combination of values is in"
	}
	return fmt.Sprintf("%d combinations of values are each in", n)
}

// describe names a column's type as the file writes it, as far as it is known.
func describe(c *Column) string {
	switch {
	case c.Kind == "":
		return "a column of type " + c.Storage
	case c.Kind == "decimal":
		return fmt.Sprintf("decimal(%d, %d)", c.Precision, c.Scale)
	case c.Ref != nil:
		return fmt.Sprintf("a reference to %s (on_delete = %q)", c.Ref.Table, c.Ref.OnDelete)
	}
	return c.Kind
}
