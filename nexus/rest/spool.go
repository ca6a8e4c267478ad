package rest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"syscall"

	"github.com/flowctl/flowctl/dataflow"
)

// spoolInMemory is how much of a file is kept in memory before it goes to disk.
const spoolInMemory = 1 << 20

// spool is a file of rows that has come whole, and can be read again. A client
// that is slow to send must hold no transaction open.
type spool struct {
	small []byte   // all of it, unless file is there
	file  *os.File // that nobody else can open
	size  int64
	sum   [sha256.Size]byte
}

// newSpool takes all of r.
func newSpool(r io.Reader) (*spool, error) {
	s := &spool{}
	h := sha256.New()
	start := bytes.NewBuffer(nil)
	n, err := io.Copy(io.MultiWriter(start, h), io.LimitReader(r, spoolInMemory))
	s.small, s.size = start.Bytes(), n
	if err == nil && n == spoolInMemory {
		err = s.toDisk(r, h)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	h.Sum(s.sum[:0])
	return s, nil
}

// toDisk takes what is left of r.
func (s *spool) toDisk(r io.Reader, h hash.Hash) (err error) {
	s.file, err = os.CreateTemp("", "flowctl-import-*")
	if err != nil {
		return spoolFault(err)
	}
	// It goes with the process, however that ends; where a file that is open can't
	// be removed, close does.
	_ = os.Remove(s.file.Name())
	to := &written{w: s.file}
	if _, err = to.Write(s.small); err != nil {
		return spoolFault(err)
	}
	n, err := io.Copy(io.MultiWriter(to, h), r)
	s.small, s.size = nil, s.size+n
	if to.err != nil {
		return spoolFault(to.err)
	}
	return err
}

// written remembers what went wrong while it was written to: of a copy it can't
// be told whether reading did.
type written struct {
	w   io.Writer
	err error
}

func (w *written) Write(p []byte) (n int, err error) {
	n, err = w.w.Write(p)
	w.err = err
	return n, err
}

func spoolFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return &dataflow.Error{Code: "storage_full", Status: dataflow.StatusStorage, Err: err,
			Message: "there is no room to keep the file until it is imported", Hint: "import it in parts"}
	}
	return dataflow.Internal(err)
}

// open reads it from its beginning.
func (s *spool) open() io.Reader {
	if s.file == nil {
		return bytes.NewReader(s.small)
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name()) // mostly it is gone
	}
}
