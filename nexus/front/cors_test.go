package front

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the server reads of a request a page of another origin may send, and what
// it answers with such a page may read. Headers are found in the source, so that
// a new one is thought of here too.
func TestPagesMaySendAndReadEveryHeader(t *testing.T) {
	// Browsers say these themselves, or let every page say or read them.
	browsers := strings.Split("Origin Host Connection Accept-Encoding Access-Control-Request-Method Content-Length Content-Type Cache-Control Vary Expires Last-Modified "+
		"Content-Security-Policy X-Content-Type-Options Referrer-Policy X-Accel-Buffering Strict-Transport-Security Sec-Fetch-Site User-Agent", " ")
	// Named by a variable where they are written, or read by a library.
	elsewhere := []string{"Mcp-Method", "Mcp-Name", "Tracestate", "X-Flowctl-Stale"}
	may := make(map[string]bool)
	for _, list := range []string{allowHeaders, exposeHeaders} {
		for name := range strings.SplitSeq(list, ", ") {
			may[strings.ToLower(name)] = true
		}
	}
	names := regexp.MustCompile(`[hH]eader(?:\(\))?(?:\.(?:Get|Values|Set|Add)\(|\[)"([^"]+)"`)
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"client", "trial", "internal", "testdata", "http1"}, d.Name()): // which make requests, or have headers as net/http has them
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "front/cors.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range names.FindAllStringSubmatch(string(text), -1) {
			found++
			name := m[1]
			if !may[strings.ToLower(name)] && !slices.ContainsFunc(browsers, func(b string) bool { return strings.EqualFold(b, name) }) {
				t.Errorf("%s: pages of another origin can neither send nor read %s: add it to allowHeaders or exposeHeaders", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("only %d headers were found in the source", found)
	}
	for _, name := range elsewhere {
		if !may[strings.ToLower(name)] {
			t.Errorf("pages of another origin can neither send nor read %s", name)
		}
	}
}
