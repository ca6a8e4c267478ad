package starlark

import (
	"context"

	"github.com/bazelbuild/buildtools/build"
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
)

// Format lays a file out in the one way there is, as buildifier does. It
// changes blanks, line breaks and quotes, nothing that the file means. path
// names the file in diagnostics; a file that can't be parsed has some.
func Format(path string, text []byte) ([]byte, []dataflow.Diagnostic) {
	// Ours is the parser that says what is wrong; the formatter's takes more.
	if _, err := tree.Options().Parse(path, text, 0); err != nil {
		l := newLoader(context.Background(), path, Options{}.withDefaults())
		src := &source{key: path, name: path, text: string(text)}
		if l.isText(src) {
			l.syntaxErrors(src, err)
		}
		return nil, dataflow.SortDiagnostics(l.diags)
	}
	file, err := build.ParseDefault(path, text)
	if err != nil {
		return nil, []dataflow.Diagnostic{{Code: "FC001", Span: dataflow.Span{File: path}, Message: "the file can't be laid out: " + err.Error()}}
	}
	return build.FormatWithoutRewriting(file), nil
}
