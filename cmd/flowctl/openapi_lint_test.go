package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nodeTool finds a program of an npm package: in the folder that
// FLOWCTL_NODE_TOOLS names, or on the path. .ci/run says which versions.
func nodeTool(t *testing.T, name string) string {
	t.Helper()
	if dir := os.Getenv("FLOWCTL_NODE_TOOLS"); dir != "" {
		if file := filepath.Join(dir, name); fileExists(file) {
			return file
		}
	}
	file, err := exec.LookPath(name)
	if err == nil {
		return file
	}
	if os.Getenv("FLOWCTL_REQUIRE_NODE") != "" {
		t.Fatalf("%s is not there: .ci/run says how to install it", name)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s is not there: npm install it and name the folder of its programs in FLOWCTL_NODE_TOOLS", name)
	return ""
}

// lintedApps are the apps whose documents are linted: every example, one that
// has every type and option, and one that asks who calls.
func lintedApps(t *testing.T) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	apps, err := filepath.Glob(filepath.Join(root, "examples", "*", "app.star"))
	if err != nil || len(apps) == 0 {
		t.Fatal("no examples: ", err)
	}
	return append(apps, filepath.Join(root, "testdata", "openapi", "wide.star"), filepath.Join(root, "testdata", "openapi", "guarded.star"))
}

// documents writes the document of every app into a folder.
func documents(t *testing.T, apps []string) []string {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for _, app := range apps {
		if filepath.Base(filepath.Dir(app)) == "embed" { // whose own program adds to the language
			continue
		}
		var out, errs bytes.Buffer
		w := &world{in: strings.NewReader(""), out: &out, err: &errs, env: os.LookupEnv}
		if code := run(context.Background(), []string{"openapi", app}, w); code != exitOK {
			t.Fatalf("openapi %s: exit %d\n%s", app, code, errs.String())
		}
		name := filepath.Base(filepath.Dir(app)) + "_" + strings.TrimSuffix(filepath.Base(app), ".star") + ".json"
		files = append(files, filepath.Join(dir, name))
		if err := os.WriteFile(files[len(files)-1], out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// The public linters have nothing to say of any document: no error, no warning.
func TestLintersFindNothing(t *testing.T) {
	spectral, redocly := nodeTool(t, "spectral"), nodeTool(t, "redocly")
	files := documents(t, lintedApps(t))
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, withoutDescriptions(t, files[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "spectral.yaml")
	if err := os.WriteFile(rules, []byte("extends: ['spectral:oas']\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, linter := range []struct {
		name string
		args []string
	}{
		{spectral, []string{"lint", "--ruleset", rules, "--fail-severity", "hint", "--format", "json"}},
		{redocly, []string{"lint", "--extends", "recommended", "--format", "json"}},
	} {
		t.Run(filepath.Base(linter.name), func(t *testing.T) {
			if found := lint(t, linter.name, linter.args, files...); len(found) > 0 {
				t.Errorf("%d findings:\n%s", len(found), strings.Join(found, "\n"))
			}
			if found := lint(t, linter.name, linter.args, broken); len(found) == 0 {
				t.Errorf("of a document without licence, contact and description it says nothing")
			}
		})
	}
}

// lint returns what a linter finds in documents. Its exit code says no more.
func lint(t *testing.T, name string, args []string, files ...string) []string {
	t.Helper()
	cmd := exec.Command(name, append(args, files...)...)
	// Neither is to look for a newer version of itself, or to tell of its use.
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "NO_COLOR=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	runErr := cmd.Run()
	// Spectral writes a list, and words behind it; Redocly an object for each
	// document.
	var found []json.RawMessage
	reports := 0
	for dec := json.NewDecoder(&out); ; reports++ {
		var report json.RawMessage
		if dec.Decode(&report) != nil {
			break
		}
		var of struct{ Problems []json.RawMessage }
		if json.Unmarshal(report, &of.Problems) != nil && json.Unmarshal(report, &of) != nil {
			t.Fatalf("%s reports %s", name, report)
		}
		found = append(found, of.Problems...)
	}
	if reports == 0 {
		t.Fatalf("%s reports nothing: %v\n%s%s", name, runErr, out.String(), errs.String())
	}
	list := make([]string, len(found))
	for i, f := range found {
		list[i] = string(f)
	}
	return list
}

// withoutDescriptions is a document that linters must find something in.
func withoutDescriptions(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	info := doc["info"].(map[string]any)
	delete(info, "license")
	delete(info, "contact")
	delete(info, "description")
	text, err = json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
