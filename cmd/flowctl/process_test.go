package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// flowctlRun is a flowctl run on free ports that has not been started.
func flowctlRun(t *testing.T, app string, env ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("flowctl") // which testscript.Main has put there
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "run", app, "--api-port", "0", "--mcp-port", "0")
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// serveApp starts flowctl run on free ports and waits until it is ready.
func serveApp(t *testing.T, app string, env ...string) *serverProcess {
	t.Helper()
	return started(t, flowctlRun(t, app, env...))
}

// started starts a server and waits until it is ready.
func started(t *testing.T, cmd *exec.Cmd) *serverProcess {
	t.Helper()
	p, err := startServer(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if p.api == "" {
		out, errOut := p.output()
		t.Fatalf("the server did not start:\n%s%s", out, errOut)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-p.exited
	})
	return p
}

// post posts JSON and decodes the answer into v unless it is nil.
func post(c *http.Client, url, body string, v any) (int, error) {
	res, err := c.Post(url, "application/json", bytes.NewBufferString(body))
	if err != nil {
		return 0, err
	}
	return read(res, v)
}

// get asks until it is not told to come again, as who asks while others keep
// the server busy may be, and decodes the answer.
func get(c *http.Client, url string, v any) (int, error) {
	for end := time.Now().Add(patience); ; {
		res, err := c.Get(url)
		if err != nil {
			return 0, err
		}
		if code, err := read(res, v); code != http.StatusServiceUnavailable || time.Now().After(end) {
			return code, err
		}
	}
}

func read(res *http.Response, v any) (int, error) {
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && v != nil && res.StatusCode < 300 {
		err = json.Unmarshal(text, v)
	}
	return res.StatusCode, err
}

// each hands f every row of a list.
func each(t *testing.T, c *http.Client, url string, f func(map[string]any)) {
	t.Helper()
	for offset := 0; ; {
		var page struct {
			Records []map[string]any `json:"records"`
			HasMore bool             `json:"has_more"`
		}
		if code, err := get(c, fmt.Sprintf("%s&offset=%d", url, offset), &page); err != nil || code != 200 {
			t.Fatal(url, code, err)
		}
		for _, r := range page.Records {
			f(r)
		}
		if offset += len(page.Records); !page.HasMore {
			return
		}
	}
}

// patientShop is the shop of the examples, with more time for each request than
// many at once can take on a machine that is busy.
func patientShop(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "shop", "app.star"))
	if err != nil {
		t.Fatal(err)
	}
	patient := strings.Replace(string(text), "app = Nexus(", `app = Nexus(request_timeout = "10m", `, 1)
	if patient == string(text) {
		t.Fatal("the shop has no server")
	}
	return writeApp(t, patient)
}

// What the shop has promised must hold whenever its server is killed.
func TestKilledShopKeepsItsPromises(t *testing.T) {
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			// The kill comes after this many orders have been acknowledged.
			killedAt := rand.IntN(700)
			t.Logf("killed after %d orders", killedAt)
			testKilledShop(t, killedAt)
		})
	}
}

func testKilledShop(t *testing.T, killedAt int) {
	const orders, stock = 1000, 100_000
	app := patientShop(t)
	database := "DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "shop.db")
	p := serveApp(t, app, database)
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: orders}, Timeout: 3 * patience}
	t.Cleanup(c.CloseIdleConnections)
	if code, err := post(c, p.api+"/api/products", fmt.Sprintf(`{"sku": "KETTLE", "name": "Kettle", "price": "1.00", "stock": %d}`, stock), nil); err != nil || code != 201 {
		t.Fatal(code, err)
	}
	acknowledged := placeOrders(t, c, p, orders, killedAt)
	if len(acknowledged) < killedAt {
		t.Errorf("%d orders were acknowledged before the kill, want %d", len(acknowledged), killedAt)
	}

	p = serveApp(t, app, database)
	var product struct {
		Stock int `json:"stock"`
	}
	if code, err := get(c, p.api+"/api/products/1", &product); err != nil || code != 200 {
		t.Fatal(code, err)
	}
	sold := 0
	hasLine := make(map[int64]bool)
	each(t, c, p.api+"/api/order_lines?limit=1000&sort=id", func(r map[string]any) {
		sold += int(r["qty"].(float64))
		hasLine[int64(r["order"].(float64))] = true
	})
	if product.Stock+sold != stock {
		t.Errorf("%d in stock and %d sold are not %d", product.Stock, sold, stock)
	}
	exists := make(map[int64]bool)
	each(t, c, p.api+"/api/orders?limit=1000&sort=id", func(r map[string]any) {
		id := int64(r["id"].(float64))
		exists[id] = true
		if !hasLine[id] {
			t.Errorf("the order %d has no line", id)
		}
	})
	for _, id := range acknowledged {
		if !exists[id] {
			t.Errorf("the order %d was acknowledged and is not there", id)
		}
	}
	t.Logf("%d orders acknowledged, %d there", len(acknowledged), len(exists))
}

