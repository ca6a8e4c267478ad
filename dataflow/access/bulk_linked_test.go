package access_test

import (
	"fmt"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

// Rows that refer to others that come with them are told, or skipped, for what is
// wrong with them, whichever comes first.
func TestBulkCreateOfRowsThatReferToOneAnother(t *testing.T) {
	up := &dataflow.Type{Kind: dataflow.KindRef}
	node := model("Node", "nodes", clientID(dataflow.KindString), field("name", dataflow.String, unique), field("up", up, opt))
	up.Model = node
	node.Seal()
	a := open(t, node)
	a.want("Node.bulk_create", `{"data": [{"id": "a", "name": "a", "up": "b"}, {"id": "b", "name": "b"}]}`, `{"processed":2,"inserted":2}`)
	a.fails("Node.bulk_create", `{"data": [{"id": "c", "name": "c", "up": "d"}, {"id": "d", "name": "a"}]}`, "unique_violation",
		`/data/1/name unique: another Node has this name`)
	a.fails("Node.bulk_create", `{"data": [{"id": "c", "name": "c", "up": "d"}, {"id": "d", "name": "d", "up": "nowhere"}]}`, "reference_violation",
		`/data/1/up reference: there is no Node with this id`)
	a.want("Node.bulk_create", `{"on_error": "skip", "data": [
		{"id": "c", "name": "c", "up": "d"}, {"id": "d", "name": "d"}, {"id": "e", "name": "a"}, {"id": "f", "name": "f", "up": "f"}]}`,
		`{"processed":4,"inserted":3,"errors":[{"index":2,"code":"unique_violation","message":"another Node has this name","problems":[`+
			`{"code":"unique","pointer":"/data/2/name","detail":"another Node has this name","hint":null}]}]}`)
	a.want("Node.bulk_create", `{"on_error": "skip", "data": [{"id": "g", "name": "g", "up": "h"}, {"id": "h", "name": "a"}]}`,
		`{"processed":2,"inserted":0,"errors":[`+
			`{"index":0,"code":"reference_violation","message":"there is no Node with this id","problems":[{"code":"reference","pointer":"/data/0/up","detail":"there is no Node with this id","hint":null}]},`+
			`{"index":1,"code":"unique_violation","message":"another Node has this name","problems":[{"code":"unique","pointer":"/data/1/name","detail":"another Node has this name","hint":null}]}]}`)
	if n := a.count("Node"); n != 5 {
		t.Errorf("%d rows", n)
	}
	// A long chain, of which each refers to the next, with one at its end that can't be.
	data := ""
	for i := range 3000 {
		data += fmt.Sprintf(`{"id": "x%d", "name": "x%d", "up": "x%d"}, `, i, i, i+1)
	}
	a.want("Node.bulk_create", `{"on_error": "skip", "data": [`+data+`{"id": "x3000", "name": "x3000"}, {"id": "y", "name": "a"}]}`,
		`{"processed":3002,"inserted":3001,"errors":[{"index":3001,"code":"unique_violation","message":"another Node has this name","problems":[`+
			`{"code":"unique","pointer":"/data/3001/name","detail":"another Node has this name","hint":null}]}]}`)
}
