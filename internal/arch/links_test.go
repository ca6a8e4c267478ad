package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	fenced  = regexp.MustCompile("(?s)\n```.*?\n```")
	coded   = regexp.MustCompile("`[^`\n]*`")
	linked  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	named   = regexp.MustCompile(`<a id="([^"]+)">`)
	text    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// A link of a page leads to a file that is there, and to a heading or a name in it.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	pages := map[string]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".md"):
			return nil
		}
		b, err := os.ReadFile(path)
		pages[path] = fenced.ReplaceAllString(string(b), "")
		return err
	})
	if err != nil || len(pages) < 30 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for path, page := range pages {
		for _, m := range linked.FindAllStringSubmatch(coded.ReplaceAllString(page, ""), -1) {
			if strings.Contains(m[1], ":") { // of another site
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", path, m[1])
			} else if there, ok := pages[to]; ok && anchor != "" && !anchors(there)[anchor] {
				t.Errorf("%s: %s has no such place", path, m[1])
			}
		}
	}
}

// anchors are the places of a page, as sites that show it name them.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range named.FindAllStringSubmatch(page, -1) {
		out[m[1]] = true
	}
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		title := text.ReplaceAllString(m[1], "$1")
		out[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, title)] = true
	}
	return out
}
