package durable

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Source is the text of an app: its files by path, and the one to begin with.
type Source struct {
	Main  string
	Files map[string]string
}

// Hash tells versions of an app apart; "" of the zero Source.
func (s Source) Hash() string {
	if s.Main == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q", s.Main)
	for _, path := range slices.Sorted(maps.Keys(s.Files)) {
		fmt.Fprintf(h, "%q%q", path, s.Files[path])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// version is another version of the app, for runs that began with it.
type version struct {
	runs  *Runs // nil: it can't be made here, and its runs are left to others
	close func()
	tried time.Time // when it was last found that its runs can't be gone on with
}

// itsVersion is what a run waits for whose version of the app can't be made
// where it was to be gone on with.
const itsVersion = "a process that can run its version of the app"

// tryAgain is for how many times the silence of a dead process a version that
// can't be made is left alone. What was in the way may be over by then.
const tryAgain = 7

// keepSource keeps the app's text for runs that begin with it.
func (h *home) keepSource(ctx context.Context, tx store.Tx) error {
	s := h.runs.opts.Source
	id := s.Hash()
	if id == "" {
		return nil
	}
	t := h.tables.versions
	there, err := tx.Get(ctx, t, id, []int{versionID}, func(store.Row) error { return nil })
	if err != nil || there {
		return err
	}
	files := dataflow.NewObject()
	for _, path := range slices.Sorted(maps.Keys(s.Files)) {
		files.Set(path, s.Files[path])
	}
	now := h.now()
	row := []any{id, s.Main, string(appendTyped(nil, files)), now, now}
	err = tx.Savepoint(ctx, func() error {
		_, err := tx.Insert(ctx, t, fields(versionFields), [][]any{row})
		return err
	})
	if e, ok := errors.AsType[*dataflow.Error](err); ok && e.Code == "unique_violation" {
		return nil // another process was faster
	}
	return err
}

// of returns this database as the version of the app that a run began with
// knows it. Nil: that version can't be made here.
func (h *home) of(ctx context.Context, id string) (*home, error) {
	rs := h.runs
	if id == rs.opts.Source.Hash() || rs.opts.Load == nil || id == "" {
		return h, nil
	}
	h.mu.Lock()
	v := h.versions[id]
	h.mu.Unlock()
	if v == nil {
		var err error
		if v, err = h.load(ctx, id); err != nil {
			return nil, err
		}
	}
	if v.runs == nil {
		return nil, nil
	}
	for _, other := range v.runs.homes {
		if other.db.Name == h.db.Name {
			return other, nil
		}
	}
	return nil, nil
}

// load makes another version of the app.
func (h *home) load(ctx context.Context, id string) (*version, error) {
	rs := h.runs
	s, err := h.source(ctx, id)
	if err != nil {
		return nil, err
	}
	v := &version{}
	if s == nil {
		v.tried = time.Now()
	} else {
		e, closer, err := rs.opts.Load(ctx, *s)
		if err == nil {
			o := rs.opts
			o.Source, o.Load, o.Earlier = *s, nil, true
			v.runs, v.close = New(e, o), closer
			for _, other := range v.runs.homes {
				other.front, other.name = h, h.name
			}
		} else {
			v.tried = time.Now()
			rs.opts.Logger.Error("runs of an earlier version of the app can't go on here", "version", id, "error", err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if other := h.versions[id]; other != nil { // made at the same time
		if v.close != nil {
			v.close()
		}
		return other, nil
	}
	h.versions[id] = v
	return v, nil
}

func (h *home) source(ctx context.Context, id string) (*Source, error) {
	t := h.tables.versions
	var s *Source
	var text string
	err := h.store.Select(ctx, &query.Select{Model: t, Where: equal(t, versionID, id), Limit: 1}, func(row store.Row) error {
		s = &Source{Files: map[string]string{}}
		s.Main, _ = row.Value(versionMain).(string)
		text, _ = row.Value(versionFiles).(string)
		return nil
	})
	if s == nil || err != nil {
		return nil, err
	}
	v, err := decode(text)
	if err != nil {
		return nil, err
	}
	if files, ok := v.(*dataflow.Object); ok {
		for path, text := range files.All {
			s.Files[path], _ = text.(string)
		}
	}
	return s, nil
}

// avoid leaves the runs of a version alone for a while: the database is that of
// another one.
func (h *home) avoid(id string) {
	h = h.top()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.versions[id] == nil {
		h.versions[id] = &version{}
	}
	h.versions[id].tried = time.Now()
}

// strange lists the versions whose runs this process can't go on with.
func (h *home) strange() []any {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []any
	for id, v := range h.versions {
		switch {
		case time.Since(v.tried) < tryAgain*h.runs.opts.Silence:
			ids = append(ids, id)
		case v.runs == nil:
			delete(h.versions, id)
		}
	}
	return ids
}
