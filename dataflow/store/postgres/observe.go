package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow/store"
)

// started notes that a statement is about to run, and when, if that is asked
// for. Values are never told.
func (s *Store) started(ctx context.Context, sql []byte) time.Time {
	if !s.watch.Asked() {
		return time.Time{}
	}
	return s.watch.Begin(ctx, string(sql))
}

// ended notes a statement that has run.
func (s *Store) ended(ctx context.Context, sql []byte, st store.Statement, began time.Time) {
	if began.IsZero() {
		return
	}
	st.SQL = string(sql)
	s.watch.End(ctx, st, began)
}

// explained is the name of a statement that is only planned.
const explained = "flow_explained"

// explain asks PostgreSQL how it goes about a statement, whatever the values:
// a plan for certain ones would show them.
func (s *Store) explain(ctx context.Context, sql string) (*store.Plan, error) {
	c, err := s.begin(ctx, "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan")
	if err != nil {
		return nil, err
	}
	defer c.put()
	defer c.rollback()
	stmt, err := c.Prepare(ctx, explained, sql, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Deallocate(context.WithoutCancel(ctx), explained) }() // of a connection that is lost, nothing is left
	var text []byte
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", len(stmt.ParamOIDs)), ", ")
	if nulls != "" {
		nulls = " (" + nulls + ")"
	}
	err = c.query(ctx, "EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE "+explained+nulls, nil, func(row [][]byte) { text = append(text, row[0]...) })
	if err != nil {
		return nil, err
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) == 0 {
		return nil, fmt.Errorf("a plan of another form: %w", errors.Join(err))
	}
	plan := &store.Plan{}
	plans[0].Plan.read(plan)
	return plan, nil
}

// planNode is a step of a plan, as EXPLAIN has it.
type planNode struct {
	Type      string     `json:"Node Type"`
	Table     string     `json:"Relation Name"`
	Index     string     `json:"Index Name"`
	Filter    string     `json:"Filter"`
	IndexCond string     `json:"Index Cond"`
	SortKey   []string   `json:"Sort Key"`
	Plans     []planNode `json:"Plans"`
}

// read adds a step and those below it, the last to be run first.
func (n *planNode) read(p *store.Plan) {
	line := n.Type
	if n.Table != "" {
		line += " on " + n.Table
	}
	for _, part := range []struct{ word, text string }{
		{"using ", n.Index}, {"with ", n.IndexCond}, {"filter ", n.Filter}, {"by ", strings.Join(n.SortKey, ", ")},
	} {
		if part.text != "" {
			line += " " + part.word + part.text
		}
	}
	p.Steps = append(p.Steps, line)
	// An index that is walked for its order alone, and what it leads to looked
	// at, is a table that is read.
	if n.Type == "Seq Scan" || n.Table != "" && n.IndexCond == "" && n.Index != "" && n.Filter != "" {
		p.Scans = append(p.Scans, n.Table)
	}
	p.Sorts = p.Sorts || strings.Contains(n.Type, "Sort")
	for i := range n.Plans {
		n.Plans[i].read(p)
	}
}

// Stats implements store.Measured. The server shares commits by itself.
func (s *Store) Stats() store.Stats {
	st := s.pool.Stat()
	return store.Stats{InUse: int(st.AcquiredConns()), Idle: int(st.IdleConns()), Most: int(st.MaxConns()),
		Waits: uint64(st.EmptyAcquireCount()), WaitTime: st.EmptyAcquireWaitTime()}
}
