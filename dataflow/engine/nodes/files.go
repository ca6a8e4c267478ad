package nodes

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// maxFile bounds a file that is read or written whole.
const maxFile = 64 << 20

// pathParam names a file. Paths that lead out of the folder are refused by it,
// however they do so.
func pathParam(doc string) *dataflow.Field {
	return &dataflow.Field{Name: "path", Type: dataflow.String, Optional: doc != textPath, MaxLength: ptr(1000), Doc: doc}
}

const (
	readPath  = "a file in the folder that `Nexus(files = …)` declares, \"in/orders.csv\""
	textPath  = "the file to write in the folder that `Nexus(files = …)` declares; folders on the way are made"
	writePath = textPath + ". Left out, the result holds `text`"
)

// byPath is the effect of a node that may name a file.
func byPath(config *dataflow.Object) dataflow.Effect {
	if config.Has("path") || !config.Has("text") && !config.Has("rows") && !config.Has("value") {
		return dataflow.EffectOutside
	}
	return dataflow.EffectPure
}

// checkSource checks that text comes from one place.
func checkSource(node *dataflow.Node) []dataflow.Diagnostic {
	ds := checkPath(node)
	switch file, text := node.Config.Has("path"), node.Config.Has("text"); {
	case file && text:
		ds = append(ds, problem("FC349", node, "/text", "path and text are both given", "keep one of them"))
	case !file && !text:
		ds = append(ds, problem("FC349", node, "", "the node has nothing to read", `add "path": "in/orders.csv", or "text"`))
	}
	return ds
}

// checkPath checks a path that is written out.
func checkPath(node *dataflow.Node) []dataflow.Diagnostic {
	s, ok := stringOf(node.Config, "path")
	if !ok || localPath(s) {
		return nil
	}
	return []dataflow.Diagnostic{problem("FC349", node, "/path", fmt.Sprintf("%q leads out of the folder for files", s),
		`write a path within it, as "in/orders.csv"`)}
}

func localPath(s string) bool {
	return fs.ValidPath(s) && s != "." && !strings.ContainsAny(s, "\\\x00:")
}

// sourceOf returns the text that a node is to read.
func sourceOf(call *engine.Call) (string, error) {
	if text, ok := stringOf(call.Config, "text"); ok {
		return text, nil
	}
	name, _ := stringOf(call.Config, "path")
	root, err := folderFor(call, name)
	if err != nil {
		return "", err
	}
	f, err := root.Open(name)
	if err != nil {
		return "", fileError(name, "read", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fileError(name, "read", err)
	}
	if !info.Mode().IsRegular() { // a pipe would keep the run waiting
		return "", fileProblem(name + " is no file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fileError(name, "read", err)
	}
	if len(b) > maxFile {
		return "", fileProblem(name + " is larger than 64 MiB")
	}
	return string(b), nil
}

func folderFor(call *engine.Call, name string) (*os.Root, error) {
	if !localPath(name) {
		return nil, fileProblem(fmt.Sprintf("%q leads out of the folder for files", name))
	}
	return call.Runtime.Files()
}

func fileProblem(detail string) error { return invalid("/path", detail) }

// fileError words what went wrong with a file. It never names the folder.
func fileError(name, what string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fileProblem("there is no file " + name)
	case strings.Contains(err.Error(), "escapes"):
		return fileProblem(name + " leads out of the folder for files")
	}
	return &dataflow.Error{Code: "file_failed", Status: dataflow.StatusUpstream, Message: fmt.Sprintf("%s can't be %s", name, what), Err: err}
}

// written is the result of a node that writes: the text, or the file it is in.
func writeOut(call *engine.Call, text string) (*dataflow.Object, error) {
	if len(text) > maxFile {
		return nil, invalid("", "the text is larger than 64 MiB")
	}
	name, given := stringOf(call.Config, "path")
	if !given {
		return dataflow.ObjectOf("text", text, "path", nil, "bytes", int64(len(text))), nil
	}
	root, err := folderFor(call, name)
	if err != nil {
		return nil, err
	}
	if err := writeFile(root, name, text); err != nil {
		return nil, fileError(name, "written", err)
	}
	return dataflow.ObjectOf("text", nil, "path", name, "bytes", int64(len(text))), nil
}

// writeFile replaces a file as a whole: whoever reads it sees what was there
// before or what is there now, even if the machine stops in between.
func writeFile(root *os.Root, name, text string) (err error) {
	dir := path.Dir(name)
	if dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var suffix [8]byte
	_, _ = rand.Read(suffix[:]) // never fails
	temporary := path.Join(dir, "."+path.Base(name)+"."+hex.EncodeToString(suffix[:])+".tmp")
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temporary) // what is left of it has a name that says so
		}
	}()
	_, err = io.WriteString(f, text)
	if synced := f.Sync(); err == nil {
		err = synced
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := root.Rename(temporary, name); err != nil {
		return err
	}
	if d, err := root.Open(dir); err == nil {
		_ = d.Sync() // not every file system can, and the name is there without
		d.Close()
	}
	return nil
}

func writtenType() *dataflow.Type {
	return dataflow.ObjectType(
		&dataflow.Field{Name: "text", Type: dataflow.String, Optional: true, Doc: "null if it went to a file"},
		&dataflow.Field{Name: "path", Type: dataflow.String, Optional: true, Doc: "null if it did not"},
		&dataflow.Field{Name: "bytes", Type: dataflow.Int},
	)
}
