package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/rogpeppe/go-internal/testscript"
)

type (
	serverKey    struct{}
	locksKey     struct{}
	databasesKey struct{}
)

// scriptServer is the server that a script has started.
type scriptServer struct {
	process *serverProcess
}

// serverProcess is a flowctl run.
type serverProcess struct {
	cmd      *exec.Cmd
	api, mcp string // where it serves

	mu       sync.Mutex
	printed  *sync.Cond // signalled at every line
	out, err bytes.Buffer
	log      *os.File // what it prints to standard error, if that is a file
	exited   chan struct{}
}

// startLogged is startServer with standard error in a file: what the server
// has said there before it says that it is ready is then known to be there.
func startLogged(cmd *exec.Cmd, dir string) (*serverProcess, error) {
	to, err := os.CreateTemp(dir, "stderr")
	if err != nil {
		return nil, err
	}
	defer to.Close()
	log, err := os.Open(to.Name()) // with a place of its own
	if err != nil {
		return nil, err
	}
	cmd.Stderr = to
	p, err := startServer(cmd)
	if err != nil {
		return nil, err
	}
	p.log = log
	return p, nil
}

// startServer starts cmd and waits until it says that it is ready, or exits.
func startServer(cmd *exec.Cmd) (*serverProcess, error) {
	p := &serverProcess{cmd: cmd, exited: make(chan struct{})}
	p.printed = sync.NewCond(&p.mu)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var errOut io.Reader = strings.NewReader("")
	if cmd.Stderr == nil {
		if errOut, err = cmd.StderrPipe(); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	var read sync.WaitGroup
	read.Go(func() { p.collect(out, &p.out, ready) })
	read.Go(func() { p.collect(errOut, &p.err, nil) })
	go func() {
		read.Wait()
		_ = cmd.Wait() // its exit code is asked for
		close(p.exited)
	}()
	select {
	case <-ready:
	case <-p.exited:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-p.exited
		out, errOut := p.output()
		return nil, fmt.Errorf("the server is not ready after %s: %s%s", patience, out, errOut)
	}
	return p, nil
}

// collect keeps what the server prints, and closes ready at the line that
// says so.
func (p *serverProcess) collect(from io.Reader, to *bytes.Buffer, ready chan<- struct{}) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		to.WriteString(line)
		if at, ok := strings.CutPrefix(line, "REST "); ok {
			p.api = strings.TrimSpace(at)
		}
		if at, ok := strings.CutPrefix(line, "MCP "); ok {
			p.mcp = strings.TrimSpace(at)
		}
		p.printed.Broadcast()
		p.mu.Unlock()
		if ready != nil && strings.HasPrefix(line, "ready in ") {
			close(ready)
			ready = nil
		}
		if err != nil {
			return
		}
	}
}

// output takes what has been printed since it was last asked for.
func (p *serverProcess) output() (out, err string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err = p.out.String(), p.err.String()
	p.out.Reset()
	p.err.Reset()
	if p.log != nil {
		text, _ := io.ReadAll(p.log) // a file of ours
		err += string(text)
	}
	return out, err
}

// awaitLog waits until standard error has a text.
func (p *serverProcess) awaitLog(text string) error {
	late := false
	timer := time.AfterFunc(patience, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.printed.Broadcast()
	})
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !strings.Contains(p.err.String(), text) {
		if late {
			return fmt.Errorf("the server has not said %q after %s", text, patience)
		}
		p.printed.Wait()
	}
	return nil
}

