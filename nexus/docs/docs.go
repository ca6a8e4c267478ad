// Package docs is the page that shows an app's OpenAPI document in a browser.
// Everything of it is in the program: nothing is loaded from elsewhere. It
// knows nothing of the app, whose document the page asks for like anybody.
//
// The viewer is Swagger UI (swagger-ui-dist 5.35.0, Apache License 2.0), whose
// files are as they are on npm, packed with gzip -9n.
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/nexus/front"
)

//go:embed assets
var assets embed.FS

// Path is where the page is; its files are below it.
const Path = "/docs"

// File is a file of the page.
type File struct {
	Name   string // below Path; "" is the page itself
	media  string
	packed []byte // with gzip; nil: it is not worth it
	plain  []byte // nil: packed has to be unpacked for who can't
	tag    string
}

// Files reads the files of the page.
func Files() (map[string]*File, error) {
	entries, err := assets.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	files := make(map[string]*File, len(entries))
	for _, e := range entries {
		text, err := assets.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, err
		}
		name, isPacked := strings.CutSuffix(e.Name(), ".gz")
		sum := sha256.Sum256(text)
		f := &File{Name: name, media: media(name), tag: hex.EncodeToString(sum[:8])}
		if isPacked {
			f.packed = text
		} else {
			f.plain = text
		}
		if name == "docs.html" {
			f.Name = ""
		}
		files[f.Name] = f
	}
	return files, nil
}

// media is the media type of a file.
func media(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/plain; charset=utf-8"
}

// policy lets the page load what is here and nothing else, and be in no frame.
// Swagger UI puts images into its style sheet as data, and sets styles by
// script, which a policy does not see; none of its styles is in the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Serve answers a GET or HEAD for the file. A browser keeps it, and asks
// whether it is still so.
func (f *File) Serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "public, max-age=0, must-revalidate")
	text, tag := f.plain, f.tag
	if f.packed != nil {
		h.Add("Vary", "Accept-Encoding")
		if front.AcceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			text, tag = f.packed, f.tag+"-gzip"
		} else {
			var err error
			if text, err = unpack(f.packed); err != nil {
				return fmt.Errorf("unpacking %s: %w", f.Name, err)
			}
		}
	}
	h.Set("ETag", strconv.Quote(tag))
	if known(r, tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", f.media)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		// An error means that the client is gone; nobody is left to tell.
		_, _ = w.Write(text)
	}
	return nil
}

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// known reports whether the client has the file already.
func known(r *http.Request, tag string) bool {
	tags := strings.Split(strings.Join(r.Header["If-None-Match"], ","), ",")
	return slices.ContainsFunc(tags, func(t string) bool {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		return t == "*" || t == strconv.Quote(tag)
	})
}