// placeOrders places n orders at once, kills the server when killedAt of them
// have been acknowledged, and returns the ids of all that were.
func placeOrders(t *testing.T, c *http.Client, p *serverProcess, n, killedAt int) []int64 {
	t.Helper()
	ids := make(chan int64)
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			var answer struct {
				Outputs struct {
					Order int64 `json:"order"`
				} `json:"outputs"`
			}
			body := fmt.Sprintf(`{"inputs": {"email": "c%d@x.org", "sku": "KETTLE", "qty": %d}}`, i%50, 1+i%7)
			// Most of those that come after the kill fail: only what was
			// acknowledged counts. Who is told to come again does.
			for {
				code, err := post(c, p.api+"/workflows/buy/execute", body, &answer)
				if err == nil && code == 503 {
					continue
				}
				if err == nil && code == 200 {
					ids <- answer.Outputs.Order
				}
				return
			}
		})
	}
	go func() {
		clients.Wait()
		close(ids)
	}()
	var acknowledged []int64
	kill := sync.OnceFunc(func() {
		if err := p.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	if killedAt == 0 {
		kill()
	}
	for id := range ids {
		if acknowledged = append(acknowledged, id); len(acknowledged) == killedAt {
			kill()
		}
	}
	kill()
	<-p.exited
	return acknowledged
}

// slowApp has a workflow that waits for a service, which the test holds back.
func slowApp(t *testing.T) (app string, asked <-chan struct{}, release func()) {
	t.Helper()
	called, answer := make(chan struct{}, 1), make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called <- struct{}{}
		<-answer
		fmt.Fprint(w, `{"ok": true}`)
	}))
	release = sync.OnceFunc(func() { close(answer) })
	t.Cleanup(func() {
		release()
		service.Close()
	})
	app = filepath.Join(t.TempDir(), "app.star")
	text := fmt.Sprintf(`
wf = WorkflowBuilder("ask", input = {})
wf.add_node("HTTPRequestNode", "ask", {"url": %q})
app = Nexus()
app.register("ask", wf.build(output = {"status": "${ask.status}"}))
app.start()
`, service.URL)
	if err := os.WriteFile(app, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return app, called, release
}

func TestInterruptFinishesWhatIsUnderWay(t *testing.T) {
	app, asked, release := slowApp(t)
	p := serveApp(t, app)
	answered := make(chan error, 1)
	go func() {
		code, err := post(http.DefaultClient, p.api+"/workflows/ask/execute", "{}", nil)
		if err == nil && code != 200 {
			err = fmt.Errorf("status %d", code)
		}
		answered <- err
	}()
	<-asked
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.awaitLog("stopping: "); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-answered; err != nil {
		t.Errorf("the request that was under way: %v", err)
	}
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSecondInterruptStopsAtOnce(t *testing.T) {
	app, asked, _ := slowApp(t)
	p := serveApp(t, app)
	answered := make(chan error, 1)
	go func() {
		_, err := post(http.DefaultClient, p.api+"/workflows/ask/execute", "{}", nil)
		answered <- err
	}()
	<-asked
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.awaitLog("stopping: "); err != nil {
		t.Fatal(err)
	}
	code, err := p.stop(os.Interrupt)
	if err != nil || code != exitInterrupted {
		t.Errorf("exit code %d (%v), want %d", code, err, exitInterrupted)
	}
	if err := <-answered; err == nil {
		t.Error("the request was answered")
	}
}

// An agent that stops reading, as one that has died does, ends no call: the
// process would die of the pipe, and the call with it.
func TestWhatAnAgentCalledIsDoneThoughItReadsNoMore(t *testing.T) {
	app, asked, release := slowApp(t)
	var said bytes.Buffer
	cmd, in, out := piped(t, &said, "mcp", app)
	defer func() { _ = cmd.Process.Kill() }() // it may have ended
	if _, err := io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}`+"\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, `{"jsonrpc":"2.0","id":2,"method":"ping"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("it has ended before the call has: %v\n%s", err, said.String())
	case <-time.After(300 * time.Millisecond):
	}
	release()
	<-ended
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(said.String(), "error: serve MCP: write a message: ") {
		t.Errorf("exit code %d: %s", code, said.String())
	}
}

// await waits until done, which asks another program.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !done(); {
		if time.Now().After(until) {
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}
