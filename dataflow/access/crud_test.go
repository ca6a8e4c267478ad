package access_test

import (
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

func note(options ...option) *dataflow.Model {
	return model("Note", "notes", append([]option{
		field("title", dataflow.String),
		field("body", dataflow.String, opt),
		field("stars", dataflow.Int, def(int64(3))),
	}, options...)...)
}

func TestCreateFillsInDefaultsAndSystemFields(t *testing.T) {
	a := open(t, note(versioned))
	a.want("Note.create", `{"title": "a"}`,
		`{"id":1,"title":"a","body":null,"stars":3,"version":1,"created_at":"`+at("00.000000")+`","updated_at":"`+at("00.000000")+`"}`)
}

func TestCreateReportsEveryProblemAtOnce(t *testing.T) {
	a := open(t, note())
	a.fails("Note.create", `{"titel": "x", "stars": "many", "id": 9, "created_at": 5}`, "invalid",
		`/titel unknown_field: there is no field "titel" [did you mean "title"?]`,
		`/stars wrong_type: must be a whole number, not a string`,
		`/id read_only: "id" is written by the runtime [leave it out]`,
		`/created_at read_only: "created_at" is written by the runtime [leave it out]`,
		`/title required: "title" is required`)
	if n := a.count("Note"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestTextIsStoredAsGiven(t *testing.T) {
	a := open(t, note())
	for _, text := range []string{
		`'); drop table notes; --`, `<b>&amp;</b>`, "  a\r\n\tb  ", `${input.x}`, `null`, `007`, `😀é`, `%_\`, ``,
	} {
		v, err := a.try("Note.create", string(dataflowJSON(dataflow.ObjectOf("title", text))))
		if err != nil {
			t.Fatal(err)
		}
		id, _ := v.(*dataflow.Object).Get("id")
		row, err := a.try("Note.read", string(dataflowJSON(dataflow.ObjectOf("id", id))))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := row.(*dataflow.Object).Get("title"); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestMoneyIsExactAndIntegersAre64Bit(t *testing.T) {
	big := &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 38, Scale: 4}
	a := open(t, model("P", "ps", field("price", money()), field("n", dataflow.Int), field("big", big)))
	a.do("P.create", `{"price": 0.1, "n": 9007199254740993, "big": "1234567890123456789012345678901234.5678"}`)
	a.want("P.read", `{"id": 1, "fields": ["price", "n", "big"]}`,
		`{"id":1,"price":"0.10","n":9007199254740993,"big":"1234567890123456789012345678901234.5678"}`)
	a.fails("P.create", `{"price": 0.105, "n": 9223372036854775808, "big": 1}`, "invalid",
		`/price precision: must have at most 2 digits after the point [round it first: nothing is rounded silently]`,
		`/n too_large: must be within the range of 64-bit whole numbers`)
}

func TestEveryTypeComesBackAsItWent(t *testing.T) {
	k := func(k dataflow.Kind) *dataflow.Type { return &dataflow.Type{Kind: k} }
	a := open(t, model("T", "ts",
		field("f", dataflow.Float), field("b", dataflow.Bool), field("at", dataflow.DateTime),
		field("d", k(dataflow.KindDate)), field("t", k(dataflow.KindTime)), field("u", k(dataflow.KindUUID)),
		field("j", dataflow.JSON), field("x", k(dataflow.KindBytes)),
		field("e", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"a", "b"}}),
		field("l", dataflow.ListOf(money()))))
	a.do("T.create", `{"f": 0.1, "b": true, "at": "2026-01-31T12:00:00+02:00", "d": "2024-02-29", "t": "08:30",
		"u": "01890A5D-AC96-774B-BCCE-B302099A8057", "j": {"b": [1, 2.50, null], "a": "x"}, "x": "AP8=", "e": "b", "l": ["1", 2.5]}`)
	want := `{"id":1,"f":0.1,"b":true,"at":"2026-01-31T10:00:00.000000Z","d":"2024-02-29","t":"08:30:00",` +
		`"u":"01890a5d-ac96-774b-bcce-b302099a8057","j":{"b":[1,2.5,null],"a":"x"},"x":"AP8=","e":"b","l":["1.00","2.50"],` +
		`"created_at":"` + at("00.000000") + `","updated_at":"` + at("00.000000") + `"}`
	a.want("T.read", `{"id": 1}`, want)
	if got := a.getJSON("T", int64(1)); got != want {
		t.Error(got)
	}
}

func TestReadFindsOneRow(t *testing.T) {
	a := open(t, note())
	a.do("Note.create", `{"title": "a"}`)
	a.do("Note.create", `{"title": "b"}`)
	a.do("Note.create", `{"title": "b", "stars": 1}`)
	a.want("Note.read", `{"filter": {"title": "a"}, "fields": ["title"]}`, `{"id":1,"title":"a"}`)
	a.want("Note.read", `{"id": 2, "fields": ["stars", "title"], "filter": null}`, `{"id":2,"title":"b","stars":3}`)
	a.fails("Note.read", `{"id": 99}`, "not_found")
	a.fails("Note.read", `{"filter": {"title": "c"}}`, "not_found")
	a.fails("Note.read", `{"filter": {"title": "b"}}`, "ambiguous")
	a.fails("Note.read", `{}`, "invalid", `/id required: an id or a filter is required`)
	a.fails("Note.read", `{"filter": {}}`, "invalid", `/filter required: an empty filter picks no row out [name the row by its id or by values it has]`)
	a.fails("Note.read", `{"id": "one", "fileds": []}`, "invalid",
		`/id wrong_type: must be a whole number, not a string`,
		`/fileds unknown_parameter: read has no such parameter [did you mean "fields"?]`)
	a.fails("Note.delete", `{"filter": 1}`, "invalid", `/filter wrong_type: must be an object, not a number`)
}

func TestUpdateChangesOnlyWhatItNames(t *testing.T) {
	a := open(t, note(versioned))
	a.do("Note.create", `{"title": "a", "body": "long"}`)
	a.now = a.now.Add(time.Second)
	want := `{"id":1,"title":"b","body":"long","stars":3,"version":2,"created_at":"` + at("00.000000") + `","updated_at":"` + at("01.000000") + `"}`
	a.want("Note.update", `{"id": 1, "fields": {"title": "b"}}`, want)
	a.want("Note.read", `{"id": 1}`, want)
	a.want("Note.update", `{"filter": {"title": "b"}, "fields": {"body": null}}`,
		`{"id":1,"title":"b","body":null,"stars":3,"version":3,"created_at":"`+at("00.000000")+`","updated_at":"`+at("01.000001")+`"}`)
}

func TestUpdateReportsEveryProblemAtOnce(t *testing.T) {
	a := open(t, note(field("code", dataflow.String, immutable)))
	a.do("Note.create", `{"title": "a", "code": "x"}`)
	a.fails("Note.update", `{"id": 1, "fields": {"title": null, "strs": 1, "id": 2, "updated_at": "x", "code": "y"}}`, "invalid",
		`/fields/title null: must be a string, not null`,
		`/fields/strs unknown_field: there is no field "strs" [did you mean "stars"?]`,
		`/fields/id read_only: "id" is written by the runtime [leave it out]`,
		`/fields/updated_at read_only: "updated_at" is written by the runtime [leave it out]`,
		`/fields/code immutable: "code" is fixed once the row is created [leave it out]`)
	a.fails("Note.update", `{"id": 2, "fields": {"title": "b"}}`, "not_found")
	a.fails("Note.update", `{"id": 1}`, "invalid", `/fields required: "fields" is required`)
}

func TestUpdateTakesTheSameValueOfAnImmutableField(t *testing.T) {
	a := open(t, note(field("code", money(), immutable)))
	a.do("Note.create", `{"title": "a", "code": "1.50"}`)
	a.want("Note.update", `{"id": 1, "fields": {"code": 1.5, "stars": 4}}`,
		`{"id":1,"title":"a","body":null,"stars":4,"code":"1.50","created_at":"`+at("00.000000")+`","updated_at":"`+at("00.000001")+`"}`)
}

// The clock of this test stands still, as a coarse one does between ticks.
func TestUpdatedAtMovesHoweverCoarseTheClock(t *testing.T) {
	a := open(t, note())
	a.do("Note.create", `{"title": "a"}`)
	last := ""
	for range 3 {
		now := a.do("Note.update", `{"id": 1, "fields": {"title": "b"}}`)
		if now <= last {
			t.Errorf("%s is not after %s", now, last)
		}
		last = now
	}
}

// As when the program starts again after its machine's clock was set right.
func TestUpdatedAtMovesThoughTheClockGoesBack(t *testing.T) {
	a := open(t, note())
	a.do("Note.create", `{"title": "a"}`)
	a.now = a.now.Add(-time.Hour)
	a.models["Note"] = access.New(a.models["Note"].Declared(), a.options())
	a.want("Note.update", `{"id": 1, "fields": {"title": "c"}}`,
		`{"id":1,"title":"c","body":null,"stars":3,"created_at":"`+at("00.000000")+`","updated_at":"`+at("00.000001")+`"}`)
}

// A clock that was a day ahead for a while leaves the times of that while wrong,
// and no others.
func TestTimesGoBackWithTheClock(t *testing.T) {
	a := open(t, note())
	const fields = `"fields": ["id", "created_at", "updated_at"]`
	right := a.now
	a.now = right.Add(24 * time.Hour)
	a.do("Note.create", `{"title": "ahead"}`)
	a.now = right
	a.do("Note.create", `{"title": "right"}`)
	a.want("Note.read", `{"id": 2, `+fields+`}`, `{"id":2,"created_at":"`+at("00.000000")+`","updated_at":"`+at("00.000000")+`"}`)
	a.now = right.Add(-time.Second) // which is put right by and by
	a.do("Note.create", `{"title": "after"}`)
	a.want("Note.read", `{"id": 3, `+fields+`}`, `{"id":3,"created_at":"`+at("00.000001")+`","updated_at":"`+at("00.000001")+`"}`)
}

func TestUpdateOfNothingChangesNothing(t *testing.T) {
	a := open(t, note(versioned))
	before := a.do("Note.create", `{"title": "a"}`)
	a.want("Note.update", `{"id": 1, "fields": {}}`, before)
}

func TestVersionsGuardAgainstLostUpdates(t *testing.T) {
	a := open(t, note(versioned))
	a.do("Note.create", `{"title": "a"}`)
	a.do("Note.update", `{"id": 1, "fields": {"title": "b"}, "version": 1}`)
	a.fails("Note.update", `{"id": 1, "fields": {"title": "c"}, "version": 1}`, "version_mismatch")
	a.fails("Note.delete", `{"id": 1, "version": 1}`, "version_mismatch")
	a.want("Note.read", `{"id": 1, "fields": ["title", "version"]}`, `{"id":1,"title":"b","version":2}`)
	a.want("Note.delete", `{"id": 1, "version": 2}`, `{"id":1,"deleted":true}`)
	b := open(t, note())
	b.do("Note.create", `{"title": "a"}`)
	b.fails("Note.update", `{"id": 1, "fields": {"title": "c"}, "version": 1}`, "invalid",
		`/version unknown_parameter: update has no such parameter [there are id, filter, fields]`)
}

func TestDeleteRemovesOneRow(t *testing.T) {
	a := open(t, note())
	a.do("Note.create", `{"title": "a"}`)
	a.do("Note.create", `{"title": "b"}`)
	a.want("Note.delete", `{"id": 1}`, `{"id":1,"deleted":true}`)
	a.fails("Note.delete", `{"id": 1}`, "not_found")
	a.fails("Note.delete", `{"filter": {"title": {"$gt": "zz"}}}`, "not_found")
	a.want("Note.delete", `{"filter": {"title": "b"}}`, `{"id":2,"deleted":true}`)
	if n := a.count("Note"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestSoftDeleteKeepsTheRow(t *testing.T) {
	a := open(t, note(softDelete, versioned))
	a.do("Note.create", `{"title": "a"}`)
	a.do("Note.create", `{"title": "b"}`)
	a.want("Note.delete", `{"id": 1}`, `{"id":1,"deleted":true}`)
	if n := a.count("Note"); n != 2 {
		t.Errorf("%d rows", n)
	}
	a.fails("Note.read", `{"id": 1}`, "not_found")
	a.fails("Note.update", `{"id": 1, "fields": {"title": "x"}}`, "not_found")
	a.fails("Note.delete", `{"id": 1}`, "not_found")
	a.want("Note.count", `{}`, `{"count":1}`)
	a.want("Note.count", `{"include_deleted": true}`, `{"count":2}`)
	a.want("Note.list", `{"fields": ["title"]}`, list(`{"id":2,"title":"b"}`))
	a.want("Note.list", `{"fields": ["title", "version", "deleted_at"], "include_deleted": true}`,
		list(`{"id":1,"title":"a","version":2,"deleted_at":"`+at("00.000002")+`"}`, `{"id":2,"title":"b","version":1,"deleted_at":null}`))
	a.want("Note.bulk_update", `{"confirm_all": true, "fields": {"stars": 0}}`, `{"processed":1,"updated":1}`)
	a.want("Note.bulk_delete", `{"confirm_all": true}`, `{"processed":1,"deleted":1}`)
	if _, err := a.get("Note", int64(1)); dataflow.AsError(err).Code != "not_found" {
		t.Error(err)
	}
	if n := a.count("Note"); n != 2 {
		t.Errorf("%d rows", n)
	}
}

func TestIDsThatCallersGive(t *testing.T) {
	str := open(t, model("S", "ss", clientID(dataflow.KindString), field("a", dataflow.Int)))
	str.do("S.create", `{"id": "x/1", "a": 1}`)
	str.fails("S.create", `{"a": 1}`, "invalid", `/id required: "id" is required`)
	str.fails("S.create", `{"id": "x/1", "a": 1}`, "unique_violation", `/id unique: another S has this id`)
	str.want("S.read", `{"id": "x/1", "fields": ["a"]}`, `{"id":"x/1","a":1}`)

	uuid := open(t, model("U", "us", clientID(dataflow.KindUUID), field("a", dataflow.Int)))
	uuid.want("U.create", `{"a": 1}`, `{"id":"01890a5d-ac96-774b-bcce-000000000001","a":1,"created_at":"`+at("00.000000")+`","updated_at":"`+at("00.000000")+`"}`)
	uuid.do("U.create", `{"id": "01890A5D-AC96-774B-BCCE-000000000009", "a": 1}`)
	uuid.do("U.read", `{"id": "01890a5d-ac96-774b-bcce-000000000009"}`)

	num := open(t, model("I", "is", clientID(dataflow.KindInt), field("a", dataflow.Int)))
	num.do("I.create", `{"id": 7, "a": 1}`)
	num.want("I.create", `{"a": 2}`, `{"id":8,"a":2,"created_at":"`+at("00.000001")+`","updated_at":"`+at("00.000001")+`"}`)
	num.fails("I.update", `{"id": 7, "fields": {"id": 9}}`, "invalid", `/fields/id read_only: "id" is written by the runtime [leave it out]`)
}

func TestUniqueViolationNamesTheField(t *testing.T) {
	a := open(t, model("C", "cs", field("email", dataflow.String, unique)))
	a.do("C.create", `{"email": "a"}`)
	a.do("C.create", `{"email": "b"}`)
	a.fails("C.create", `{"email": "a"}`, "unique_violation", `/email unique: another C has this email`)
	a.fails("C.update", `{"id": 2, "fields": {"email": "a"}}`, "unique_violation", `/fields/email unique: another C has this email`)
}

func TestFieldsNamedLikeSQLWork(t *testing.T) {
	a := open(t, model("Order", "order", field("select", dataflow.String), field("group", dataflow.Int)))
	a.do("Order.create", `{"select": "x", "group": 1}`)
	a.want("Order.list", `{"filter": {"group": 1}, "sort": "-select", "fields": ["select"]}`, list(`{"id":1,"select":"x"}`))
	a.fails("Order.list", `{"filter": {"1=1; --": 1}}`, "invalid", `/filter/1=1; -- unknown_field: Order has no field "1=1; --" [there are id, select, group, created_at, updated_at]`)
}
