package docs_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/nexus/docs"
)

func file(t *testing.T, name string) *docs.File {
	t.Helper()
	files, err := docs.Files()
	if err != nil {
		t.Fatal(err)
	}
	if files[name] == nil {
		t.Fatalf("there is no file %q", name)
	}
	return files[name]
}

func ask(t *testing.T, f *docs.File, method string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, docs.Path+"/"+f.Name, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	if err := f.Serve(w, r); err != nil {
		t.Fatal(err)
	}
	return w
}

// Nothing of the page comes from elsewhere, and nothing in it is a script or a
// style that the policy would have to let pass.
func TestPageHasNothingOfOthersAndNothingInline(t *testing.T) {
	page := ask(t, file(t, ""), "GET")
	html := page.Body.String()
	for _, bad := range []string{`<style`, ` style=`, ` onclick=`, ` onload=`, `javascript:`, `//`} {
		if strings.Contains(strings.ToLower(html), bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	for _, m := range regexp.MustCompile(`<script[^>]*>([^<]*)</script>`).FindAllStringSubmatch(html, -1) {
		if m[1] != "" {
			t.Errorf("an inline script: %s", m[1])
		}
	}
	files, err := docs.Files()
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`(?:src|href)="/docs/([^"]*)"`).FindAllStringSubmatch(html, -1)
	if len(links) < 5 {
		t.Errorf("the page is made of %d files", len(links))
	}
	for _, m := range links {
		if files[m[1]] == nil {
			t.Errorf("the page asks for %s, which is not there", m[1])
		}
	}
	policy := page.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %q lets in what it should not", policy)
	}
}

func TestWhatIsKnownIsNotSentAgain(t *testing.T) {
	for _, name := range []string{"", "docs.js", "swagger-ui-bundle.js"} {
		for _, encoding := range []string{"", "gzip, br"} {
			f := file(t, name)
			first := ask(t, f, "GET", "Accept-Encoding", encoding)
			tag := first.Header().Get("ETag")
			if tag == "" || first.Header().Get("Cache-Control") == "" {
				t.Errorf("%s: neither ETag nor Cache-Control: %v", name, first.Header())
			}
			again := ask(t, f, "GET", "Accept-Encoding", encoding, "If-None-Match", `"other", W/`+tag)
			if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != tag {
				t.Errorf("%s: %d with %d bytes and tag %s", name, again.Code, again.Body.Len(), again.Header().Get("ETag"))
			}
			head := ask(t, f, "HEAD", "Accept-Encoding", encoding)
			if head.Body.Len() > 0 || head.Header().Get("Content-Length") != first.Header().Get("Content-Length") {
				t.Errorf("%s: HEAD has %d bytes of body, and says %s where GET says %s", name, head.Body.Len(),
					head.Header().Get("Content-Length"), first.Header().Get("Content-Length"))
			}
		}
	}
}

// Who takes gzip gets what is kept; who does not, the same unpacked, by another
// tag.
func TestPackedFiles(t *testing.T) {
	f := file(t, "swagger-ui-bundle.js")
	packed, plain := ask(t, f, "GET", "Accept-Encoding", "gzip"), ask(t, f, "GET", "Accept-Encoding", "gzip;q=0")
	if packed.Header().Get("Content-Encoding") != "gzip" || plain.Header().Get("Content-Encoding") != "" {
		t.Fatalf("encodings: %v, %v", packed.Header(), plain.Header())
	}
	if packed.Header().Get("ETag") == plain.Header().Get("ETag") || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Error("a cache can't tell them apart")
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(unpacked, plain.Body.Bytes()) || len(unpacked) < 1<<20 {
		t.Errorf("%d bytes packed, %d plain", len(unpacked), plain.Body.Len())
	}
}
