// Package reload keeps a served app up to date with its files: it watches those
// that were read, makes the next generation aside, and has the server swap it
// in. It owns when that happens and what is said of it; how files become an app
// is handed to it, and how an app is served is nexus's.
package reload

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
)

// Options are what a Reloader needs. Dir, Load and Server must be there.
type Options struct {
	Dir    string        // of the app's files
	Server *nexus.Server // that serves the first generation
	// Load makes an app of the files. It reads them through files alone, so that
	// what it has read is watched.
	Load func(ctx context.Context, files fs.FS) Loaded
	// First is what the generation that is served was made of.
	First Loaded
	Seen  *Seen
	// Watch has files watched. Without it an app is reloaded by Now alone.
	Watch bool
	// Now has the app reloaded, whether a file has changed or not.
	Now <-chan os.Signal
	// Examine adds to what there is to say of an app, once it is known whether it
	// is served. It may leave out something too.
	Examine func(l Loaded, served bool, ds []dataflow.Diagnostic) []dataflow.Diagnostic
	// Report is told of every reload.
	Report func(Result)
	Logger *slog.Logger
}

// Loaded is what was made of files.
type Loaded struct {
	App         *dataflow.App // nil, or of no use, if a diagnostic is an error
	Options     nexus.Options // to build it with
	Diagnostics []dataflow.Diagnostic
}

// Result is how a reload went.
type Result struct {
	Outcome     Outcome
	Generation  int // that is served now
	Took        time.Duration
	Files       []string // that had changed
	Loaded      Loaded
	Built       *nexus.Generation     // nil unless it is served
	Diagnostics []dataflow.Diagnostic // all of them, those of Loaded too
	Changes     Changes
	Asked       bool // by Now
}

// Outcome is what became of a reload.
type Outcome uint8

// The outcomes.
const (
	Served   Outcome = iota // the files as they are now
	Refused                 // they can't be served, and what was served before is
	Restored                // they are again as they were when what is served was loaded
)

const (
	// settle is how long files are left alone after a change: programs save in
	// several steps, a few of milliseconds apart at most.
	settle = 5 * time.Millisecond
	// maxSettle bounds that, where files change all the time.
	maxSettle = 50 * time.Millisecond
	// secondLook is how long a failure waits to be told for another change: a
	// file may be half written.
	secondLook = 100 * time.Millisecond
	// retireTime is how long durable runs that a generation has in hand may take
	// after another has taken its place. They are gone on with beyond it.
	retireTime = 30 * time.Second
	// retryFirst and retryMost are how long it takes until files are tried again
	// that failed for something that may pass without a change of them: a
	// database that is away, a lock.
	retryFirst = 2 * time.Second
	retryMost  = 30 * time.Second
)

// reloader reloads an app. It is used by one goroutine.
type reloader struct {
	o       Options
	watcher *Watcher        // nil: nothing is watched
	changes <-chan struct{} // of it

	served   *Seen                 // what is served was made of
	seen     *Seen                 // what was last loaded
	app      *dataflow.App         // that is served
	said     []dataflow.Diagnostic // of what is served
	status   nexus.Status
	told     string        // of the failure that was reported last; "": none
	retry    time.Duration // until the same files are tried again; 0: only a change helps
	retiring sync.WaitGroup
}

// Run reloads the app until ctx is done, and returns when every generation but
// the one that is served has been closed.
func Run(ctx context.Context, o Options) error { return Begin(o)(ctx) }

// Begin tells the server how the app stands, so that its first answer can say
// it, and returns what reloads the app, as Run does.
func Begin(o Options) (run func(ctx context.Context) error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Examine == nil {
		o.Examine = func(_ Loaded, _ bool, ds []dataflow.Diagnostic) []dataflow.Diagnostic { return ds }
	}
	if o.Report == nil {
		o.Report = func(Result) {}
	}
	now := time.Now()
	r := &reloader{o: o, served: o.Seen, seen: o.Seen, app: o.First.App, said: o.First.Diagnostics}
	r.status = nexus.Status{Generation: 1, Since: now, Tried: now, Files: o.Seen.Found(), Diagnostics: r.said}
	o.Server.SetStatus(r.status, o.Watch)
	return r.begun
}

func (r *reloader) begun(ctx context.Context) error {
	if r.o.Watch {
		r.watcher = NewWatcher(r.o.Logger)
		defer r.watcher.Close()
		r.changes = r.watcher.Changes()
		if err := r.watcher.Watch(r.seen); err != nil {
			return err
		}
	}
	defer r.retiring.Wait()
	r.run(ctx)
	return nil
}

// why the app is loaded again.
type why uint8

const (
	changed why = iota // files may have changed
	asked              // somebody asked for it
	again              // what failed may pass now
)

func (r *reloader) run(ctx context.Context) {
	pending := r.o.Watch // what changed before the watch began is not told of
	for ctx.Err() == nil {
		reason := changed
		if !pending {
			reason = r.wait(ctx)
		}
		if ctx.Err() == nil {
			pending = r.attempt(ctx, reason)
		}
	}
}

// wait waits for something to do.
func (r *reloader) wait(ctx context.Context) why {
	var passed <-chan time.Time
	if r.retry > 0 {
		timer := time.NewTimer(r.retry)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-ctx.Done():
	case <-r.o.Now:
		return asked
	case <-passed:
		return again
	case <-r.changes:
		r.settle(ctx)
	}
	return changed
}

