package mcp

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// logLevel is how grave a message to a client is.
type logLevel int

// levelNone is the level of who wants no messages.
const levelNone logLevel = -1

// logLevels are the levels by name, the least grave first (RFC 5424).
func logLevels() []string {
	return []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}
}

// parseLevel reads the name of a level.
func parseLevel(name string) (logLevel, *fault) {
	i := slices.Index(logLevels(), name)
	if i < 0 {
		f := faultf(codeInvalidParams, "there is no level %s", quoted(name))
		if hint := dataflow.DidYouMean(name, logLevels()); hint != "" {
			f.message += "; " + hint
		}
		return levelNone, f
	}
	return logLevel(i), nil
}

// log sends a message to the client, if it wants those of this level.
func (q *request) log(level logLevel, logger string, data any) {
	if q.level == levelNone || level < q.level {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return
	}
	o := dataflow.ObjectOf("level", logLevels()[level])
	if logger != "" {
		o.Set("logger", logger)
	}
	o.Set("data", data)
	q.out.notify(notification("notifications/message", o))
}

// tellProgress says how far a request has come, if its client asked to be told.
// What is told never goes back.
func (q *request) tellProgress(done, total float64, message string) {
	if q.progress == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over || q.told && done <= q.last {
		return
	}
	q.told, q.last = true, done
	o := dataflow.ObjectOf("progressToken", q.progress, "progress", done)
	if total > 0 {
		o.Set("total", total)
	}
	if message != "" {
		o.Set("message", message)
	}
	q.out.notify(notification("notifications/progress", o))
}
