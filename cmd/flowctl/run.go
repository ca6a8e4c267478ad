package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// grace is how long requests that are under way may take once the server has
// been told to stop.
const grace = 30 * time.Second

type runFlags struct {
	host        string
	apiPort     int
	mcpPort     int
	allowPublic bool
	log         logFlags
	watch       bool
	hold        bool
}

func runCommand(w *world) *cobra.Command {
	return servingCommand(w, &cobra.Command{
		Use:   "run app.star",
		Short: "Migrate the database and serve an app",
		Long: `run loads the app, brings its database up to date, and serves its models and
workflows over REST and MCP until it is told to stop. Ctrl+C finishes what is
under way; a second one stops at once. SIGHUP loads the app again, and serves
what it says now; if that can't be served, what was served before is.`,
	})
}

func devCommand(w *world) *cobra.Command {
	return servingCommand(w, &cobra.Command{
		Use:   "dev app.star",
		Short: "Serve an app, and every change to its files as it is saved",
		Long: `dev is run --watch that also waits for an app that can't be served yet. Every
file that is read is watched. What is saved is served at once; requests and runs
under way finish on what they began with. A file that can't be served leaves
what was served before: the terminal says what is wrong, every answer has the
header X-Flowctl-Stale, and /_flow/status shows the rest. Changes to models that
lose nothing are applied to the database; others are shown, and wait until
flowctl migrate is told to apply them.`,
	})
}

// servingCommand is a command that serves an app.
func servingCommand(w *world, cmd *cobra.Command) *cobra.Command {
	var f runFlags
	dev := cmd.Name() == "dev"
	cmd.Args = takes("app.star")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return f.check(cmd).orNil() }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := findApp(args[0])
		if err != nil {
			return err
		}
		s := &serving{a: a, w: w, cmd: cmd, f: f, watch: f.watch || dev, dev: dev}
		return s.serve(cmd.Context())
	}
	fl := cmd.Flags()
	fl.StringVar(&f.host, "host", "", "address to listen on, instead of the app's")
	fl.IntVar(&f.apiPort, "api-port", 0, "port of REST, instead of the app's; 0 is any free one")
	fl.IntVar(&f.mcpPort, "mcp-port", 0, "port of MCP, instead of the app's; 0 is any free one")
	fl.BoolVar(&f.allowPublic, "allow-public", false, "listen on an address that other machines can reach")
	addHold(fl, &f.hold)
	f.log.add(fl)
	if !dev {
		fl.BoolVar(&f.watch, "watch", false, "serve every change to the app's files as it is saved")
	}
	return cmd
}

// addHold adds what a copy of a database is started with, lest both do what is
// due.
func addHold(fl *pflag.FlagSet, hold *bool) {
	fl.BoolVar(hold, "hold-runs", false, "go on with no durable run that waits or is queued, and begin none that is scheduled")
}

// check finds what is wrong with the flags.
func (f *runFlags) check(cmd *cobra.Command) usageErrors {
	wrong := f.log.check()
	if cmd.Flags().Changed("host") && f.host != "" && !dataflow.IsHost(f.host) {
		wrong.add(&usageError{fmt.Sprintf("--host can't be %q", f.host), dataflow.HostForm})
	}
	for _, p := range []struct {
		flag  string
		value int
	}{{"api-port", f.apiPort}, {"mcp-port", f.mcpPort}} {
		if p.value < 0 || p.value > 65535 {
			wrong.add(&usageError{fmt.Sprintf("--%s %d is no port", p.flag, p.value), "ports are 1 to 65535, or 0 for any free one"})
		}
	}
	if f.apiPort > 0 && f.apiPort == f.mcpPort {
		wrong.add(&usageError{fmt.Sprintf("--api-port and --mcp-port are both %d", f.apiPort), "give each a port of its own"})
	}
	return wrong
}

// apply puts the flags in place of the app's own settings.
func (f *runFlags) apply(w *world, cmd *cobra.Command, a *appFile, app *dataflow.App) error {
	if app.Server == nil || !app.Server.Started {
		return &usageError{a.display + a.base + " has nothing to serve: it does not call app.start()",
			"end the file with: app = Nexus(), app.register(...) or app.expose(...), and app.start()"}
	}
	s := *app.Server
	app.Server = &s
	changed := cmd.Flags().Changed
	if changed("host") {
		s.Host = f.host
	}
	if changed("api-port") {
		s.APIPort = f.apiPort
	}
	if changed("mcp-port") {
		s.MCPPort = f.mcpPort
	}
	if isLoopback(s.Host) {
		return nil
	}
	if !f.allowPublic {
		hint := "anyone who reaches the server may use it: listen on 127.0.0.1, or say --allow-public"
		if asksWho(app) {
			hint = "keys and tokens can be read on the way, unless a proxy before the server speaks TLS: listen on 127.0.0.1, or say --allow-public"
		}
		return &usageError{fmt.Sprintf("the host %q can be reached from other machines", s.Host),
			hint}
	}
	if asksWho(app) {
		return nil
	}
	fmt.Fprintf(w.err, "warning: anyone who can reach %s may use this server: it asks nobody who they are\n", s.Host)
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// interruptible returns a context that the first SIGINT or SIGTERM ends, with
// a word to the user; a second one ends the process.
func interruptible(ctx context.Context, w *world, word string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
				if n > 0 {
					w.exit(exitInterrupted)
				}
				fmt.Fprintln(w.err, word)
				cancel()
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