// stop signals the server and returns its exit code.
func (p *serverProcess) stop(sig os.Signal) (int, error) {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return 0, err
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return 0, fmt.Errorf("the server has not stopped after %s", patience)
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

func server(ts *testscript.TestScript) *scriptServer {
	return ts.Value(serverKey{}).(*scriptServer)
}

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	verb := "run"
	if len(args) > 1 && args[0] == "-dev" {
		verb, args = "dev", args[1:]
	}
	usage(ts, len(args) > 0, "serve [-dev] app.star ARG...")
	s := server(ts)
	if s.process != nil {
		ts.Fatalf("a server is running already")
	}
	if !strings.Contains(strings.Join(args, " "), "-port") {
		args = append(args, "--api-port", "0", "--mcp-port", "0")
	}
	p, err := startLogged(command(ts, append([]string{verb}, args...)), ts.Getenv("TMPDIR"))
	ts.Check(err)
	ts.Defer(func() { p.log.Close() })
	running := p.api != ""
	if running {
		s.process = p
		ts.Defer(func() {
			if s.process == p {
				_ = p.cmd.Process.Kill()
				<-p.exited
			}
		})
		ts.Setenv("API", p.api)
		ts.Setenv("MCP", p.mcp)
		ts.Setenv("API_PORT", port(ts, p.api))
		ts.Setenv("MCP_PORT", port(ts, p.mcp))
	}
	printServer(ts, p)
	if running == neg {
		ts.Fatalf("the server runs: %v", running)
	}
}

func port(ts *testscript.TestScript, at string) string {
	u, err := url.Parse(at)
	ts.Check(err)
	return u.Port()
}

func printServer(ts *testscript.TestScript, p *serverProcess) {
	out, errOut := p.output()
	n := newNormaliser(ts)
	fmt.Fprint(ts.Stdout(), n.text(out))
	fmt.Fprint(ts.Stderr(), n.text(errOut))
}

// cmdHear waits until the server says something, and prints what it has said
// since it was last heard.
func cmdHear(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "hear TEXT")
	p := server(ts).process
	if p == nil {
		ts.Fatalf("no server is running")
	}
	var out, errOut string
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for {
		more, moreErr := p.output()
		out, errOut = out+more, errOut+moreErr
		// A line that is being written is waited for.
		if strings.Contains(out+errOut, args[0]) && (errOut == "" || strings.HasSuffix(errOut, "\n")) {
			break
		}
		select {
		case <-look.C:
		case <-late:
			ts.Fatalf("the server has not said %q after %s, but:\n%s%s", args[0], patience, out, errOut)
		}
	}
	n := newNormaliser(ts)
	fmt.Fprint(ts.Stdout(), n.text(out))
	fmt.Fprint(ts.Stderr(), n.text(errOut))
}

func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "hangup")
	p := server(ts).process
	if p == nil {
		ts.Fatalf("no server is running")
	}
	ts.Check(p.cmd.Process.Signal(syscall.SIGHUP))
}

func cmdHalt(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) <= 2, "halt [TERM|INT] [CODE]")
	sig, want := os.Signal(syscall.SIGTERM), 0
	if len(args) > 0 && args[0] == "INT" {
		sig = os.Interrupt
	}
	if len(args) > 1 {
		var err error
		want, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	s := server(ts)
	if s.process == nil {
		ts.Fatalf("no server is running")
	}
	p := s.process
	s.process = nil
	code, err := p.stop(sig)
	ts.Check(err)
	printServer(ts, p)
	if code != want {
		ts.Fatalf("the server exited with %d, not %d", code, want)
	}
}

func cmdKill9(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "kill9")
	s := server(ts)
	if s.process == nil {
		ts.Fatalf("no server is running")
	}
	ts.Check(s.process.cmd.Process.Kill())
	<-s.process.exited
	s.process = nil
}

// shownHeaders are the headers of answers that are compared.
var shownHeaders = []string{"Allow", "Content-Type", "ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Flowctl-Stale"}

