package arch

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/flowctl/flowctl"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// name is the package's path below the module; "" is the module's root.
func (p pkg) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list found %d packages: too few to be the whole tree", len(pkgs))
	}
	return pkgs
}

// within reports whether path is one of roots or below one of them. Our own
// packages go by their name below the module.
func within(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool {
		return path == r || strings.HasPrefix(path, r+"/")
	})
}

// ours strips the module from an import; ok is false for others' packages.
func ours(path string) (name string, ok bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// rule refuses imports. Each is a line of docs/impl.md.
type rule struct {
	why  string
	from func(importer string) bool // a name below the module
	bad  func(imported string) bool // a name below the module, or another's whole path
}

const root = "dataflow"

var sqlDrivers = []string{"database/sql", "modernc.org/sqlite", "zombiezen.com/go/sqlite", "github.com/jackc/pgx"}

func below(roots ...string) func(string) bool {
	return func(p string) bool { return within(p, roots...) }
}

func beside(roots ...string) func(string) bool {
	return func(p string) bool { return !within(p, roots...) }
}

func isOurs(p string) bool {
	return within(p, "dataflow", "starlark", "nexus", "stdlib", "cmd", "internal", "examples", "bench")
}

var rules = []rule{
	{
		why:  "the root package imports none of ours",
		from: func(p string) bool { return p == root },
		bad:  isOurs,
	}, {
		why:  "the root package knows nothing of SQL, HTTP or Starlark",
		from: func(p string) bool { return p == root },
		bad:  below(append(sqlDrivers, "net/http", "github.com/gorilla", "go.starlark.net")...),
	}, {
		why:  "imports run one way: cmd, then nexus, starlark and stdlib, then dataflow",
		from: below("dataflow"),
		bad:  below("cmd", "nexus", "starlark", "stdlib"),
	}, {
		why:  "nobody imports a command",
		from: beside("cmd"),
		bad:  below("cmd"),
	}, {
		why:  "starlark never imports nexus",
		from: below("starlark", "stdlib"),
		bad:  below("nexus"),
	}, {
		why:  "nexus never imports the language",
		from: below("nexus"),
		bad:  below("starlark", "stdlib"),
	}, {
		why:  "only starlark, stdlib and the embedding example use go.starlark.net",
		from: beside("starlark", "stdlib", "examples/embed"),
		bad:  below("go.starlark.net"),
	}, {
		why:  "the language knows nothing of databases or servers",
		from: below("starlark"),
		bad:  below("dataflow/store", "dataflow/engine", "net/http", "github.com/gorilla", "github.com/mark3labs"),
	}, {
		why:  "rules look at an app and its text: at no file, network, database, clock or chance",
		from: below("starlark/check", "starlark/internal", "starlark/spec"),
		bad: func(p string) bool {
			return slices.Contains([]string{"os", "os/exec", "io/ioutil", "net", "time", "syscall", "math/rand", "math/rand/v2", "crypto/rand", "context"}, p) ||
				within(p, "net/http", "database/sql", "dataflow/store", "dataflow/engine", "dataflow/migrate", "github.com/jackc", "modernc.org", "zombiezen.com")
		},
	}, {
		why:  "only a store talks to a database engine (bench/handwritten is what stores are measured against)",
		from: beside("dataflow/store", "bench/handwritten"),
		bad:  below(sqlDrivers...),
	}, {
		why:  "operations, filters and encoding know nothing of the engines below store's interfaces",
		from: below("dataflow/access", "dataflow/codec", "dataflow/query", "dataflow/engine"),
		bad:  below("dataflow/store/sqlite", "dataflow/store/postgres"),
	}, {
		why:  "only the engine's nodes and the server speak HTTP",
		from: below("dataflow/access", "dataflow/codec", "dataflow/query", "dataflow/store"),
		bad:  below("net/http"),
	}, {
		why:  "REST and MCP are siblings: what they share is in nexus or below",
		from: below("nexus/rest"),
		bad:  below("nexus/mcp", "github.com/mark3labs"),
	}, {
		why:  "REST and MCP are siblings: what they share is in nexus or below",
		from: below("nexus/mcp"),
		bad:  below("nexus/rest", "github.com/gorilla"),
	}, {
		why:  "examples and benchmarks are not to be built on",
		from: beside("examples", "bench"),
		bad:  below("examples", "bench"),
	}, {
		why:  "cmd/flowctl uses nothing that an embedding program can't",
		from: below("cmd", "examples"),
		bad: func(p string) bool {
			return within(p, "internal") || isOurs(p) && strings.Contains("/"+p+"/", "/internal/")
		},
	},
}

func TestImportsRunOneWay(t *testing.T) {
	for _, p := range list(t) {
		importer := p.name()
		for _, path := range p.Imports {
			imported := path
			if name, ok := ours(path); ok {
				imported = name
			}
			for _, r := range rules {
				if r.from(importer) && r.bad(imported) {
					t.Errorf("%s imports %s: %s", importer, imported, r.why)
				}
			}
		}
	}
}

// Each rule must be able to fail: it has an importer in the tree (or one that
// the design foresees) and something to refuse.
func TestRulesRefuseWhatTheyName(t *testing.T) {
	tests := []struct {
		from, to string
		refused  bool
	}{
		{"dataflow", "dataflow/query", true},
		{"dataflow", "database/sql", true},
		{"dataflow", "net/http", true},
		{"dataflow", "github.com/shopspring/decimal", false},
		{"dataflow/engine", "nexus", true},
		{"dataflow/engine", "net/http", false},
		{"dataflow/engine", "dataflow/store", false},
		{"dataflow/engine", "dataflow/store/sqlite", true},
		{"dataflow/access", "net/http", true},
		{"dataflow/store/sqlite", "zombiezen.com/go/sqlite/sqlitex", false},
		{"nexus", "dataflow/store/sqlite", false},
		{"nexus", "starlark", true},
		{"nexus/rest", "go.starlark.net/starlark", true},
		{"nexus/rest", "nexus/mcp", true},
		{"nexus/mcp", "github.com/gorilla/mux", true},
		{"starlark", "nexus", true},
		{"starlark/check", "os", true},
		{"starlark/check", "time", true},
		{"starlark/check", "net", true},
		{"starlark/check", "net/netip", false},
		{"starlark/report", "os", false},
		{"starlark/value", "go.starlark.net/starlark", false},
		{"starlark", "dataflow/store", true},
		{"stdlib", "starlark", false},
		{"cmd/flowctl", "nexus", false},
		{"cmd/flowctl", "go.starlark.net/starlark", true},
		{"cmd/flowctl", "internal/arch", true},
		{"nexus", "nexus/internal/apptest", false},
		{"nexus", "cmd/flowctl", true},
		{"nexus", "examples/embed", true},
		{"examples/embed", "go.starlark.net/starlark", false},
		{"examples/embed", "nexus", false},
		{"bench", "zombiezen.com/go/sqlite", true},
		{"bench/handwritten", "zombiezen.com/go/sqlite", false},
	}
	for _, tt := range tests {
		refused := slices.ContainsFunc(rules, func(r rule) bool { return r.from(tt.from) && r.bad(tt.to) })
		if refused != tt.refused {
			t.Errorf("%s imports %s: refused = %v, want %v", tt.from, tt.to, refused, tt.refused)
		}
	}
}
