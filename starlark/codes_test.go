package starlark_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

// Every code that the loader can report has a row in the table and a test.
func TestEveryCodeIsDocumentedAndTested(t *testing.T) {
	code := regexp.MustCompile(`FC\d{3}`)
	documented := map[string]bool{}
	for _, c := range dataflow.Codes() {
		if documented[c.Code] {
			t.Errorf("%s is in the table twice", c.Code)
		}
		documented[c.Code] = true
	}
	emitted, tested := map[string]bool{}, map[string]bool{}
	for _, pattern := range []string{"*.go", "testdata/*.star"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			into := emitted
			if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, ".star") {
				into = tested
			}
			for _, c := range code.FindAllString(string(text), -1) {
				into[c] = true
			}
		}
	}
	for c := range emitted {
		if !documented[c] {
			t.Errorf("%s is reported and not in the table", c)
		}
		if !tested[c] {
			t.Errorf("%s is reported and in no test", c)
		}
	}
}
