//go:build unix

package pgtest

import (
	"os"
	"syscall"
	"testing"
)

func TestAServerIsRestarted(t *testing.T) {
	s := Start(t, "work_mem = 5MB\n", map[string][]byte{"more": []byte("x")})
	Exec(t, s.URL(), "CREATE TABLE kept (n int)")
	for _, how := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		s.Stop(how)
		if err := run(s.URL()); err == nil {
			t.Error("a server that is stopped answers")
		}
		s.Start()
		Exec(t, s.URL(), "SELECT n FROM kept")
	}
	if _, err := os.Stat(s.files.dir); err != nil {
		t.Error(err)
	}
}
