package mcp

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
)

// DefaultMaxAnswer bounds what an agent is given of rows at once, in bytes,
// where Options do not: some 16,000 tokens.
const DefaultMaxAnswer = 64 << 10

// read runs an operation that changes nothing. What is too large for an answer
// is cut where a row ends, so that the next page begins with the row after it.
func (s *Server) read(ctx context.Context, m *dataflow.Model, op dataflow.OpKind, c access.Caller, args *dataflow.Object) (answer, error) {
	if err := s.countOperation(ctx, c, m, op); err != nil {
		return answer{}, err
	}
	model, st := s.engine.Model(m), s.engine.Store(m.Database)
	list := rowsOf(op)
	if list != "" && !args.Has("limit") {
		args = with(args, "limit", int64(listLimit))
	}
	a := answer{}
	do := func(r store.Reader, args *dataflow.Object) (any, error) {
		if op == dataflow.OpList {
			return model.ListText(ctx, r, c, args)
		}
		return model.Do(ctx, r, c, op, args)
	}
	err := st.Snapshot(ctx, func(r store.Reader) error {
		v, err := do(r, args)
		if err != nil {
			return err
		}
		a = answer{text: codec.AppendValue(nil, v)}
		if len(a.text) <= s.o.MaxAnswer {
			return nil
		}
		fits := 0
		if list != "" {
			fits = s.fitting(v, list)
		}
		if fits == 0 {
			return s.tooLarge(m, list, len(a.text))
		}
		// The same snapshot gives the same rows, and the cursor after the last of them.
		if v, err = do(r, with(args, "limit", int64(fits))); err != nil {
			return err
		}
		a = answer{text: codec.AppendValue(nil, v), truncated: true}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	if list != "" {
		a.text = appendFlag(a.text, "truncated", a.truncated)
	}
	return a, nil
}

// rowsOf is where the result of an operation has its rows; "" if it has none.
func rowsOf(op dataflow.OpKind) string {
	switch op {
	case dataflow.OpList:
		return "records"
	case dataflow.OpAggregate:
		return "groups"
	}
	return ""
}

// fitting is how many of a result's rows fit into an answer.
func (s *Server) fitting(v any, list string) int {
	o, _ := v.(*dataflow.Object)
	rows, _ := o.Get(list)
	if text, ok := rows.(dataflow.RawJSON); ok {
		rows, _ = codec.ParseJSON([]byte(text), codec.MaxDepth)
	}
	all, _ := rows.([]any)
	const rest = 512 // what is around the rows
	size, buf := rest, []byte(nil)
	for i, row := range all {
		buf = codec.AppendValue(buf[:0], row)
		if size += len(buf) + 1; size > s.o.MaxAnswer {
			return i
		}
	}
	return len(all)
}

func (s *Server) tooLarge(m *dataflow.Model, list string, size int) error {
	what := "the row"
	if list != "" {
		what = "a single row of the answer"
	}
	return &dataflow.Error{Code: "answer_too_large", Status: dataflow.StatusRejected, Model: m.Name,
		Message: what + " is larger than an answer may be",
		Hint:    "ask for some of its fields alone, as fields: [\"" + m.Fields[0].Name + "\"]"}
}

// with returns arguments with another value for one of them.
func with(args *dataflow.Object, name string, v any) *dataflow.Object {
	args = args.Clone()
	args.Set(name, v)
	return args
}

// appendFlag adds a member to an object's text.
func appendFlag(text []byte, name string, on bool) []byte {
	text = comma(text[:len(text)-1])
	text = codec.AppendString(text, name)
	if on {
		return append(text, ":true}"...)
	}
	return append(text, ":false}"...)
}