func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	header := http.Header{}
	bodyOnly := len(args) > 0 && args[0] == "-b"
	if bodyOnly {
		args = args[1:]
	}
	for len(args) > 1 && args[0] == "-H" {
		name, v, _ := strings.Cut(args[1], ":")
		header.Add(name, strings.TrimSpace(v))
		args = args[2:]
	}
	usage(ts, !neg && (len(args) == 2 || len(args) == 3), "http [-b] [-H name:value] METHOD PATH [BODY]")
	var body io.Reader
	if len(args) == 3 {
		text := args[2]
		if file, ok := strings.CutPrefix(text, "@"); ok {
			text = ts.ReadFile(file)
		}
		body = strings.NewReader(text)
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/json")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, args[0], ts.Getenv("API")+args[1], body)
	ts.Check(err)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	n := newNormaliser(ts)
	*ts.Value(saidKey{}).(*string) = string(text)
	if bodyOnly {
		fmt.Fprint(ts.Stdout(), n.json(text))
		return
	}
	fmt.Fprintln(ts.Stdout(), res.Status)
	for _, name := range shownHeaders {
		for _, v := range res.Header.Values(name) {
			if name == "ETag" && strings.HasPrefix(v, "W/") { // a sum of the answer, with its times and ids
				continue
			}
			fmt.Fprintf(ts.Stdout(), "%s: %s\n", name, n.text(v))
		}
	}
	fmt.Fprint(ts.Stdout(), n.json(text))
}

func cmdMCPCall(ts *testscript.TestScript, neg bool, args []string) {
	header := map[string]string{}
	for len(args) > 1 && args[0] == "-H" {
		name, v, _ := strings.Cut(args[1], ":")
		header[name] = strings.TrimSpace(v)
		args = args[2:]
	}
	usage(ts, len(args) == 1 || len(args) == 2, "mcpcall [-H name:value] TOOL [JSON]")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.NewStreamableHttpClient(ts.Getenv("MCP"), transport.WithHTTPHeaders(header))
	ts.Check(err)
	defer c.Close()
	ts.Check(c.Start(ctx))
	_, err = c.Initialize(ctx, mcp.InitializeRequest{})
	ts.Check(err)
	var req mcp.CallToolRequest
	req.Params.Name = args[0]
	if len(args) == 2 {
		req.Params.RawArguments = json.RawMessage(args[1])
	}
	res, err := c.CallTool(ctx, req)
	if neg && err != nil { // by HTTP's own means
		fmt.Fprintln(ts.Stdout(), err)
		return
	}
	ts.Check(err)
	n := newNormaliser(ts)
	for _, content := range res.Content {
		if text, ok := content.(mcp.TextContent); ok {
			*ts.Value(saidKey{}).(*string) = text.Text
			fmt.Fprint(ts.Stdout(), n.json([]byte(text.Text)))
		}
	}
	if res.IsError != neg {
		ts.Fatalf("the result is an error: %v", res.IsError)
	}
}

// cmdMCP sends a request of the revision without sessions, and prints what it is
// answered with.
func cmdMCP(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) >= 1 && len(args) <= 3, "mcp METHOD [PARAMS] [SET]")
	params, at := map[string]any{}, ts.Getenv("MCP")
	if len(args) > 1 && args[1] != "" {
		ts.Check(json.Unmarshal([]byte(args[1]), &params))
	}
	if len(args) > 2 {
		at += "/" + args[2]
	}
	params["_meta"] = map[string]any{"io.modelcontextprotocol/protocolVersion": mcp.ProtocolVersion20260728, "io.modelcontextprotocol/clientCapabilities": map[string]any{}}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": args[0], "params": params})
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	ts.Check(err)
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {mcp.ProtocolVersion20260728}, "Mcp-Method": {args[0]}}
	for _, name := range []string{"name", "uri"} {
		if v, ok := params[name].(string); ok {
			req.Header.Set("Mcp-Name", v)
		}
	}
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	*ts.Value(saidKey{}).(*string) = string(text)
	var answer struct {
		Result, Error json.RawMessage
	}
	ts.Check(json.Unmarshal(text, &answer))
	n := newNormaliser(ts)
	if answer.Error != nil {
		fmt.Fprint(ts.Stdout(), n.json(answer.Error))
	} else {
		fmt.Fprint(ts.Stdout(), n.json(answer.Result))
	}
	if (answer.Error != nil) != neg {
		ts.Fatalf("the answer is an error: %v", answer.Error != nil)
	}
}
