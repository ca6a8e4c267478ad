package access_test

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func TestHooksChangeRows(t *testing.T) {
	slug := fn(func(row *dataflow.Object) (any, error) {
		return dataflow.ObjectOf("body", strings.ToLower(get(row, "title").(string))), nil
	})
	a := open(t, note(beforeCreate(slug), beforeUpdate(slug)))
	a.want("Note.create", `{"title": "ABC"}`, `{"id":1,"title":"ABC","body":"abc","stars":3`+stamps)
	a.want("Note.update", `{"id": 1, "fields": {"title": "XY"}}`,
		`{"id":1,"title":"XY","body":"xy","stars":3,"created_at":"`+at("00.000000")+`","updated_at":"`+at("00.000001")+`"}`)
	a.want("Note.read", `{"id": 1, "fields": ["body"]}`, `{"id":1,"body":"xy"}`)
}

func TestHooksMayReturnTheWholeRow(t *testing.T) {
	same := fn(func(row *dataflow.Object) (any, error) {
		next := row.Clone()
		next.Set("stars", int64(9))
		return next, nil
	})
	a := open(t, note(beforeCreate(same)))
	a.want("Note.create", `{"title": "a"}`, `{"id":1,"title":"a","body":null,"stars":9`+stamps)
}

func TestWhatHooksReturnIsHeldToTheFields(t *testing.T) {
	for _, c := range []struct {
		returns any
		code    string
		problem []string
	}{
		{"text", "function_failed", nil},
		{dataflow.ObjectOf("titel", "x"), "function_failed", nil},
		{dataflow.ObjectOf("created_at", "x"), "function_failed", nil},
		{dataflow.ObjectOf("stars", "x"), "invalid", []string{"/stars wrong_type: must be a whole number, not a string"}},
	} {
		a := open(t, note(beforeCreate(func(*dataflow.Object) (any, error) { return c.returns, nil })))
		a.fails("Note.create", `{"title": "a"}`, c.code, c.problem...)
	}
	a := open(t, note(beforeDelete(func(*dataflow.Object) (any, error) { return dataflow.NewObject(), nil })))
	a.do("Note.create", `{"title": "a"}`)
	a.fails("Note.delete", `{"id": 1}`, "function_failed")
	a = open(t, note(beforeCreate(func(*dataflow.Object) (any, error) { return nil, rejected("no") })))
	a.fails("Note.create", `{"title": "a"}`, "rejected")
}

func TestValidateIsHeardInAllItsForms(t *testing.T) {
	for _, c := range []struct {
		returns  any
		problems []string
	}{
		{nil, nil}, {"", nil}, {[]any{}, nil}, {dataflow.NewObject(), nil}, {dataflow.ObjectOf("title", nil), nil},
		{"bad", []string{" rule: bad"}},
		{[]any{"bad", "worse"}, []string{" rule: bad", " rule: worse"}},
		{dataflow.ObjectOf("title", "too dull", "other", "?"), []string{"/title rule: too dull", " rule: ?"}},
		{dataflow.ObjectOf("title", []any{"a", "b"}), []string{"/title rule: a", "/title rule: b"}},
	} {
		a := open(t, note(validate(func(*dataflow.Object) (any, error) { return c.returns, nil })))
		if c.problems == nil {
			a.do("Note.create", `{"title": "a"}`)
			continue
		}
		a.fails("Note.create", `{"title": "a"}`, "invalid", c.problems...)
	}
	a := open(t, note(validate(func(*dataflow.Object) (any, error) { return false, nil })))
	a.fails("Note.create", `{"title": "a"}`, "function_failed")
}

