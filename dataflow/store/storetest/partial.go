package storetest

import (
	"fmt"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// PartlyUnique returns models with a field of every type, each with a code
// that is unique among the rows of a condition: a few that are easily got
// wrong, and others at random. A schema of them that was made must be found
// again as it is.
func PartlyUnique(t *testing.T) []*dataflow.Model {
	t.Helper()
	g := newGenerator(t, newShop())
	conditions := []*dataflow.Object{
		dataflow.ObjectOf("b", true),
		dataflow.ObjectOf("b", dataflow.ObjectOf("$ne", false)),
		dataflow.ObjectOf("s", `it's a \ "q" AND b`, "e", "it's"),
		dataflow.ObjectOf("s", dataflow.ObjectOf("$in", []any{`\'`, "?", "$1", "", "\n"})),
		dataflow.ObjectOf("at", dataflow.ObjectOf("$gte", at("2026-01-31T09:30:00.5Z"))),
		dataflow.ObjectOf("i", dataflow.ObjectOf("$in", []any{int64(-1 << 63), int64(-1), int64(1<<63 - 1)})),
		dataflow.ObjectOf("deleted_at", nil),
	}
	var models []*dataflow.Model
	for len(models) < 24 {
		var c *dataflow.Object
		if n := len(models); n < len(conditions) {
			c = conditions[n]
		} else {
			c = g.filter(n % 3)
		}
		m := g.partOf(len(models), c)
		if _, problems := query.ParseIndex(m, c, ""); len(problems) == 0 {
			models = append(models, m)
		}
	}
	return models
}

func (g *generator) partOf(n int, c *dataflow.Object) *dataflow.Model {
	m := &dataflow.Model{Name: fmt.Sprintf("Part%d", n), Table: fmt.Sprintf("parts%d", n), SoftDelete: n%2 == 0,
		Indexes: []dataflow.Index{{Fields: []string{"code"}, Unique: true, Where: c}, {Fields: []string{"s", "code"}, Where: c}}}
	for _, f := range g.shop.thing.Fields {
		if f.Type.Kind != dataflow.KindRef {
			m.Fields = append(m.Fields, &dataflow.Field{Name: f.Name, Type: f.Type, Optional: f.Optional, System: f.System})
		}
	}
	deleted := &dataflow.Field{Name: "deleted_at", Type: dataflow.DateTime, Optional: true}
	if m.SoftDelete {
		deleted.System = dataflow.RoleDeletedAt
	}
	m.Fields = append(m.Fields, &dataflow.Field{Name: "code", Type: dataflow.String}, deleted)
	m.Seal()
	return m
}

// testPartlyUnique holds uniqueness to the meaning that filters have in memory.
func testPartlyUnique(t *testing.T, open Open) {
	db := &dataflow.Database{Name: "db", Models: PartlyUnique(t), Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
	for _, m := range db.Models {
		m.Database = db
	}
	s := open(t, db)
	g := newGenerator(t, newShop())
	for _, m := range db.Models {
		c := m.Indexes[0].Where
		e, problems := query.ParseIndex(m, c, "")
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		taken, refused := false, 0
		for range 12 {
			row := g.part(m)
			among := query.Match(e, func(p query.Path) any { return row[p.Field] }) && !(m.SoftDelete && row[len(row)-1] != nil)
			fields := make([]int, 0, len(row))
			for i := range row[1:] {
				fields = append(fields, i+1)
			}
			err := s.Write(t.Context(), func(tx store.Tx) error {
				_, err := tx.Insert(t.Context(), m, fields, [][]any{row[1:]})
				return err
			})
			what := fmt.Sprintf("%s: a row that it is %v of, where %v is taken", codec.AppendValue(nil, c), among, taken)
			switch {
			case among && taken:
				refused++
				wantAnyFailure(t, err, "unique_violation")
			case err != nil:
				t.Errorf("%s: %v", what, err)
			}
			taken = taken || among
		}
		t.Logf("%s: %d refused", codec.AppendValue(nil, c), refused)
	}
}

// part returns a row of one of PartlyUnique's models.
func (g *generator) part(m *dataflow.Model) []any {
	row := make([]any, len(m.Fields))
	for i, f := range m.Fields[1:] {
		switch f.Name {
		case "code":
			row[i+1] = "x"
		case "deleted_at":
			if g.IntN(3) == 0 {
				row[i+1] = at("2026-01-31T09:30:00Z")
			}
		default:
			v := g.any(g.pool[f.Name])
			if d, ok := v.(dataflow.Decimal); ok {
				v, _ = dataflow.FitDecimal(d, f.Type.Precision, f.Type.Scale)
			}
			row[i+1] = v
		}
	}
	return row
}
