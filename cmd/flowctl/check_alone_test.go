package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// check touches nothing but the file: the databases it names, the service its
// nodes call and the proxy of the environment are one listener, which nobody
// comes to, and the folder is as it was. What it says is the same at any time.
func TestCheckTouchesNothing(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var came atomic.Int32
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			c.Close()
		}
	}()
	app := writeApp(t, strings.ReplaceAll(`
load("@stdlib//http.star", "get")
db = DataFlow(database_url = "postgres://u:p@ADDR/app?connect_timeout=1")
side = DataFlow(database_url = "sqlite:side.db")
Order = db.model("Order", {"n": int, "at": datetime})
Note = side.model("Note", {"text": str})

def fetch(ctx):
    return {"n": get(ctx, "http://ADDR/n").status, "now": str(ctx.now())}

wf = WorkflowBuilder("call", input = {"n": int})
wf.add_node("HTTPRequestNode", "there", {"url": "http://ADDR/call"})
wf.add_node(Order.create, "order", {"n": "${input.n}", "at": "2026-01-31T09:30:00Z"})
app = Nexus()
app.expose(Note)
app.handler("fetch", fetch)
app.register("call", wf.build(output = {"status": "${there.status}", "order": "${order.id}"}))
app.start()
`, "ADDR", ln.Addr().String()))
	said := ""
	for _, zone := range []string{"UTC", "Pacific/Auckland"} {
		cmd := flowctl(t, "", "check", app, "--format", "json")
		cmd.Env = append(cmd.Env, "HTTP_PROXY=http://"+ln.Addr().String(), "HTTPS_PROXY=http://"+ln.Addr().String(), "TZ="+zone)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if said != "" && said != string(out) {
			t.Errorf("it says\n%s\nand then\n%s", said, out)
		}
		said = string(out)
	}
	// The listener works: the next one to come is counted.
	before := came.Load()
	c, err := net.DialTimeout("tcp", ln.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the listener said something")
	}
	if before != 0 || came.Load() != 1 {
		t.Errorf("%d came to the listener while the app was checked", before)
	}
	left, err := os.ReadDir(filepath.Dir(app))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder of the app has %v (%v)", left, err)
	}
}