func TestValidateSeesTheWholeRowOnUpdate(t *testing.T) {
	a := open(t, note(validate(func(row *dataflow.Object) (any, error) {
		if get(row, "title") == "short" && get(row, "stars").(int64) > 3 {
			return dataflow.ObjectOf("stars", "too many for a short one"), nil
		}
		return nil, nil
	})))
	a.do("Note.create", `{"title": "short"}`)
	a.fails("Note.update", `{"id": 1, "fields": {"stars": 4}}`, "invalid", `/fields/stars rule: too many for a short one`)
	a.fails("Note.bulk_update", `{"confirm_all": true, "fields": {"stars": 4}}`, "invalid", `/fields/stars rule: too many for a short one`)
	a.fails("Note.bulk_create", `{"data": [{"title": "x"}, {"title": "short", "stars": 4}]}`, "invalid", `/data/1/stars rule: too many for a short one`)
	a.do("Note.update", `{"id": 1, "fields": {"stars": 4, "title": "long"}}`)
}

func TestComputedValuesAreOnEveryRow(t *testing.T) {
	a := open(t, note(
		computed("double", func(row *dataflow.Object) (any, error) { return get(row, "stars").(int64) * 2, nil }),
		computed("self", func(row *dataflow.Object) (any, error) { return dataflow.ObjectOf("t", get(row, "title")), nil }),
	))
	tail := `,"double":6,"self":{"t":"a"}}`
	one := `{"id":1,"title":"a","body":null,"stars":3` + strings.TrimSuffix(stamps, "}") + tail
	a.want("Note.create", `{"title": "a"}`, one)
	a.want("Note.read", `{"id": 1}`, one)
	a.want("Note.list", `{}`, list(one))
	a.want("Note.upsert", `{"where": {"title": "a"}}`, `{"record":`+one+`,"created":false,"action":"unchanged"}`)
	if got := a.getJSON("Note", int64(1)); got != one {
		t.Error(got)
	}
	a.want("Note.read", `{"id": 1, "fields": ["double"]}`, `{"id":1,"double":6}`)
	a.want("Note.read", `{"id": 1, "fields": ["stars"]}`, `{"id":1,"stars":3}`)
	if got := a.do("Note.update", `{"id": 1, "fields": {"stars": 4}}`); !strings.Contains(got, `"double":8`) {
		t.Error(got)
	}
	a.fails("Note.create", `{"title": "a", "double": 4}`, "invalid", `/double read_only: "double" is worked out by the app and can't be set [leave it out]`)
}

// A function that returns its row must not make a value that contains itself.
func TestComputedValueMayBeTheRow(t *testing.T) {
	a := open(t, note(computed("me", func(row *dataflow.Object) (any, error) { return row, nil })))
	plain := `{"id":1,"title":"a","body":null,"stars":3` + stamps
	a.want("Note.create", `{"title": "a"}`, strings.TrimSuffix(plain, "}")+`,"me":`+plain+`}`)
}

func shop(t *testing.T, options ...option) *app {
	c := customer(append([]option{multiTenant}, options...)...)
	o := model("Order", "orders", field("customer", ref(c), opt, func(f *dataflow.Field) { f.OnDelete = "restrict" }),
		field("n", dataflow.Int), multiTenant)
	return open(t, c, o)
}

