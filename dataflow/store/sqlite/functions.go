package sqlite

import (
	"regexp"

	"github.com/flowctl/flowctl/dataflow/query"
	"zombiezen.com/go/sqlite"
)

// SQLite has neither a case-insensitive match beyond ASCII nor regular
// expressions. These functions have the meaning that query gives both.
const (
	ilikeFunction = "flow_ilike"
	regexFunction = "flow_regex"
)

func registerFunctions(c *sqlite.Conn) error {
	if err := c.CreateFunction(ilikeFunction, textFunction(func(_ sqlite.Context, pattern, s string) (bool, error) {
		return query.LikeMatch(pattern, query.FoldCase(s)), nil
	})); err != nil {
		return err
	}
	if err := registerSums(c); err != nil {
		return err
	}
	if err := registerSearch(c); err != nil {
		return err
	}
	return c.CreateFunction(regexFunction, textFunction(func(ctx sqlite.Context, pattern, s string) (bool, error) {
		re, ok := ctx.AuxData(0).(*regexp.Regexp)
		if !ok {
			var err error
			if re, err = regexp.Compile(pattern); err != nil {
				return false, err
			}
			ctx.SetAuxData(0, re) // kept while the pattern stays the same
		}
		return re.MatchString(s), nil
	}))
}

// textFunction is a function of a pattern and a text, null for null.
func textFunction(f func(ctx sqlite.Context, pattern, s string) (bool, error)) *sqlite.FunctionImpl {
	return &sqlite.FunctionImpl{NArgs: 2, Deterministic: true,
		Scalar: func(ctx sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			if args[0].Type() == sqlite.TypeNull || args[1].Type() == sqlite.TypeNull {
				return sqlite.Value{}, nil
			}
			ok, err := f(ctx, args[0].Text(), args[1].Text())
			if err != nil || !ok {
				return sqlite.IntegerValue(0), err
			}
			return sqlite.IntegerValue(1), nil
		}}
}
