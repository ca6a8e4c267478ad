package mcp

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/schema"
)

// describeWorkflow says what a workflow does, takes and gives.
func describeWorkflow(wf *dataflow.Workflow, out *dataflow.Type, signals []dataflow.Signal, readOnly, durable bool) string {
	var b strings.Builder
	doc := wf.Doc
	if doc == "" {
		doc = "Runs the workflow " + wf.Name + "."
	}
	b.WriteString(sentence(doc))
	switch {
	case durable:
		b.WriteString(" It goes on step by step, and survives a restart.")
	case readOnly:
		b.WriteString(" Changes nothing.")
	default:
		b.WriteString(" All of it happens, or nothing.")
	}
	fields(&b, wf.Input)
	for _, s := range signals {
		b.WriteString("\nWaits for the signal " + s.Name + payloadWords(s.Payload) + ".")
	}
	if names := outNames(out); names != "" {
		b.WriteString("\nReturns {" + names + "}.")
	}
	return b.String()
}

// payloadWords says what has to come with a signal; nil: anything may.
func payloadWords(f *dataflow.Field) string {
	switch {
	case f == nil:
		return ""
	case f.Type.Kind != dataflow.KindObject || f.Type.Fields == nil:
		return ", with " + summary([]*dataflow.Field{f})
	}
	parts := make([]string, len(f.Type.Fields))
	for i, part := range f.Type.Fields {
		if parts[i] = summary([]*dataflow.Field{part}); !part.Required() {
			parts[i] += ", optional"
		}
	}
	return ", with payload {" + strings.Join(parts, "; ") + "}"
}

func outNames(t *dataflow.Type) string {
	if !isObject(t) {
		return ""
	}
	return strings.Join(t.AttrNames(), ", ")
}

// opDocs says what each operation does with rows of a model (%s), and what it
// gives back.
var opDocs = map[dataflow.OpKind]struct{ does, returns string }{
	dataflow.OpCreate:     {"Creates a %s.", "Returns the whole row, with its id."},
	dataflow.OpRead:       {"Reads one %s, by id or by a filter that matches exactly one.", "Returns the row."},
	dataflow.OpUpdate:     {"Changes fields of one %s, found by id or by a filter that matches exactly one.", "Returns the whole row as it is now."},
	dataflow.OpDelete:     {"Deletes one %s, found by id or by a filter that matches exactly one.", "Returns {id, deleted}."},
	dataflow.OpList:       {"Finds %s rows: filtered, sorted, a page at a time.", "Returns {records, count, has_more, next_cursor, truncated}; pass next_cursor as cursor for the next page, and count = true for the total."},
	dataflow.OpUpsert:     {"Changes the %s that where matches, or creates one if there is none.", "Returns {record, created, action}."},
	dataflow.OpCount:      {"Counts the %s rows that match a filter.", "Returns {count}."},
	dataflow.OpAggregate:  {"Works out figures of the %s rows that match a filter: of all of them, or of groups with equal values. Use it instead of adding up a list.", "Returns {groups, count, has_more, truncated}: a group has the fields of group_by and the names of aggregates; {\"group_by\": [\"status\"], \"aggregates\": {\"n\": {\"$count\": true}}} gives {status, n}."},
	dataflow.OpBulkCreate: {"Creates many %s rows at once: all of them, or none unless on_error is \"skip\".", "Returns {processed, inserted, ids}."},
	dataflow.OpBulkUpdate: {"Changes many %s rows at once, by filter, by ids or each by its own id in data.", "Returns {processed, updated, missing}."},
	dataflow.OpBulkDelete: {"Deletes many %s rows at once, by filter or by ids.", "Returns {processed, deleted, missing}."},
	dataflow.OpBulkUpsert: {"Creates or changes many %s rows at once; conflict_on names the fields that tell whether a row is there.", "Returns {processed, upserted}."},
}

// describeOp says what an operation of an exposed model does, takes and gives.
func describeOp(exp *dataflow.Exposure, op dataflow.OpKind, params []*dataflow.Field) string {
	m, doc := exp.Model, opDocs[op]
	var b strings.Builder
	fmt.Fprintf(&b, doc.does, m.Name)
	if m.Doc != "" {
		b.WriteString(" " + m.Name + ": " + sentence(m.Doc))
	}
	if (op == dataflow.OpDelete || op == dataflow.OpBulkDelete) && m.SoftDelete {
		b.WriteString(" The row is kept, hidden from reads that do not ask for it.")
	}
	switch op {
	case dataflow.OpCreate:
		fields(&b, params)
	case dataflow.OpUpdate, dataflow.OpBulkUpdate:
		b.WriteString("\nFields that can change: " + summary(schema.Writable(m, true)) + ".")
		if m.Versioned && op == dataflow.OpUpdate {
			b.WriteString("\nPass version as you read it, so as not to overwrite another's change.")
		}
	case dataflow.OpUpsert, dataflow.OpBulkCreate, dataflow.OpBulkUpsert:
		b.WriteString("\nA row:")
		fields(&b, schema.Writable(m, false))
	default:
		b.WriteString("\nFields: " + summary(m.Fields) + ".")
	}
	b.WriteString("\n" + doc.returns)
	return b.String()
}

