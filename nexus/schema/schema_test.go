package schema_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/flowctl/flowctl/nexus/schema"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compile(t *testing.T, s *dataflow.Object) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(codec.AppendValue(nil, s)))
	if err != nil {
		t.Fatalf("%v: %s", err, codec.AppendValue(nil, s))
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("s.json")
	if err != nil {
		t.Fatalf("%v: %s", err, codec.AppendValue(nil, s))
	}
	return compiled
}

func fits(t *testing.T, s *jsonschema.Schema, text string) bool {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v) == nil
}

func ptr[T any](v T) *T { return &v }

func field(t *dataflow.Type, set ...func(*dataflow.Field)) *dataflow.Field {
	return apptest.Field("f", t, set...)
}

// A schema and the codec that decides must agree, on what is taken and on
// what is not; and what is taken comes out as the output's schema says.
func TestSchemaAgreesWithTheCodec(t *testing.T) {
	decimal := &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 5, Scale: 2}
	tests := []struct {
		name  string
		field *dataflow.Field
		good  []string
		bad   []string
	}{
		{"str", field(dataflow.String), []string{`""`, `"é"`}, []string{`1`, `null`, `["x"]`}},
		{"bounded str", field(dataflow.String, func(f *dataflow.Field) { f.MinLength, f.MaxLength = ptr(2), ptr(3) }),
			[]string{`"ab"`, `"日本語"`}, []string{`"a"`, `"abcd"`}},
		{"pattern", field(dataflow.String, func(f *dataflow.Field) { f.Pattern = regexp.MustCompile(`^[a-z]+$`) }),
			[]string{`"abc"`}, []string{`"aBc"`, `""`}},
		{"email", field(dataflow.String, apptest.Format("email")), []string{`"ada@example.org"`}, []string{`"ada"`}},
		{"url", field(dataflow.String, apptest.Format("url")), []string{`"https://example.org/a"`}, []string{`"example"`}},
		{"int", field(dataflow.Int), []string{`0`, `-9223372036854775808`}, []string{`1.5`, `"1"`, `true`}},
		{"bounded int", field(dataflow.Int, func(f *dataflow.Field) { f.Ge, f.Lt = int64(1), int64(10) }), []string{`1`, `9`}, []string{`0`, `10`}},
		{"float", field(dataflow.Float, func(f *dataflow.Field) { f.Gt, f.Le = 0.5, 1.5 }), []string{`0.75`, `1.5`, `1`}, []string{`0.5`, `2`, `"1"`}},
		{"bool", field(dataflow.Bool), []string{`true`}, []string{`1`, `"true"`}},
		{"decimal", field(decimal), []string{`"1.5"`, `"-123.45"`, `1`, `0.25`, `"1.5000"`}, []string{`"x"`, `"1234.5"`, `"1.234"`, `true`}},
		{"datetime", field(dataflow.DateTime), []string{`"2026-01-31T12:00:00Z"`, `"2026-01-31T12:00:00.5+01:00"`}, []string{`"2026-01-31"`, `"2026-02-31T12:00:00Z"`, `7`}},
		{"date", field(&dataflow.Type{Kind: dataflow.KindDate}), []string{`"2026-01-31"`}, []string{`"2026-02-31"`, `"31.1.2026"`}},
		{"time", field(&dataflow.Type{Kind: dataflow.KindTime}), []string{`"12:30:00"`, `"12:30:00.5"`}, []string{`"noon"`, `"12:30:00Z"`}},
		{"uuid", field(&dataflow.Type{Kind: dataflow.KindUUID}), []string{`"01890a5d-ac96-774b-bcce-b302099a8057"`}, []string{`"01890a5d"`}},
		{"json", field(dataflow.JSON), []string{`{"a":[1,"x",null]}`, `1`}, nil},
		{"bytes", field(&dataflow.Type{Kind: dataflow.KindBytes}), []string{`"AAE="`}, []string{`1`}},
		{"enum", field(&dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"a", "b"}}), []string{`"a"`}, []string{`"c"`, `null`}},
		{"optional enum", field(&dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"a", "b"}}, apptest.Optional), []string{`"a"`, `null`}, []string{`"c"`}},
		{"list", field(dataflow.ListOf(dataflow.Int), func(f *dataflow.Field) { f.MinLength = ptr(1) }), []string{`[1,2]`}, []string{`[]`, `["x"]`, `1`}},
		{"optional", field(dataflow.Int, apptest.Optional), []string{`1`, `null`}, []string{`"x"`}},
		{"object", field(dataflow.ObjectType(apptest.Field("a", dataflow.Int), apptest.Field("b", dataflow.Int, apptest.Optional))),
			[]string{`{"a":1}`, `{"a":1,"b":null}`}, []string{`{"a":"x"}`, `{"a":1,"c":2}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := compile(t, schema.Builder{}.Field(tt.field))
			out := compile(t, schema.Builder{Output: true}.Field(tt.field))
			for _, text := range tt.good {
				v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
				if len(problems) == 0 {
					v, problems = codec.Coerce(tt.field, v, "")
				}
				if !fits(t, in, text) || len(problems) > 0 {
					t.Errorf("%s: the schema takes it: %v; the codec: %v", text, fits(t, in, text), problems)
					continue
				}
				if sent := codec.AppendValue(nil, v); !fits(t, out, string(sent)) {
					t.Errorf("%s is sent as %s, which does not fit the schema of output", text, sent)
				}
			}
			for _, text := range tt.bad {
				v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
				if len(problems) == 0 {
					_, problems = codec.Coerce(tt.field, v, "")
				}
				if fits(t, in, text) || len(problems) == 0 {
					t.Errorf("%s: the schema takes it: %v; the codec: %v", text, fits(t, in, text), problems)
				}
			}
		})
	}
}

func TestBodiesOfAModel(t *testing.T) {
	db := &dataflow.Database{Name: "db"}
	m := apptest.Model(db, "Item", "items", func(m *dataflow.Model) { m.Versioned, m.SoftDelete, m.Doc = true, true, "A thing." },
		apptest.Field("sku", dataflow.String, apptest.Immutable),
		apptest.Field("stock", dataflow.Int, apptest.Default(int64(1))),
		apptest.Field("note", dataflow.String, apptest.Optional))
	m.Computed = []dataflow.Computed{{Name: "label"}}
	m.Seal()
	b := schema.Builder{}
	for name, tt := range map[string]struct {
		s    *dataflow.Object
		want string
	}{
		"create":  {b.Create(m), `{"type":"object","properties":{"sku":{"type":"string"},"stock":{"type":"integer","format":"int64","default":1},"note":{"type":["string","null"]}},"required":["sku"],"additionalProperties":false}`},
		"replace": {b.Replace(m), `{"type":"object","properties":{"stock":{"type":"integer","format":"int64","default":1},"note":{"type":["string","null"]}},"additionalProperties":false}`},
		"patch":   {b.Patch(m), `{"type":"object","properties":{"stock":{"type":"integer","format":"int64"},"note":{"type":["string","null"]}},"additionalProperties":false}`},
		"row":     {b.Row(m), `{"type":"object","description":"A thing.","properties":{"id":{"type":"integer","format":"int64","readOnly":true},"sku":{"type":"string"},"stock":{"type":"integer","format":"int64"},"note":{"type":["string","null"]},"version":{"type":"integer","format":"int64","readOnly":true},"deleted_at":{"type":["string","null"],"format":"date-time","readOnly":true},"created_at":{"type":"string","format":"date-time","readOnly":true},"updated_at":{"type":"string","format":"date-time","readOnly":true},"label":{"description":"computed from the row whenever it is read","readOnly":true}},"required":["id","sku","stock","note","version","deleted_at","created_at","updated_at","label"],"additionalProperties":false}`},
	} {
		if diff := cmp.Diff(tt.want, string(codec.AppendValue(nil, tt.s))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		compile(t, tt.s)
	}
}

// A type that refers to a row can name its schema or hold it; a row in a row in
// a row ends somewhere.
func TestRecords(t *testing.T) {
	db := &dataflow.Database{Name: "db"}
	m := apptest.Model(db, "Item", "items", nil, apptest.Field("name", dataflow.String))
	s := schema.Builder{Output: true, Ref: func(m *dataflow.Model) string { return "#/components/schemas/" + m.Name }}.Type(dataflow.ListOf(dataflow.RecordOf(m)))
	if got, want := string(codec.AppendValue(nil, s)), `{"type":"array","items":{"$ref":"#/components/schemas/Item"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	optional := apptest.Field("f", dataflow.RecordOf(m), apptest.Optional)
	s = schema.Builder{Output: true, Ref: func(*dataflow.Model) string { return "#/x" }}.Field(optional)
	if got, want := string(codec.AppendValue(nil, s)), `{"anyOf":[{"$ref":"#/x"},{"type":"null"}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	compile(t, schema.Output(dataflow.RecordOf(m)))
}

// Patterns that mean something else to others are left out, not misquoted.
func TestPatternsThatAreNotPortable(t *testing.T) {
	for pattern, want := range map[string]bool{`^a+$`: true, `(?i)^a$`: false, `\pL`: false, `[[:alpha:]]`: false, `\Aa\z`: false} {
		f := field(dataflow.String, func(f *dataflow.Field) { f.Pattern = regexp.MustCompile(pattern) })
		if got := (schema.Builder{}).Field(f).Has("pattern"); got != want {
			t.Errorf("%s is given: %v, want %v", pattern, got, want)
		}
	}
}