// settle waits until nothing has changed for a moment.
func (r *reloader) settle(ctx context.Context) {
	end := time.NewTimer(maxSettle)
	defer end.Stop()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-r.changes:
			quiet.Reset(settle)
		case <-quiet.C:
			return
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// attempt loads the files, and has them served if they can be. pending says
// that they have changed since they were read.
func (r *reloader) attempt(ctx context.Context, reason why) (pending bool) {
	files := r.seen.Changed()
	if reason == changed && len(files) == 0 {
		return false
	}
	begun := time.Now()
	var loaded Loaded
	seen, err := Read(r.o.Dir, func(files fs.FS) { loaded = r.o.Load(ctx, files) })
	if err != nil {
		seen = r.seen.gone()
		loaded.Diagnostics = []dataflow.Diagnostic{{Code: "FC110", Span: dataflow.Span{File: r.o.Dir},
			Message: "the folder " + r.o.Dir + " can't be read", Hint: "what was served before is served until it is back"}}
	}
	r.seen = seen
	if r.watcher != nil {
		if err := r.watcher.Watch(seen); err != nil {
			r.o.Logger.Warn("files can't be watched", "cause", err)
		}
	}
	res := Result{Files: files, Loaded: loaded, Asked: reason == asked, Diagnostics: loaded.Diagnostics}
	if reason == changed && seen.Same(r.served) {
		return r.restored(begun, res)
	}
	if !dataflow.HasErrors(loaded.Diagnostics) {
		o := loaded.Options
		o.Shared = r.o.Server.Shared()
		var more []dataflow.Diagnostic
		res.Built, more = nexus.Build(ctx, loaded.App, o)
		res.Diagnostics = append(res.Diagnostics[:len(res.Diagnostics):len(res.Diagnostics)], more...)
	}
	if ctx.Err() != nil { // the server ends
		if res.Built != nil {
			r.retire(res.Built)
		}
		return false
	}
	if res.Built == nil {
		return r.refused(ctx, begun, reason, res)
	}
	r.serve(begun, res)
	return r.moved()
}

// moved reports whether files have changed since they were read.
func (r *reloader) moved() bool { return r.watcher != nil && len(r.seen.Changed()) > 0 }

func (r *reloader) serve(begun time.Time, res Result) {
	res.Diagnostics = append(res.Diagnostics, r.o.Server.Unapplied(res.Built)...)
	old := r.o.Server.Swap(res.Built)
	r.retire(old)
	if old == res.Built { // the server has ended
		return
	}
	now := time.Now()
	res.Took = now.Sub(begun)
	res.Changes = changesOf(r.app, res.Loaded.App)
	r.served, r.app = r.seen, res.Loaded.App
	r.status.Generation, r.status.Since, r.status.Changes = r.status.Generation+1, now, res.Changes.Words()
	r.report(Served, res)
}

// retire closes a generation once what it has in hand has ended.
func (r *reloader) retire(g *nexus.Generation) {
	r.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), retireTime)
		defer cancel()
		if err := g.Retire(ctx); err != nil {
			r.o.Logger.Warn("an earlier state of the app could not be closed", "cause", err)
		}
	})
}

// restored: the files are again what is served.
func (r *reloader) restored(begun time.Time, res Result) (pending bool) {
	if r.status.Stale {
		res.Took, res.Diagnostics = time.Since(begun), r.said
		r.report(Restored, res)
	}
	return r.moved()
}

// refused leaves what is served. A failure that comes of a file that is half
// written is not told of.
func (r *reloader) refused(ctx context.Context, begun time.Time, reason why, res Result) (pending bool) {
	if reason == changed {
		look := time.NewTimer(secondLook)
		defer look.Stop()
		select {
		case <-r.changes:
			if r.settle(ctx); r.moved() {
				return true
			}
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
	res.Took = time.Since(begun)
	retry := time.Duration(0)
	if !dataflow.HasErrors(res.Loaded.Diagnostics) { // the files are sound: it is the database
		retry = retryFirst
		if reason == again {
			retry = min(2*r.retry, retryMost)
		}
	}
	what := told(res.Diagnostics)
	if reason == again && what == r.told {
		r.retry, r.status.Tried = retry, time.Now()
		r.o.Server.SetStatus(r.status, r.o.Watch)
		return r.moved()
	}
	r.report(Refused, res)
	r.told, r.retry = what, retry
	return r.moved()
}

// told is what a failure says, to know it again. Numbers in it make no other: for
// how long somebody has held a lock is another each time.
func told(ds []dataflow.Diagnostic) string {
	text := ""
	for _, d := range ds {
		text += d.Span.String() + d.Code + strings.Map(noDigit, d.Message) + "\n"
	}
	return text
}

func noDigit(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

func (r *reloader) report(outcome Outcome, res Result) {
	r.told, r.retry = "", 0
	r.o.Server.Reloaded(outcome != Refused)
	r.status.Tried, r.status.Files, r.status.Stale = time.Now(), r.seen.Found(), outcome == Refused
	if outcome != Restored {
		res.Diagnostics = dataflow.SortDiagnostics(r.o.Examine(res.Loaded, outcome == Served, res.Diagnostics))
	}
	if outcome == Served {
		r.said = res.Diagnostics
	}
	r.status.Diagnostics = res.Diagnostics
	r.o.Server.SetStatus(r.status, r.o.Watch)
	res.Outcome, res.Generation = outcome, r.status.Generation
	r.o.Report(res)
}
