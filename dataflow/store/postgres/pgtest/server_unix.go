//go:build unix

package pgtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Program returns the path of a program that comes with PostgreSQL, of the
// version of the server that tests start.
func Program(t testing.TB, name string) string {
	t.Helper()
	dir, err := binaries()
	if err == nil {
		var path string
		if path, err = exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if path, elsewhere := exec.LookPath(name); elsewhere == nil {
		return path
	}
	if os.Getenv("FLOWCTL_REQUIRE_POSTGRES") == "1" {
		t.Fatal(err)
	}
	t.Skipf("SKIPPED, NOT TESTED: %v", err)
	return ""
}

// Server is a server of one test's own, to be stopped and started again.
type Server struct {
	t       testing.TB
	files   *installation
	running bool
}

// Start starts a server with further lines of configuration, and with files
// in its data folder that only its user may read.
func Start(t testing.TB, config string, files map[string][]byte) *Server {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		if os.Getenv("FLOWCTL_REQUIRE_POSTGRES") == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, NOT TESTED: no PostgreSQL to test with: %v", err)
	}
	dir, err := os.MkdirTemp("", "flowctl-pg-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t}
	t.Cleanup(func() {
		if s.running {
			s.Stop(syscall.SIGQUIT)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if s.files, err = install(bin, dir, config); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, "data", name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s.Own(path)
	}
	s.Start()
	return s
}

// URL is that of the server's database "postgres".
func (s *Server) URL() string { return s.files.address() }

// Start starts the server once more and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.files.start(); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.files.dir, "log"))
		s.t.Fatalf("%v\n%s", err, log)
	}
	s.running = true
}

// Stop stops the server and waits until it is gone. The signal says how, as in
// pg_ctl: SIGINT is "fast", SIGQUIT "immediate", as if it had crashed.
func (s *Server) Stop(how syscall.Signal) {
	s.t.Helper()
	if err := os.Remove(s.files.mark()); err != nil { // its files are to stay
		s.t.Fatal(err)
	}
	pid, err := s.pid()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, how); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.files.ended:
	case <-time.After(time.Minute):
		s.t.Fatal("the server has not stopped after a minute")
	}
	_ = s.files.hold.Close()
	s.running = false
}

// Restart stops the server and starts it again.
func (s *Server) Restart(how syscall.Signal) {
	s.t.Helper()
	s.Stop(how)
	s.Start()
}

// pid is the server's process.
func (s *Server) pid() (int, error) {
	text, err := os.ReadFile(filepath.Join(s.files.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return strconv.Atoi(string(line))
}

// Own gives a file or folder to the user that the server runs as.
func (s *Server) Own(path string) {
	s.t.Helper()
	if c := s.files.attr.Credential; c != nil {
		if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Data is the folder of the server's files.
func (s *Server) Data() string { return filepath.Join(s.files.dir, "data") }
