package reload

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// slowPoll is how often files are looked at beside the events of the
	// system: a network folder has none.
	slowPoll = 2 * time.Second
	// quickPoll is how often, where the system gives no events at all.
	quickPoll = 250 * time.Millisecond
)

// Watcher tells when files may have changed.
type Watcher struct {
	changes chan struct{}
	log     *slog.Logger
	events  *fsnotify.Watcher // nil: the system gives none
	done    chan struct{}
	ended   sync.WaitGroup

	mu      sync.Mutex
	top     string
	files   []string
	globs   []string
	trail   *trail
	watched map[string]os.FileInfo // folders, as they were when their watch began
	state   map[string]string      // of the files, when they were last looked at
	told    bool                   // that a folder can't be watched
}

// NewWatcher returns a watcher of nothing. It is to be closed.
func NewWatcher(log *slog.Logger) *Watcher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	events, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("the system does not tell of changes to files, so they are looked at now and then", "cause", err)
		return newWatcher(log, nil, quickPoll)
	}
	return newWatcher(log, events, slowPoll)
}

func newWatcher(log *slog.Logger, events *fsnotify.Watcher, pace time.Duration) *Watcher {
	w := &Watcher{changes: make(chan struct{}, 1), log: log, events: events, done: make(chan struct{}),
		watched: map[string]os.FileInfo{}, trail: trailOf("", nil, nil)}
	w.ended.Go(func() { w.run(pace) })
	return w
}

// Changes yields when something may have changed since it last did.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// Close ends the watching.
func (w *Watcher) Close() error {
	close(w.done)
	w.ended.Wait()
	if w.events == nil {
		return nil
	}
	return w.events.Close()
}

// Watch has the watcher watch the files and patterns that were seen in a folder,
// in place of those before. What has changed since they were read is not known
// to it: ask Seen.Changed afterwards.
func (w *Watcher) Watch(seen *Seen) error {
	top, err := filepath.Abs(seen.dir)
	if err != nil {
		return fmt.Errorf("watch %s: %w", seen.dir, err)
	}
	below := func(paths []string) (out []string) {
		for _, p := range paths {
			rel, err := filepath.Rel(seen.dir, p)
			if err == nil {
				out = append(out, filepath.Join(top, rel))
			}
		}
		return out
	}
	files, globs := below(seen.paths()), below(seen.systemPatterns())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.top == top && slices.Equal(files, w.files) && slices.Equal(globs, w.globs) {
		w.state = w.look()
		return nil
	}
	w.top, w.files, w.globs = top, files, globs
	w.arm()
	w.state = w.look()
	return nil
}

// arm watches every folder on the way to the files, as it is now: one that was
// put in the place of another is watched anew.
func (w *Watcher) arm() {
	w.trail = trailOf(w.top, w.files, w.globs).follow()
	if w.events == nil {
		return
	}
	for dir := range w.watched {
		if !w.trail.folders[dir] {
			w.unwatch(dir)
		}
	}
	for dir := range w.trail.folders {
		now, err := os.Stat(dir)
		if before, ok := w.watched[dir]; ok {
			if err == nil && os.SameFile(before, now) {
				continue
			}
			w.unwatch(dir)
		}
		if err != nil || !now.IsDir() {
			continue // the folder above is watched
		}
		if err := w.events.Add(dir); err != nil {
			if !w.told {
				w.told = true
				w.log.Warn("the system does not tell of changes in a folder, so its files are looked at now and then", "folder", dir, "cause", err)
			}
			continue
		}
		w.watched[dir] = now
	}
}

func (w *Watcher) unwatch(dir string) {
	delete(w.watched, dir)
	_ = w.events.Remove(dir) // which the system has done by itself where the folder is gone
}

// look returns what can be seen of the files without reading them.
func (w *Watcher) look() map[string]string {
	state := map[string]string{}
	see := func(path string) {
		if info, err := os.Stat(path); err == nil {
			state[path] = fmt.Sprint(info.Size(), info.ModTime().UnixNano(), info.Mode())
		}
	}
	for _, f := range w.files {
		see(f)
	}
	for _, g := range w.globs {
		names, _ := filepath.Glob(g) // which fails on a pattern alone, and ours came through once
		for _, name := range names {
			see(name)
		}
	}
	return state
}

// run turns events into changes.
func (w *Watcher) run(pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var events chan fsnotify.Event
	var failures chan error
	if w.events != nil {
		events, failures = w.events.Events, w.events.Errors
	}
	for {
		select {
		case <-w.done:
			return
		case e := <-events:
			w.happened(e)
		case err := <-failures: // too many events at once: anything may have changed
			w.log.Debug("events of files were lost", "cause", err)
			w.again()
		case <-tick.C:
			w.poll()
		}
	}
}

func (w *Watcher) happened(e fsnotify.Event) {
	name := filepath.Clean(e.Name)
	w.mu.Lock()
	matters := w.trail.matters(name)
	if matters && e.Op&(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) != 0 {
		if _, ok := w.watched[name]; ok { // even if it is back already, its watch has ended
			w.unwatch(name)
		}
		w.arm() // the way may lead elsewhere now
	}
	w.mu.Unlock()
	if matters {
		w.tell()
	}
}

func (w *Watcher) again() {
	w.mu.Lock()
	w.arm()
	w.mu.Unlock()
	w.tell()
}

// poll finds what no event told of.
func (w *Watcher) poll() {
	w.mu.Lock()
	w.arm()
	state := w.look()
	changed := len(state) != len(w.state)
	for path, s := range state {
		changed = changed || w.state[path] != s
	}
	w.state = state
	w.mu.Unlock()
	if changed {
		w.tell()
	}
}

func (w *Watcher) tell() {
	select {
	case w.changes <- struct{}{}:
	default: // it has yet to be heard of
	}
}
