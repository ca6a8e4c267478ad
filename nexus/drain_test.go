package nexus

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

func TestAClosingListenerTakesInWhoHasConnected(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := drain(tcp)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // http.Server closes a listener twice
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	served, err := l.Accept()
	if err != nil {
		t.Fatalf("who connected before the listener closed is turned away: %v", err)
	}
	defer served.Close()
	if _, err := io.ReadFull(served, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the port is still open: %v", err)
	}
}
