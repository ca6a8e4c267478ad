package mcp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/nexus/mcp"
)

// hanging is a tool that tells when it is begun, and ends when it is released or
// called off.
func hanging(begun chan<- struct{}, release <-chan struct{}) mcp.Extension {
	return mcp.Extension{Tools: []mcp.Tool{{Name: "hang", Description: "Hangs.", ReadOnly: true, Do: func(ctx context.Context, _ *mcp.Call) (*mcp.Result, error) {
		begun <- struct{}{}
		select {
		case <-release:
			return &mcp.Result{Content: []mcp.Content{mcp.Text("released")}}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}}}
}

func callOf(id int, tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{}}}`+"\n", id, tool)
}

// More calls than are worked on at a time: what calls them off is heard
// nevertheless.
func TestStdioHearsCancellationsBehindCallsThatWait(t *testing.T) {
	begun := make(chan struct{}, 100)
	s := newServer(t, mcp.Options{Extension: hanging(begun, nil)})
	in, client := io.Pipe()
	heard, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeStdio(t.Context(), in, out); out.Close() }()
	const calls = 40
	go func() {
		for id := range calls {
			_, _ = io.WriteString(client, callOf(id, "hang"))
		}
		for range 32 {
			<-begun
		}
		for id := range calls {
			_, _ = io.WriteString(client, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`+"\n", id))
		}
		_, _ = io.WriteString(client, `{"jsonrpc":"2.0","id":"last","method":"ping"}`+"\n")
	}()
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(heard).ReadString('\n')
		first <- line
	}()
	select {
	case line := <-first:
		if line != `{"jsonrpc":"2.0","id":"last","result":{}}`+"\n" {
			t.Errorf("the first answer is %s", line)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the ping was not answered")
	}
	client.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// broken is a stream whose reader has gone.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A client that reads no more: nothing further is taken, and what is under way is
// done.
func TestStdioEndsWhenNobodyReads(t *testing.T) {
	begun, release := make(chan struct{}, 100), make(chan struct{})
	s := newServer(t, mcp.Options{Extension: hanging(begun, release)})
	in, client := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeStdio(t.Context(), in, broken{}) }()
	go func() { _, _ = io.WriteString(client, callOf(1, "hang")+callOf(2, "accounts_count")) }()
	<-begun
	select {
	case err := <-served:
		t.Fatalf("it has ended before the call has: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	select {
	case err := <-served:
		if err == nil || !strings.Contains(err.Error(), "write a message: broken pipe") {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on, and nobody reads")
	}
}
