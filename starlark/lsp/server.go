package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
)

// Options are what the server needs to know of the program it is part of.
type Options struct {
	Version string
	Env     func(string) (string, bool)
	Modules []starlark.Module
	Library []Module // what there is to say about Modules
	// Outline says what is known of the nodes of workflows.
	Outline func(app *dataflow.App, workflows []*dataflow.Workflow) *dataflow.Outline
	// Plan finds what is wrong with an app beyond what loading it finds. dir is
	// the app's folder.
	Plan func(app *dataflow.App, dir string) []dataflow.Diagnostic
}

// ErrNoShutdown is an editor that went away without saying so.
var ErrNoShutdown = errors.New("the editor left without shutdown")

// server is one conversation. All but the fields of pending are the worker's.
type server struct {
	o    Options
	out  sender
	docs map[string]*document // by URI

	started, stopping, ended bool
	rev                      int                // of the text there is, counted
	dirty                    bool               // what was published is not of that
	loaded, known            map[string]*result // the last, and the last that was whole, by the app's path
	shown                    map[string]bool    // URIs with diagnostics

	pending pending
}

// pending is what the reader tells the worker out of turn.
type pending struct {
	mu        sync.Mutex
	cancels   map[string]context.CancelFunc // of requests that wait or run, by id
	stopCheck context.CancelFunc            // of the check that runs
}

// Serve talks to an editor until it leaves, or ctx ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{
		o: o, out: sender{w: out}, docs: map[string]*document{},
		loaded: map[string]*result{}, known: map[string]*result{}, shown: map[string]bool{},
		pending: pending{cancels: map[string]context.CancelFunc{}},
	}
	queue := make(chan job, 1024)
	failed := make(chan error, 1)
	go func() {
		defer close(queue)
		failed <- s.read(ctx, in, queue)
	}()
	for {
		j, ok, err := s.next(ctx, queue)
		switch {
		case err != nil:
			return err
		case !ok:
			if err := <-failed; err != nil {
				return err
			}
			return ErrNoShutdown
		}
		if err := s.handle(j); err != nil {
			return err
		}
		if s.ended {
			if !s.stopping {
				return ErrNoShutdown
			}
			return nil
		}
	}
}

// next waits for a message. What was changed is checked only while none
// waits: so a burst of keystrokes is one check.
func (s *server) next(ctx context.Context, queue <-chan job) (job, bool, error) {
	for {
		select {
		case j, ok := <-queue:
			return j, ok, nil
		case <-ctx.Done():
			return job{}, false, ctx.Err()
		default:
		}
		if !s.dirty {
			break
		}
		if err := s.publish(ctx, queue); err != nil {
			return job{}, false, err
		}
	}
	select {
	case j, ok := <-queue:
		return j, ok, nil
	case <-ctx.Done():
		return job{}, false, ctx.Err()
	}
}

// job is a message that waits for its turn.
type job struct {
	ctx context.Context
	msg incoming
	bad *wireError // what is wrong with the message itself
}

