package starlark

import (
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// placeholder stands for a value that could not be made, after the reason has
// been reported. Whatever is done with it gives a placeholder again, and every
// parameter takes it, so that one mistake is reported once.
type placeholder struct{}

var (
	_ sl.HasAttrs  = (*placeholder)(nil)
	_ sl.HasBinary = (*placeholder)(nil)
	_ sl.HasUnary  = (*placeholder)(nil)
	_ sl.Callable  = (*placeholder)(nil)
	_ sl.Mapping   = (*placeholder)(nil)
	_ sl.Sequence  = (*placeholder)(nil)
)

func (p *placeholder) String() string                                           { return "" }
func (p *placeholder) Type() string                                             { return "unknown" }
func (p *placeholder) Freeze()                                                  {}
func (p *placeholder) Truth() sl.Bool                                           { return false }
func (p *placeholder) Hash() (uint32, error)                                    { return 0, nil }
func (p *placeholder) Name() string                                             { return "unknown" }
func (p *placeholder) Attr(string) (sl.Value, error)                            { return p, nil }
func (p *placeholder) AttrNames() []string                                      { return nil }
func (p *placeholder) Binary(syntax.Token, sl.Value, sl.Side) (sl.Value, error) { return p, nil }
func (p *placeholder) Unary(syntax.Token) (sl.Value, error)                     { return p, nil }
func (p *placeholder) Get(sl.Value) (sl.Value, bool, error)                     { return p, true, nil }
func (p *placeholder) Len() int                                                 { return 0 }
func (p *placeholder) Iterate() sl.Iterator                                     { return sl.Tuple{}.Iterate() }
func (p *placeholder) CallInternal(*sl.Thread, sl.Tuple, []sl.Tuple) (sl.Value, error) {
	return p, nil
}

func isPlaceholder(v sl.Value) bool {
	_, ok := v.(*placeholder)
	return ok
}
