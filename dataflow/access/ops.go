package access

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

type (
	readOp  func(*Model, context.Context, store.Reader, Caller, *dataflow.Object) (any, error)
	writeOp func(*Model, context.Context, store.Tx, Caller, *dataflow.Object) (any, error)
)

// opInfo is all there is to an operation: what it takes, gives and does.
type opInfo struct {
	doc    string // %s is the model's name
	params func(m *dataflow.Model) []*dataflow.Field
	output func(m *dataflow.Model) *dataflow.Type
	read   readOp  // of an operation that does not write
	write  writeOp // of one that does
}

// opTable is the table of operations, by dataflow.OpKind.
var opTable = [...]opInfo{
	dataflow.OpCreate: {
		doc:    "Adds one %s and returns it.",
		params: createParams, output: dataflow.RecordOf, write: (*Model).doCreate,
	},
	dataflow.OpRead: {
		doc:    "Returns one %s: the one with this id, or the only one that matches the filter.",
		params: readParams, output: dataflow.RecordOf, read: (*Model).doRead,
	},
	dataflow.OpUpdate: {
		doc:    "Changes some fields of one %s and returns it whole.",
		params: updateParams, output: dataflow.RecordOf, write: (*Model).doUpdate,
	},
	dataflow.OpDelete: {
		doc:    "Removes one %s.",
		params: deleteParams, output: deleteOutput, write: (*Model).doDelete,
	},
	dataflow.OpList: {
		doc:    "Returns a page of the %s rows that match the filter, in order.",
		params: listParams, output: listOutput, read: (*Model).doList,
	},
	dataflow.OpUpsert: {
		doc:    "Changes the one %s that matches where, or adds it if there is none.",
		params: upsertParams, output: upsertOutput, write: (*Model).doUpsert,
	},
	dataflow.OpCount: {
		doc:    "Counts the %s rows that match the filter.",
		params: countParams, output: countOutput, read: (*Model).doCount,
	},
	dataflow.OpAggregate: {
		doc:    "Works out figures of the %s rows that match the filter: of all of them, or of groups with equal values.",
		params: aggregateParams, output: aggregateOutput, read: (*Model).doAggregate,
	},
	dataflow.OpBulkCreate: {
		doc:    "Adds many %s rows, all of them or none unless on_error is \"skip\".",
		params: bulkCreateParams, output: bulkOutput("inserted", true), write: (*Model).doBulkCreate,
	},
	dataflow.OpBulkUpdate: {
		doc:    "Changes the %s rows that match a filter or have these ids, all of them or none.",
		params: bulkUpdateParams, output: bulkOutput("updated", false), write: (*Model).doBulkUpdate,
	},
	dataflow.OpBulkDelete: {
		doc:    "Removes the %s rows that match a filter or have these ids, all of them or none.",
		params: bulkDeleteParams, output: bulkOutput("deleted", false), write: (*Model).doBulkDelete,
	},
	dataflow.OpBulkUpsert: {
		doc:    "Adds many %s rows, or changes those that are there already.",
		params: bulkUpsertParams, output: bulkUpsertOutput, write: (*Model).doBulkUpsert,
	},
}