// read queues what the editor sends. A cancellation does not wait for its turn.
func (s *server) read(ctx context.Context, in io.Reader, queue chan<- job) error {
	r := bufio.NewReader(in)
	for {
		body, err := readMessage(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		j := job{ctx: ctx}
		if err := json.Unmarshal(body, &j.msg); err != nil {
			j.msg = incoming{}
			j.bad = &wireError{codeInvalidRequest, "the message is no request"}
			if !json.Valid(body) {
				j.bad = &wireError{codeParse, "the message is no JSON"}
			}
		}
		if j.msg.Method == "$/cancelRequest" {
			s.pending.cancel(j.msg.Params)
			continue
		}
		if j.msg.isRequest() {
			j.ctx = s.pending.add(ctx, j.msg.ID)
		}
		select {
		case queue <- j:
			s.pending.interrupt()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *pending) add(ctx context.Context, id json.RawMessage) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancels[string(id)] = cancel
	return ctx
}

func (p *pending) cancel(params json.RawMessage) {
	var of struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(params, &of) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel := p.cancels[string(of.ID)]; cancel != nil {
		cancel()
	}
}

func (p *pending) done(id json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel := p.cancels[string(id)]; cancel != nil {
		cancel()
		delete(p.cancels, string(id))
	}
}

// interrupt ends the check that runs: what is asked goes first.
func (p *pending) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopCheck != nil {
		p.stopCheck()
	}
}

func (p *pending) checking(cancel context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopCheck = cancel
}

// handle answers one message. Only a stream that can't be written to is an error.
func (s *server) handle(j job) error {
	if j.bad != nil {
		return s.out.answer(nil, nil, j.bad)
	}
	if j.msg.Method == "" { // an answer, though nothing was asked, or no request
		if j.msg.isRequest() {
			s.pending.done(j.msg.ID)
		}
		return nil
	}
	result, err := s.call(j)
	if !j.msg.isRequest() {
		return nil
	}
	if j.ctx.Err() != nil {
		err = &wireError{codeCancelled, "cancelled"}
	}
	s.pending.done(j.msg.ID)
	return s.out.answer(j.msg.ID, result, err)
}

// call runs the method of a message. A fault of ours is an answer too.
func (s *server) call(j job) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, &wireError{codeInternal, fmt.Sprintf("a fault of flowctl: %v", p)}
		}
	}()
	if j.ctx.Err() != nil {
		return nil, j.ctx.Err()
	}
	m := methods()[j.msg.Method]
	switch {
	case j.msg.Method == "exit":
		s.ended = true
		return nil, nil
	case m == nil:
		return nil, &wireError{codeNoMethod, fmt.Sprintf("there is no method %q", j.msg.Method)}
	case s.stopping:
		return nil, &wireError{codeInvalidRequest, "the server was shut down"}
	case !s.started && j.msg.Method != "initialize":
		return nil, &wireError{codeNotInitialized, "initialize comes first"}
	}
	return m(s, j.ctx, j.msg.Params)
}

type method func(s *server, ctx context.Context, params json.RawMessage) (any, error)

// methods is the table of what is answered.
func methods() map[string]method {
	return map[string]method{
		"initialize":                      (*server).initialize,
		"initialized":                     nothing,
		"shutdown":                        (*server).shutdown,
		"textDocument/didOpen":            with((*server).didOpen),
		"textDocument/didChange":          with((*server).didChange),
		"textDocument/didSave":            with((*server).didSave),
		"textDocument/didClose":           with((*server).didClose),
		"workspace/didChangeWatchedFiles": with((*server).didSave),
		"textDocument/formatting":         with((*server).formatting),
		"textDocument/codeAction":         with((*server).codeActions),
		"textDocument/completion":         with((*server).completion),
		"textDocument/hover":              with((*server).hover),
		"textDocument/definition":         with((*server).definition),
		"textDocument/references":         with((*server).references),
		"textDocument/documentSymbol":     with((*server).symbols),
		"textDocument/prepareRename":      with((*server).prepareRename),
		"textDocument/rename":             with((*server).rename),
	}
}

func nothing(*server, context.Context, json.RawMessage) (any, error) { return nil, nil }

// with reads the parameters of a method.
func with[P any](f func(*server, context.Context, P) (any, error)) method {
	return func(s *server, ctx context.Context, raw json.RawMessage) (any, error) {
		var params P
		if why := misfit(raw, reflect.TypeFor[P](), ""); why != "" {
			return nil, invalidParams(why)
		}
		if err := json.Unmarshal(raw, &params); err != nil {
			return nil, invalidParams("the parameters can't be read: " + err.Error()) // what misfit let through
		}
		return f(s, ctx, params)
	}
}

func (s *server) initialize(context.Context, json.RawMessage) (any, error) {
	if s.started {
		return nil, &wireError{codeInvalidRequest, "the server is initialized already"}
	}
	s.started = true
	return map[string]any{
		"serverInfo":   map[string]any{"name": "flowctl", "version": s.o.Version},
		"capabilities": capabilities(),
	}, nil
}

func capabilities() map[string]any {
	return map[string]any{
		"positionEncoding":           "utf-16",
		"textDocumentSync":           map[string]any{"openClose": true, "change": 2, "save": true},
		"documentFormattingProvider": true,
		"codeActionProvider":         map[string]any{"codeActionKinds": []string{"quickfix"}},
		"completionProvider":         map[string]any{"triggerCharacters": []string{".", "\"", "'", "{", "$", "-"}},
		"hoverProvider":              true,
		"definitionProvider":         true,
		"referencesProvider":         true,
		"documentSymbolProvider":     true,
		"renameProvider":             map[string]any{"prepareProvider": true},
	}
}

func (s *server) shutdown(context.Context, json.RawMessage) (any, error) {
	s.stopping, s.dirty = true, false
	return nil, nil
}