func TestTenantsDontSeeEachOther(t *testing.T) {
	base := shop(t)
	a, b := base.as("a"), base.as("b")
	a.do("Customer.create", `{"email": "x", "name": "A"}`)
	b.do("Customer.create", `{"email": "x", "name": "B"}`) // unique within the tenant
	a.want("Customer.list", `{"fields": ["name", "tenant_id"]}`, list(`{"id":1,"name":"A","tenant_id":"a"}`))
	b.want("Customer.count", `{}`, `{"count":1}`)
	b.fails("Customer.read", `{"id": 1}`, "not_found")
	b.fails("Customer.read", `{"filter": {"name": "A"}}`, "not_found")
	b.fails("Customer.read", `{"filter": {"$or": [{"name": "A"}, {"tenant_id": "a"}]}}`, "not_found")
	b.fails("Customer.update", `{"id": 1, "fields": {"name": "X"}}`, "not_found")
	b.fails("Customer.delete", `{"id": 1}`, "not_found")
	b.want("Customer.bulk_delete", `{"ids": [1]}`, `{"processed":0,"deleted":0,"missing":[1]}`)
	b.want("Customer.bulk_update", `{"ids": [1], "fields": {"name": "X"}}`, `{"processed":0,"updated":0,"missing":[1]}`)
	b.want("Customer.bulk_update", `{"confirm_all": true, "fields": {"visits": 8}}`, `{"processed":1,"updated":1}`)
	b.want("Customer.bulk_update", `{"data": [{"id": 1, "name": "X"}]}`, `{"processed":0,"updated":0,"missing":[1]}`)
	if got := b.do("Customer.upsert", `{"where": {"email": "x"}, "create": {"name": "new"}, "update": {"visits": 9}}`); !strings.HasPrefix(got, `{"record":{"id":2,`) {
		t.Error(got)
	}
	b.want("Customer.bulk_upsert", `{"conflict_on": ["email"], "data": [{"email": "x", "name": "BB"}, {"email": "y", "name": "Y"}]}`,
		`{"processed":2,"upserted":2,"inserted":1,"updated":1}`)
	if _, err := b.get("Customer", int64(1)); dataflow.AsError(err).Code != "not_found" {
		t.Error(err)
	}
	if _, err := b.get("Customer", int64(1), 1); dataflow.AsError(err).Code != "not_found" {
		t.Error(err)
	}
	b.want("Customer.bulk_delete", `{"confirm_all": true}`, `{"processed":2,"deleted":2}`)
	a.want("Customer.list", `{"fields": ["name", "visits"]}`, list(`{"id":1,"name":"A","visits":1}`))
	a.fails("Customer.create", `{"email": "z", "name": "Z", "tenant_id": "b"}`, "invalid", `/tenant_id read_only: "tenant_id" is written by the runtime [leave it out]`)
	a.fails("Customer.update", `{"id": 1, "fields": {"tenant_id": "b"}}`, "invalid", `/fields/tenant_id read_only: "tenant_id" is written by the runtime [leave it out]`)
}

func TestTenantMustBeKnown(t *testing.T) {
	a := shop(t)
	for op, args := range map[string]string{
		"create": `{"email": "a", "name": "b"}`, "read": `{"id": 1}`, "update": `{"id": 1, "fields": {"name": "x"}}`, "delete": `{"id": 1}`,
		"list": `{}`, "count": `{}`, "upsert": `{"where": {"email": "a"}, "create": {"name": "b"}}`, "bulk_create": `{"data": [{"email": "a", "name": "b"}]}`,
		"bulk_update": `{"ids": [1], "fields": {"name": "x"}}`, "bulk_delete": `{"ids": []}`, "bulk_upsert": `{"data": [{"email": "a", "name": "b"}], "conflict_on": ["email"]}`,
	} {
		a.fails("Customer."+op, args, "tenant_required")
	}
	if _, err := a.get("Customer", int64(1)); dataflow.AsError(err).Code != "tenant_required" {
		t.Error(err)
	}
}

func TestReferencesStayInsideTheTenant(t *testing.T) {
	base := shop(t).alone() // on PostgreSQL a row that is refused has used up its id
	a, b := base.as("a"), base.as("b")
	a.do("Customer.create", `{"email": "x", "name": "A"}`)
	gone := func(pointer string) string { return pointer + " reference: there is no Customer with this id" }
	b.fails("Order.create", `{"customer": 1, "n": 1}`, "reference_violation", gone("/customer"))
	b.fails("Order.create", `{"customer": 99, "n": 1}`, "reference_violation", gone("/customer"))
	b.fails("Order.bulk_create", `{"data": [{"n": 1}, {"customer": 1, "n": 1}]}`, "reference_violation", gone("/data/1/customer"))
	b.do("Order.create", `{"n": 1}`)
	b.fails("Order.update", `{"id": 1, "fields": {"customer": 1}}`, "reference_violation", gone("/fields/customer"))
	b.fails("Order.bulk_update", `{"ids": [1], "fields": {"customer": 1}}`, "reference_violation", gone("/fields/customer"))
	a.do("Order.create", `{"customer": 1, "n": 1}`)
	b.want("Order.count", `{"filter": {"customer.name": "A"}}`, `{"count":0}`)
}