// fields lists what must and what may be given.
func fields(b *strings.Builder, fs []*dataflow.Field) {
	var required, optional []*dataflow.Field
	for _, f := range fs {
		if f.Required() {
			required = append(required, f)
		} else {
			optional = append(optional, f)
		}
	}
	if len(required) > 0 {
		b.WriteString("\nRequired: " + summary(required) + ".")
	}
	if len(optional) > 0 {
		b.WriteString("\nOptional: " + summary(optional) + ".")
	}
}

func summary(fs []*dataflow.Field) string {
	parts := make([]string, len(fs))
	for i, f := range fs {
		parts[i] = f.Name + " (" + typeWords(f) + ")"
	}
	return strings.Join(parts, ", ")
}

func typeWords(f *dataflow.Field) string {
	s := f.Type.String()
	switch f.Type.Kind {
	case dataflow.KindRef:
		s = "id of a " + f.Type.Model.Name
	case dataflow.KindEnum:
		s = "one of " + strings.Join(f.Type.Values, ", ")
	}
	if f.HasDefault && f.Default != nil {
		s += "; default " + strings.Trim(string(codec.AppendValue(nil, f.Default)), `"`)
	}
	return s
}

func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s != "" && !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "!") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// namedTools is how many tools the instructions name; the list has the rest.
const namedTools = 40

// instruct tells an agent how the app is to be used.
func (v *view) instruct() string {
	var workflows, models, generics []string
	seen := make(map[*dataflow.Exposure]bool)
	runs := false
	for _, t := range v.listed {
		switch t.kind {
		case kindWorkflow:
			workflows = append(workflows, t.name)
		case kindGeneric:
			generics = append(generics, t.name)
		case kindRuns:
			runs = true
		case kindOperation:
			if !seen[t.exposure] {
				seen[t.exposure] = true
				models = append(models, t.exposure.Path+"_{"+strings.Join(v.opsOf(t.exposure), ",")+"}")
			}
		}
	}
	var b strings.Builder
	b.WriteString("The app " + v.server.o.Name + ".")
	if len(workflows) > 0 {
		b.WriteString("\nWorkflows, which are the app's own ways of doing things and come first: " + some(workflows) + ".")
	}
	switch {
	case len(models) > 0:
		b.WriteString("\nTables: " + some(models) + ".")
	case len(generics) > 0:
		b.WriteString("\nTables: " + some(v.modelNames()) + "; describe_models says what is in them, and " + strings.Join(generics[min(1, len(generics)-1):], ", ") + " take the name of one as model.")
	}
	if runs {
		b.WriteString("\nRuns of durable workflows go on by themselves; get_run shows one, and list_runs finds it.")
	}
	b.WriteString("\nEach call is one transaction. A result with isError says in code, message, problems and hint what to correct; nothing has then been changed." +
		"\nDecimals are strings (\"12.50\"), datetimes are UTC (2006-01-02T15:04:05Z).")
	if len(models) > 0 || len(generics) > 0 {
		b.WriteString("\nFilters: {\"status\": \"new\", \"total\": {\"$gte\": 10}, \"$or\": [{…}, {…}]}, with $eq $ne $gt $gte $lt $lte $in $nin $like $ilike $contains $startswith $endswith $regex $exists $null $between, and \"customer.email\" through a reference. Sort: \"-created_at\".")
	}
	return b.String()
}

// opsOf names the operations of a model that a view lists.
func (v *view) opsOf(exp *dataflow.Exposure) []string {
	var ops []string
	for _, t := range v.listed {
		if t.kind == kindOperation && t.exposure == exp {
			ops = append(ops, t.op.String())
		}
	}
	return ops
}

func (v *view) modelNames() []string {
	var names []string
	for _, exp := range v.server.engine.App().Exposures {
		names = append(names, exp.Model.Name)
	}
	return names
}

func some(names []string) string {
	if len(names) <= namedTools {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:namedTools], ", "), len(names)-namedTools)
}
