package dataflow

import (
	"errors"
	"fmt"
	"strings"
)

// Status groups error codes by what their caller can do. Each channel maps
// it to its own: REST to an HTTP status, the command line to an exit code,
// MCP to a tool result.
type Status uint8

// The statuses.
const (
	StatusInternal             Status = iota // a fault of the app or the runtime
	StatusInvalid                            // the input is wrong; Problems says where
	StatusNotFound                           // no such row, run, model or workflow
	StatusConflict                           // uniqueness, a reference, a key in use
	StatusRejected                           // well-formed, but the app's own rules refuse it
	StatusPrecondition                       // the row has changed since the caller read it
	StatusForbidden                          // the caller may not
	StatusBusy                               // worth trying again soon
	StatusTimeout                            // ran out of its time
	StatusStorage                            // the database can't take it: full, read-only
	StatusUpstream                           // a service that the app calls failed
	StatusCancelled                          // the caller went away
	StatusUnauthorized                       // the caller has not said who it is
	StatusPreconditionRequired               // the caller must say which version it read
)

// Error is the failure of a request or a run, in words for its caller. It is
// the only error that reaches one; the cause behind it goes to the log.
type Error struct {
	Code     string // a row of ErrorCodes, as "unique_violation"
	Status   Status
	Message  string    // what went wrong, one sentence
	Hint     string    // what to do about it
	Problems []Problem // every invalid part of the input
	Model    string    // the model concerned, if any
	Workflow string    // the workflow that failed, if any
	Node     string    // the node that failed, if any
	Run      string    // the durable run that failed and is kept, if any
	Span     Span      // the place in app.star, if any
	Err      error     // the cause; logged, never shown
	// RetryAfter is in how many seconds it is worth trying again, where that is known.
	RetryAfter int
	// Private is more about it that may hold data of others: it is shown only to
	// who runs the app at their own terminal, and never logged.
	Private string
}

// Problem is one thing wrong with one part of an input.
type Problem struct {
	Code    string `json:"code"`    // a row of ErrorCodes
	Pointer string `json:"pointer"` // JSON pointer (RFC 6901) into the input; "" is the whole
	Detail  string `json:"detail"`
	Hint    string `json:"hint,omitempty"`
	Line    int    `json:"line,omitempty"` // of a file of rows; the pointer leads into the row then
}

// Error renders code and message, for logs.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	if e.Node != "" {
		s = fmt.Sprintf("node %s: %s", e.Node, s)
	}
	for _, p := range e.Problems {
		s += fmt.Sprintf("; %s: %s", p.Pointer, p.Detail)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// maxInText is how many problems a text names.
const maxInText = 5

// Text is the message, and where that only counts problems which they are, for
// what has no room for them as data.
func (e *Error) Text() string {
	if e.Code != "invalid" || len(e.Problems) == 0 {
		return e.Message
	}
	var b strings.Builder
	b.WriteString(e.Message)
	sep := ": "
	for _, p := range e.Problems[:min(len(e.Problems), maxInText)] {
		b.WriteString(sep)
		if p.Pointer != "" {
			b.WriteString(p.Pointer + " ")
		}
		b.WriteString(p.Detail)
		sep = "; "
	}
	if len(e.Problems) > maxInText {
		b.WriteString("; …")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an *Error. One that is not an *Error becomes an
// internal error which keeps it as its cause.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Internal(err)
}

// Internal wraps an unexpected error. Its caller learns only that something
// went wrong.
func Internal(err error) *Error {
	return &Error{Code: "internal", Status: StatusInternal, Message: "something went wrong inside the server", Err: err}
}

// MaxProblems is how many problems an input is told of: an answer must not be
// many times what was asked.
const MaxProblems = 100

// Invalid returns the error for an input with these problems.
func Invalid(problems ...Problem) *Error {
	msg := "the input has a problem"
	if n := len(problems); n > 1 {
		msg = fmt.Sprintf("the input has %d problems", n)
		if n > MaxProblems {
			msg += fmt.Sprintf(", of which %d are told of", MaxProblems)
			problems = problems[:MaxProblems]
		}
	}
	return &Error{Code: "invalid", Status: StatusInvalid, Message: msg, Problems: problems}
}
