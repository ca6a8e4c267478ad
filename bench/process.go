package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement, on loopback.
type process struct {
	cmd     *exec.Cmd
	addr    string
	started time.Time
	log     *bytes.Buffer
}

// launch starts a server that args tell where to listen.
func launch(bin string, args func(addr string) []string, env ...string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p := &process{addr: addr, log: new(bytes.Buffer)}
	p.cmd = exec.Command(bin, args(addr)...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.started = time.Now()
	return p, p.cmd.Start()
}

// flowctlRun launches `flowctl run` of an app whose database is at path.
func flowctlRun(c config, app, path string) (*process, error) {
	return launch(c.flowctl, func(addr string) []string {
		_, port, _ := strings.Cut(addr, ":")
		return []string{"run", app, "--api-port", port, "--mcp-port", "0"}
	}, "DATABASE_URL=sqlite:"+path)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// answered waits until the server answers a GET and returns how long that
// took from its start.
func (p *process) answered(ctx context.Context, path string) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		resp, err := client.Get("http://" + p.addr + path)
		if errors.Is(err, syscall.ECONNREFUSED) {
			time.Sleep(500 * time.Microsecond)
			continue
		}
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		took := time.Since(p.started)
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("GET %s: %s\n%s", path, resp.Status, p.log)
		}
		return took, nil
	}
	p.kill()
	return 0, fmt.Errorf("no answer to GET %s\n%s", path, p.log)
}

// kill ends the server at once and returns the CPU time it took in all.
func (p *process) kill() time.Duration {
	p.cmd.Process.Kill()
	p.cmd.Wait()
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// stop lets the server drain and close its database.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return p.cmd.Wait()
}

// tick is the unit of /proc/PID/stat: USER_HZ, 100 on every Linux there is.
const tick = 10 * time.Millisecond

// cpu returns the user and system time that the server has taken so far.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// proc(5): the second field is the command in parentheses and may hold
	// anything; utime and stime are the 14th and 15th.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	utime, err1 := strconv.ParseInt(fields[11], 10, 64)
	stime, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(utime+stime) * tick, errors.Join(err1, err2)
}

// rss returns the memory that the server holds, in bytes.
func (p *process) rss() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kb, 10, 64)
	return n << 10, err
}
