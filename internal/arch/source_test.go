package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// source is a package's parsed files, tests left out.
type source struct {
	pkg   pkg
	fset  *token.FileSet
	files []*ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, p := range list(t) {
		s := source{pkg: p, fset: token.NewFileSet()}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(s.fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			s.files = append(s.files, f)
		}
		all = append(all, s)
	}
	return all
}

// at renders a node's place, below the package's folder.
func (s source) at(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	p.Filename = filepath.Join(s.pkg.name(), filepath.Base(p.Filename))
	return p.String()
}
