// Command bench measures flowctl as its users meet it: a process on loopback,
// asked over keep-alive connections, beside a server written by hand for the
// same table. README.md has the results and the commands that made them.
//
//	go run ./bench requests   CPU per request, flowctl against handwritten
//	go run ./bench postgres   the same and rates, on PostgreSQL, at 1, 16 and 64 connections
//	go run ./bench sqlite     the same on SQLite
//	go run ./bench memory     memory over a million requests, on both engines
//	go run ./bench start      from process start to the first answer; idle memory
//	go run ./bench check      flowctl check and version, beside a program that does nothing
//	go run ./bench unchanged  500 tables that are as they should be, on both engines
//	go run ./bench scale      10, 100 and 1,000 models and workflows
//	go run ./bench workflows  workflows against operations, and against SQL by hand
//	go run ./bench durable    durable runs against a queue by hand; many that wait; many that are due at once
//	go run ./bench due        of durable, those that are due at once alone
//	go run ./bench reload     from a save to the first answer of what was saved
//	go run ./bench mcp        tools of MCP against the same over REST; a list of 500 tools
//	go run ./bench auth       what it costs to know who asks
//	go run ./bench observe    what limits, metrics and the access log cost
//	go run ./bench all
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

// config is what a measurement needs to know.
type config struct {
	flowctl     string // the binaries
	handwritten string
	empty       string // a program that does nothing
	ldflags     string // that both are linked with
	dir         string // for databases; emptied afterwards
	rounds      int
	requests    int    // a round, of each read; creates are a quarter of it
	rows        int    // of the compared databases
	at          int    // the only number of connections that they are compared on, 0 for all
	work        string // how the work that is compared begins; "" is all
	million     int    // requests of the measurement of memory
	conns       int
	starts      int
	tables      int           // that are unchanged
	waiting     int           // runs that wait
	due         int           // runs that are due at one moment
	ahead       time.Duration // how far that moment is ahead when they begin to wait
	listeners   int           // who follow a model
	listen      time.Duration // how long rows are created while they do
	scales      []int
	settle      time.Duration // how long an idle server is left alone before its memory is read
	out         io.Writer
}

func main() {
	log.SetFlags(0)
	c := config{out: os.Stdout, scales: []int{10, 100, 1000}, settle: 2 * time.Second}
	flag.IntVar(&c.rounds, "rounds", 7, "rounds of each measurement of requests; medians are shown")
	flag.IntVar(&c.requests, "n", 20000, "requests a round")
	flag.IntVar(&c.rows, "rows", 100_000, "rows that postgres and sqlite compare on")
	flag.StringVar(&c.work, "work", "", `how the work begins that postgres and sqlite compare: "create"`)
	flag.IntVar(&c.at, "at", 0, "the only number of connections that postgres and sqlite compare on, 0 for all")
	flag.IntVar(&c.million, "million", 1_000_000, "requests that memory is watched over")
	flag.IntVar(&c.conns, "conns", 16, "keep-alive connections")
	flag.IntVar(&c.starts, "starts", 15, "starts of each kind")
	flag.IntVar(&c.tables, "tables", 500, "tables that are unchanged")
	flag.IntVar(&c.waiting, "waiting", 1_000_000, "durable runs that wait")
	flag.IntVar(&c.due, "due", 10_000, "durable runs that are due at one moment")
	flag.DurationVar(&c.ahead, "ahead", 20*time.Second, "how long they wait for it")
	flag.IntVar(&c.listeners, "listeners", 10_000, "clients that follow the changes of a model")
	flag.DurationVar(&c.listen, "listen", 20*time.Second, "how long rows are created while they do")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, c, flag.Arg(0)); err != nil {
		log.Fatal("bench: ", err)
	}
}

func run(ctx context.Context, c config, what string) error {
	measures := map[string][]func(context.Context, config) error{
		"requests":  {requests},
		"postgres":  {comparePostgres},
		"sqlite":    {compareSQLite},
		"memory":    {memory},
		"start":     {starts},
		"unchanged": {unchanged},
		"check":     {checks},
		"scale":     {scale},
		"workflows": {workflows},
		"reload":    {reloads},
		"durable":   {durableRuns},
		"due":       {dueRuns},
		"auth":      {credentials},
		"events":    {events},
		"mcp":       {agents},
		"observe":   {observing},
		"all":       {requests, comparePostgres, compareSQLite, memory, starts, unchanged, checks, scale, workflows, reloads, durableRuns, agents, credentials, events, observing},
	}[what]
	if measures == nil {
		return fmt.Errorf("nothing measures %q: say requests, postgres, sqlite, memory, start, unchanged, check, scale, workflows, reload, durable, due, mcp, auth, events, observe or all", what)
	}
	dir, err := os.MkdirTemp("", "flowctl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if c, err = build(ctx, c, dir); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s, %d cores, %s/%s\n", runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	for _, measure := range measures {
		if err := measure(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// build compiles both servers the same way, as flowctl is shipped.
func build(ctx context.Context, c config, dir string) (config, error) {
	c.dir = dir
	c.flowctl = filepath.Join(dir, "flowctl")
	c.handwritten = filepath.Join(dir, "handwritten")
	c.empty = filepath.Join(dir, "empty")
	for bin, pkg := range map[string]string{
		c.flowctl:     "github.com/flowctl/flowctl/cmd/flowctl",
		c.handwritten: "github.com/flowctl/flowctl/bench/handwritten",
		c.empty:       "github.com/flowctl/flowctl/bench/handwritten/empty",
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", c.ldflags, "-o", bin, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return c, fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
	}
	return c, nil
}