func TestReferencesToSoftDeletedRowsAreRefused(t *testing.T) {
	c := customer(softDelete)
	a := open(t, c, model("Order", "orders", field("customer", ref(c)), field("n", dataflow.Int)))
	a.do("Customer.create", `{"email": "x", "name": "A"}`)
	a.do("Order.create", `{"customer": 1, "n": 1}`)
	a.do("Customer.delete", `{"id": 1}`)
	a.fails("Order.create", `{"customer": 1, "n": 1}`, "reference_violation", "/customer reference: there is no Customer with this id")
	a.do("Order.update", `{"id": 1, "fields": {"n": 2}}`)
}

func TestReferencesAreKept(t *testing.T) {
	c := customer()
	a := open(t, c, model("Order", "orders", field("customer", ref(c), func(f *dataflow.Field) { f.OnDelete = "restrict" })))
	a.do("Customer.create", `{"email": "x", "name": "A"}`)
	a.do("Order.create", `{"customer": 1}`)
	for op, args := range map[string]string{"Customer.delete": `{"id": 1}`, "Order.create": `{"customer": 2}`} {
		if _, err := a.try(op, args); dataflow.AsError(err).Code != "reference_violation" || dataflow.AsError(err).Status != dataflow.StatusConflict {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestAuditLogTellsEveryChange(t *testing.T) {
	a := open(t, note(auditLog, softDelete))
	a.caller.User = dataflow.ObjectOf("id", "ada")
	a.do("Note.create", `{"title": "a"}`)
	a.do("Note.update", `{"id": 1, "fields": {"title": "b"}}`)
	a.do("Note.bulk_create", `{"data": [{"title": "c"}, {"title": "d"}]}`)
	a.do("Note.bulk_update", `{"ids": [2, 3], "fields": {"stars": 1}}`)
	a.do("Note.delete", `{"id": 1}`)
	a.fails("Note.bulk_create", `{"data": [{"title": "e"}, {"title": 5}]}`, "invalid", "/data/1/title wrong_type: must be a string, not a number")
	var got []string
	for _, row := range a.audit() {
		title := func(name string) string {
			raw, ok := get(row, name).(dataflow.RawJSON)
			if !ok {
				return "-"
			}
			_, rest, _ := strings.Cut(string(raw), `"title":"`)
			return rest[:1]
		}
		got = append(got, get(row, "model").(string)+" "+get(row, "row").(string)+" "+get(row, "action").(string)+" "+title("before")+title("after")+" "+get(row, "user").(string))
	}
	want := []string{
		"Note 1 create -a ada", "Note 1 update ab ada", "Note 2 create -c ada", "Note 3 create -d ada",
		"Note 2 update cc ada", "Note 3 update dd ada", "Note 1 delete bb ada",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAuditLogGoesWithItsTransaction(t *testing.T) {
	a := open(t, note(auditLog, field("u", dataflow.String, unique)))
	a.do("Note.create", `{"title": "a", "u": "x"}`)
	a.fails("Note.create", `{"title": "b", "u": "x"}`, "unique_violation", "/u unique: another Note has this u")
	a.do("Note.bulk_create", `{"on_error": "skip", "data": [{"title": "c", "u": "y"}, {"title": "d", "u": "x"}]}`)
	a.do("Note.delete", `{"id": 1}`)
	if n := len(a.audit()); n != 3 {
		t.Errorf("%d entries", n)
	}
}
