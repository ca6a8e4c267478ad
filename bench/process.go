package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
func flowctlRun(c config, app, path string, flags ...string) (*process, error) {
	return flowctlOn(c, app, "sqlite:"+path, flags...)
}

// flowctlOn launches `flowctl run` of an app with a database's URL.
func flowctlOn(c config, app, url string, flags ...string) (*process, error) {
	return launch(c.flowctl, func(addr string) []string {
		_, port, _ := strings.Cut(addr, ":")
		return append([]string{"run", app, "--api-port", port, "--mcp-port", "0"}, flags...)
	}, "DATABASE_URL="+url)
}

// freeAddr finds an address that nobody listens on. Its port is none of those
// that systems give to whoever asks for any: such a one could be another's by
// the time that the server listens on it.
func freeAddr() (string, error) {
	var taken error
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(20_000)))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		taken = err
	}
	return "", taken
}

// answered waits until the server answers a GET and returns how long that
// took from its start.
func (p *process) answered(ctx context.Context, path string) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; {
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

// cpu returns the user and system time that the server has taken so far, to the
// nanosecond: by the process's own clock, as clock_getcpuclockid(3) finds it.
func (p *process) cpu() (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED of Linux
	var t unix.Timespec
	err := unix.ClockGettime(int32(^p.cmd.Process.Pid)<<3|scheduled, &t)
	return time.Duration(t.Nano()), err
}

// stat is what proc(5) says of a process.
type stat struct {
	parent   int
	cpu      time.Duration // user and system time of its own
	children time.Duration // and of its children that have ended
	faults   int           // minor ones of its own
}

func readStat(pid int) (s stat, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	// The second field is the command in parentheses and may hold anything;
	// the parent is the 4th, minflt the 10th, utime, stime, cutime and cstime the
	// 14th to 17th.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var ticks [4]int64
	for i := range ticks {
		n, failed := strconv.ParseInt(fields[11+i], 10, 64)
		ticks[i], err = n, errors.Join(err, failed)
	}
	parent, failed := strconv.Atoi(fields[1])
	faults, failedToo := strconv.Atoi(fields[7])
	return stat{parent, time.Duration(ticks[0]+ticks[1]) * tick, time.Duration(ticks[2]+ticks[3]) * tick, faults}, errors.Join(err, failed, failedToo)
}

// familyCPU returns the time that a process and its children have taken, those
// that have ended too: a PostgreSQL server with all its backends.
func familyCPU(pid int) (time.Duration, error) {
	parent, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	all := parent.cpu + parent.children
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, path := range processes {
		child, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return 0, err
		}
		if s, err := readStat(child); err == nil && s.parent == pid { // else it has just ended
			all += s.cpu
		}
	}
	return all, nil
}

// rss returns the memory of the server that is in place, in bytes.
func (p *process) rss() (int64, error) { return p.memory("VmRSS:") }

// own returns what of rss is in no file: neither the program's own code nor
// pages of a database, which the system takes back when it needs them.
func (p *process) own() (int64, error) { return p.memory("RssAnon:") }

func (p *process) memory(of string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), of)
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kb, 10, 64)
	return n << 10, err
}
