package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// No package keeps mutable state of its own, and none registers itself in
// init: two apps in one process must not meet. A variable of a package is set
// where it is declared and never again. (A sync.Pool is memory, not state.)
func TestNoPackageKeepsState(t *testing.T) {
	left := slices.Clone(ofTheProcess)
	for _, s := range sources(t) {
		name := s.pkg.name()
		for _, problem := range stateProblems(s) {
			of := func(v variable) bool { return v.pkg == name && strings.Contains(problem, ": "+v.name+" ") }
			if slices.ContainsFunc(ofTheProcess, of) {
				left = slices.DeleteFunc(left, of)
				continue
			}
			t.Error(problem)
		}
	}
	for _, v := range left {
		t.Errorf("%s keeps no %s any more: leave it out here", v.pkg, v.name)
	}
}

// ofTheProcess are variables for what is there once in a process, so that two
// apps in it meet there anyway: a lock on a file, which is lost when anybody in
// the process closes that file, and how SQLite keeps pages.
var ofTheProcess = []variable{
	{"dataflow/store/sqlite", "indexes"},
	{"dataflow/store/sqlite", "pageCaches"},
}

type variable struct{ pkg, name string }

func TestStateProblems(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"table", `var m = map[string]int{"a": 1}; func f() int { return m["a"] }`, ""},
		{"local of the same name", `var m = map[string]int{}; func f() { m := map[string]int{}; m["a"] = 1 }`, ""},
		{"blank", `var _ = 1; func f() { _ = 2 }`, ""},
		{"pool", `import "sync"; var p sync.Pool; func f() { p.Put(1) }`, ""},
		{"init", `func init() {}`, "x.go:1:12: func init registers or prepares something: do it where it is used"},
		{"assigned", `var n int; func f() { n = 1 }`, "x.go:1:34: n belongs to the package and is changed"},
		{"map entry", `var m = map[string]int{}; func f() { m["a"] = 1 }`, "x.go:1:49: m belongs to the package and is changed"},
		{"field", `var v struct{ a int }; func f() { v.a++ }`, "x.go:1:46: v belongs to the package and is changed"},
		{"deleted", `var m = map[string]int{}; func f() { delete(m, "a") }`, "x.go:1:56: m belongs to the package and is changed"},
		{"mutex", `import "sync"; var mu sync.Mutex`, "x.go:1:31: mu is made to be changed"},
		{"atomic", `import "sync/atomic"; var n atomic.Int64`, "x.go:1:38: n is made to be changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "x.go", "package x; "+tt.src, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := stateProblems(source{fset: fset, files: []*ast.File{f}})
			if want := slices.DeleteFunc([]string{tt.want}, func(s string) bool { return s == "" }); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func stateProblems(s source) []string {
	var problems []string
	vars := packageVars(s.files)
	for _, f := range s.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					problems = append(problems, s.at(d)+": func init registers or prepares something: do it where it is used")
				}
			case *ast.GenDecl:
				for _, id := range changeable(d) {
					problems = append(problems, s.at(id)+": "+id.Name+" is made to be changed")
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, target := range changed(n) {
				if id := base(target); id != nil && isPackageVar(id, vars) {
					problems = append(problems, s.at(id)+": "+id.Name+" belongs to the package and is changed")
				}
			}
			return true
		})
	}
	return problems
}

// packageVars collects the variables of the package with the specs that
// declare them.
func packageVars(files []*ast.File) map[string]*ast.ValueSpec {
	vars := map[string]*ast.ValueSpec{}
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if id.Name != "_" { // asserts a type: it holds nothing
						vars[id.Name] = spec.(*ast.ValueSpec)
					}
				}
			}
		}
	}
	return vars
}

// isPackageVar reports whether an identifier means a variable of the package.
// The parser resolves names within a file; one it leaves open is another
// file's.
func isPackageVar(id *ast.Ident, vars map[string]*ast.ValueSpec) bool {
	spec, ok := vars[id.Name]
	return ok && (id.Obj == nil || id.Obj.Decl == spec)
}

// changeable lists the variables that a declaration gives a type which exists
// to be changed.
func changeable(d *ast.GenDecl) []*ast.Ident {
	if d.Tok != token.VAR {
		return nil
	}
	var ids []*ast.Ident
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		sel, ok := v.Type.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		if from, ok := sel.X.(*ast.Ident); ok && (from.Name == "atomic" || from.Name == "sync" && sel.Sel.Name != "Pool") {
			ids = append(ids, v.Names...)
		}
	}
	return ids
}

// changed lists what a statement changes.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// base is the variable that an expression reaches into: v of v.a[1].b.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
