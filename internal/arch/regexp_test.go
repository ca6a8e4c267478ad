package arch

import (
	"go/ast"
	"regexp"
	"strconv"
	"testing"
)

// A program that starts compiles no regular expression: lazyregexp does so on
// first use, and so late that a test has to say that each can be compiled.
func TestRegularExpressionsAreCompiledOnUse(t *testing.T) {
	found := 0
	for _, s := range sources(t) {
		for _, f := range s.files {
			for _, d := range f.Decls {
				if g, ok := d.(*ast.GenDecl); ok {
					ast.Inspect(g, func(n ast.Node) bool {
						if called(n, "regexp", "MustCompile") {
							t.Errorf("%s: every start pays for this: use lazyregexp.New, or dataflow.NameShape", s.at(n))
						}
						return true
					})
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if !called(n, "lazyregexp", "New") {
					return true
				}
				found++
				if text, ok := constant(n.(*ast.CallExpr).Args[0]); !ok {
					t.Errorf("%s: write the expression as a literal, that this test can read", s.at(n))
				} else if _, err := regexp.Compile(text); err != nil {
					t.Errorf("%s: %v", s.at(n), err)
				}
				return true
			})
		}
	}
	if found < 20 {
		t.Errorf("found %d expressions: too few to be all", found)
	}
}

// called reports whether n is a call of a function of a package.
func called(n ast.Node, pkg, fn string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != fn {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// constant is the text of literals that are put together.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		x, ok := constant(e.X)
		y, also := constant(e.Y)
		return x + y, ok && also
	}
	return "", false
}
