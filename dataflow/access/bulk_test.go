package access_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

func TestBulkCreateTakesEachRowsOwnFieldsAndDefaults(t *testing.T) {
	a := open(t, customer())
	a.want("Customer.bulk_create", `{"data": [{"email": "a", "name": "A"}, {"visits": 5, "name": "B", "email": "b"}], "return_ids": true}`,
		`{"processed":2,"inserted":2,"ids":[1,2]}`)
	a.want("Customer.list", `{"fields": ["email", "name", "visits"]}`,
		list(`{"id":1,"email":"a","name":"A","visits":1}`, `{"id":2,"email":"b","name":"B","visits":5}`))
	a.want("Customer.bulk_create", `{"data": []}`, `{"processed":0,"inserted":0}`)
}

func TestBulkCreateIsAllOrNothing(t *testing.T) {
	a := open(t, customer())
	a.do("Customer.create", `{"email": "taken", "name": "x"}`)
	a.fails("Customer.bulk_create", `{"data": [{"email": "a", "name": "A"}, {"email": "b", "nam": 1}, {"id": 4, "email": "c", "name": "C"}]}`, "invalid",
		`/data/1/nam unknown_field: there is no field "nam" [did you mean "name"?]`,
		`/data/1/name required: "name" is required`,
		`/data/2/id read_only: "id" is written by the runtime [leave it out]`)
	a.fails("Customer.bulk_create", `{"data": [{"email": "a", "name": "A"}, {"email": "taken", "name": "B"}]}`, "unique_violation",
		`/data/1/email unique: another Customer has this email`)
	a.fails("Customer.bulk_create", `{"data": [{"email": "a", "name": "A"}, {"email": "a", "name": "B"}]}`, "unique_violation",
		`/data/1/email unique: another Customer has this email`)
	a.fails("Customer.bulk_create", `{"data": {}}`, "invalid", `/data wrong_type: must be a list, not an object`)
	a.fails("Customer.bulk_create", `{"data": [1], "on_error": "ignore"}`, "invalid",
		`/data/0 wrong_type: must be an object, not a number`,
		`/on_error not_in_enum: "ignore" is not one of "fail", "skip"`)
	if n := a.count("Customer"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestBulkCreateSkipsAndReports(t *testing.T) {
	a := open(t, customer()).alone() // on PostgreSQL a row that is refused has used up its id
	a.want("Customer.bulk_create", `{"on_error": "skip", "return_ids": true, "data": [
		{"email": "a", "name": "A"}, {"email": "a", "name": "again"}, {"email": "c"}, {"email": "d", "name": "D"}]}`,
		`{"processed":4,"inserted":2,"ids":[1,2],"errors":[`+
			`{"index":1,"code":"unique_violation","message":"another Customer has this email","problems":[{"code":"unique","pointer":"/data/1/email","detail":"another Customer has this email","hint":null}]},`+
			`{"index":2,"code":"invalid","message":"the input has a problem","problems":[{"code":"required","pointer":"/data/2/name","detail":"\"name\" is required","hint":null}]}]}`)
	if n := a.count("Customer"); n != 2 {
		t.Errorf("%d rows", n)
	}
	a.want("Customer.bulk_create", `{"on_error": "skip", "data": [{"email": "z", "name": "Z"}]}`, `{"processed":1,"inserted":1,"errors":[]}`)
}

func TestTextThatNoDatabaseKeepsIsWrongWithItsRow(t *testing.T) {
	a := open(t, customer()).alone()
	a.fails("Customer.bulk_create", `{"data": [{"email": "a\u0000", "name": "A"}, {"email": "b", "nam": "\u0000"}]}`, "invalid",
		`/data/0/email format: must not hold the character U+0000`,
		`/data/1/nam unknown_field: there is no field "nam" [did you mean "name"?]`,
		`/data/1/name required: "name" is required`)
	a.want("Customer.bulk_create", `{"on_error": "skip", "data": [{"email": "a\u0000", "name": "A"}, {"email": "b", "name": "B"}]}`,
		`{"processed":2,"inserted":1,"errors":[{"index":0,"code":"invalid","message":"the input has a problem","problems":[`+
			`{"code":"format","pointer":"/data/0/email","detail":"must not hold the character U+0000","hint":null}]}]}`)
	a.fails("Customer.upsert", `{"where": {"email": "c\u0000"}, "create": {"name": "\u0000", "visits": "x"}}`, "invalid",
		`/where/email format: must not hold the character U+0000`,
		`/create/name format: must not hold the character U+0000`,
		`/create/visits wrong_type: must be a whole number, not a string`)
}

func TestBulkCreateKeepsTheOrderOfIDs(t *testing.T) {
	a := open(t, model("I", "is", clientID(dataflow.KindInt), field("a", dataflow.Int)))
	a.want("I.bulk_create", `{"return_ids": true, "data": [{"a": 1}, {"id": 40, "a": 2}, {"a": 3}, {"id": 50, "a": 4}]}`,
		`{"processed":4,"inserted":4,"ids":[51,40,52,50]}`)
}

func TestBulkUpdateTouchesEveryRowThatMatches(t *testing.T) {
	a := open(t, note(versioned))
	var rows []string
	for i := range 1203 {
		rows = append(rows, fmt.Sprintf(`{"title": "t%d", "stars": %d}`, i, i%2))
	}
	a.do("Note.bulk_create", `{"data": [`+strings.Join(rows, ",")+`]}`)
	a.want("Note.bulk_update", `{"filter": {"stars": 1}, "fields": {"body": "x"}}`, `{"processed":601,"updated":601}`)
	a.want("Note.count", `{"filter": {"body": "x", "version": 2, "updated_at": {"$gte": "`+at("00.001203")+`"}}}`, `{"count":601}`)
	a.want("Note.count", `{"filter": {"body": null, "version": 1, "updated_at": {"$lt": "`+at("00.001203")+`"}}}`, `{"count":602}`)
	var all []string
	for i := range 1300 {
		all = append(all, fmt.Sprint(i+1))
	}
	got := a.do("Note.bulk_update", `{"ids": [`+strings.Join(all, ",")+`], "fields": {"body": "y"}}`)
	if !strings.HasPrefix(got, `{"processed":1203,"updated":1203,"missing":[1204,1205,`) {
		t.Error(got)
	}
	a.want("Note.count", `{"filter": {"body": "y"}}`, `{"count":1203}`)
}

func TestBulkWritesOfEverythingMustBeConfirmed(t *testing.T) {
	a := open(t, note())
	a.do("Note.bulk_create", `{"data": [{"title": "a"}, {"title": "b"}]}`)
	for _, args := range []string{`{}`, `{"filter": {}}`, `{"filter": null, "ids": null}`, `{"confirm_all": false}`} {
		a.fails("Note.bulk_delete", args, "confirm_required")
	}
	a.fails("Note.bulk_update", `{"fields": {"stars": 1}}`, "confirm_required")
	a.want("Note.bulk_delete", `{"ids": []}`, `{"processed":0,"deleted":0,"missing":[]}`)
	a.want("Note.bulk_update", `{"ids": [], "fields": {"stars": 1}}`, `{"processed":0,"updated":0,"missing":[]}`)
	if n := a.count("Note"); n != 2 {
		t.Fatalf("%d rows", n)
	}
	a.want("Note.bulk_update", `{"fields": {"stars": 1}, "confirm_all": true}`, `{"processed":2,"updated":2}`)
	a.want("Note.bulk_delete", `{"confirm_all": true}`, `{"processed":2,"deleted":2}`)
}

func TestBulkDeleteByIDsDeletesThoseOnly(t *testing.T) {
	a := open(t, note())
	a.do("Note.bulk_create", `{"data": [{"title": "a"}, {"title": "b"}, {"title": "c"}]}`)
	a.want("Note.bulk_delete", `{"ids": [1, 3, 9, 3]}`, `{"processed":2,"deleted":2,"missing":[9]}`)
	a.want("Note.list", `{"fields": ["title"]}`, list(`{"id":2,"title":"b"}`))
	a.fails("Note.bulk_delete", `{"ids": [2], "filter": {"title": "b"}}`, "invalid", `/filter unknown_parameter: can't go with ids [give one of them]`)
}

func TestBulkUpdateOfRowsWithTheirOwnValues(t *testing.T) {
	a := open(t, note())
	a.do("Note.bulk_create", `{"data": [{"title": "a"}, {"title": "b"}, {"title": "c"}]}`)
	a.want("Note.bulk_update", `{"data": [{"id": 1, "title": "A"}, {"id": 3, "stars": 0}, {"id": 9, "stars": 0}]}`,
		`{"processed":2,"updated":2,"missing":[9]}`)
	a.want("Note.list", `{"fields": ["title", "stars"]}`,
		list(`{"id":1,"title":"A","stars":3}`, `{"id":2,"title":"b","stars":3}`, `{"id":3,"title":"c","stars":0}`))
	a.fails("Note.bulk_update", `{"data": [{"title": "A"}, {"id": 1, "stars": "x"}], "fields": {}}`, "invalid",
		`/fields unknown_parameter: can't go with data [give one of them]`,
		`/data/0/id required: each row must give its id`,
		`/data/1/stars wrong_type: must be a whole number, not a string`)
	a.fails("Note.bulk_update", `{"ids": [1]}`, "invalid", `/fields required: "fields" (or "data") is required`)
	a.fails("Note.bulk_update", `{"ids": [1], "fields": {}}`, "invalid", `/fields required: there is nothing to change [name at least one field]`)
}

func TestBulkWritesRunHooksOnEachRow(t *testing.T) {
	seen := 0
	mark := fn(func(row *dataflow.Object) (any, error) {
		seen++
		if title := get(row, "title"); title == "no" {
			return nil, rejected("not this one")
		}
		return dataflow.ObjectOf("body", fmt.Sprintf("saw %v %v", get(row, "title"), get(row, "stars"))), nil
	})
	keep := fn(func(row *dataflow.Object) (any, error) {
		if get(row, "stars") == int64(5) {
			return nil, rejected("five stars stay")
		}
		return nil, nil
	})
	a := open(t, note(beforeUpdate(mark), beforeDelete(keep)))
	a.do("Note.bulk_create", `{"data": [{"title": "a"}, {"title": "b"}, {"title": "no"}]}`)
	a.want("Note.bulk_update", `{"ids": [1, 2, 8], "fields": {"stars": 5}}`, `{"processed":2,"updated":2,"missing":[8]}`)
	a.want("Note.list", `{"fields": ["body"], "filter": {"stars": 5}}`, list(`{"id":1,"body":"saw a 5"}`, `{"id":2,"body":"saw b 5"}`))
	a.fails("Note.bulk_update", `{"confirm_all": true, "fields": {"stars": 0}}`, "rejected")
	a.want("Note.count", `{"filter": {"stars": 5}}`, `{"count":2}`)
	a.fails("Note.bulk_delete", `{"confirm_all": true}`, "rejected")
	a.want("Note.bulk_delete", `{"ids": [3]}`, `{"processed":1,"deleted":1,"missing":[]}`)
	if n := a.count("Note"); n != 2 || seen == 0 {
		t.Errorf("%d rows, %d calls", n, seen)
	}
}

func TestBulkWritesFromOutsideHaveABoundOfRows(t *testing.T) {
	a := open(t, model("N", "ns", clientID(dataflow.KindInt), field("a", dataflow.Int, opt))).alone()
	outside := *a
	outside.caller.Ruled = true
	data := func(n int) string {
		return `{"data": [` + strings.Repeat(`{},`, n-1) + `{}]}`
	}
	for op, args := range map[string]string{"create": "", "upsert": `"conflict_on": ["id"], `, "update": ""} {
		outside.fails("N.bulk_"+op, strings.Replace(data(access.MaxRows+1), "{", "{"+args, 1), "invalid",
			`/data too_long: must have at most 100000 rows, not 100001 [send them in parts, or as a file: an import takes any number]`)
	}
	if testing.Short() {
		return
	}
	outside.want("N.bulk_create", data(access.MaxRows), `{"processed":100000,"inserted":100000}`)
	a.want("N.bulk_create", data(access.MaxRows+1), `{"processed":100001,"inserted":100001}`) // as a workflow's
}

func TestBulkWritesTellOfNoMoreProblemsThanAreRead(t *testing.T) {
	a := open(t, customer())
	rows := strings.Repeat(`{"nam": 1},`, 1999) + `{"nam": 1}`
	_, err := a.try("Customer.bulk_create", `{"data": [`+rows+`]}`)
	e := dataflow.AsError(err)
	if len(e.Problems) != 100 || e.Message != "the input has more than 100 problems, of which 100 are told of" {
		t.Errorf("%d problems: %s", len(e.Problems), e.Message)
	}
	if p := e.Problems[99]; p.Pointer != "/data/33/nam" {
		t.Errorf("the last problem is of %s", p.Pointer)
	}

	v, err := a.try("Customer.bulk_create", `{"on_error": "skip", "data": [`+rows+`]}`)
	if err != nil {
		t.Fatal(err)
	}
	skipped, _ := v.(*dataflow.Object).Get("errors")
	told := 0
	for i, one := range skipped.([]any) {
		index, _ := one.(*dataflow.Object).Get("index")
		problems, _ := one.(*dataflow.Object).Get("problems")
		if index != int64(i) {
			t.Fatalf("row %v is told of as the %d-th", index, i)
		}
		told += len(problems.([]any))
	}
	if len(skipped.([]any)) != 2000 || told != 1000 {
		t.Errorf("%d rows with %d problems are told of", len(skipped.([]any)), told)
	}
}

// TestBulkDeleteCountsWhatWentAlong: rows that were asked for and go along with
// others of them are counted, though they were gone when their statement came.
func TestBulkDeleteCountsWhatWentAlong(t *testing.T) {
	node := model("Node", "nodes", clientID(dataflow.KindInt), func(m *dataflow.Model) {
		m.Fields = append(m.Fields, &dataflow.Field{Name: "up", Type: ref(m), Optional: true, OnDelete: "cascade"})
	})
	a := open(t, node)
	const n = 1200
	var rows, ids []string
	for i := 1; i <= n; i++ {
		row := fmt.Sprintf(`{"id": %d}`, i)
		if i > 1 {
			row = fmt.Sprintf(`{"id": %d, "up": 1}`, i)
		}
		rows, ids = append(rows, row), append(ids, strconv.Itoa(i))
	}
	a.do("Node.bulk_create", `{"data": [`+strings.Join(rows, ",")+`]}`)
	a.want("Node.bulk_delete", `{"ids": [`+strings.Join(ids, ",")+`]}`, `{"processed":1200,"deleted":1200,"missing":[]}`)
}
