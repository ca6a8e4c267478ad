package access_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

// stock is what the operations of TestRandomOperations should have come to: the
// rows by their ids, and the rules in the plainest words.
type stock struct {
	owners map[string]string // id to name
	items  map[string]item
}

type item struct {
	sku, owner, price, state string // owner and price may be "", which is null
	qty, version             int
}

func quoteOr(s, null string) string {
	if s == "" {
		return null
	}
	return strconv.Quote(s)
}

// rows is what a list of all items gives.
func (s *stock) rows(keep func(item) bool) string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(s.items)) {
		if i := s.items[id]; keep(i) {
			list = append(list, fmt.Sprintf(`{"id":%q,"sku":%q,"owner":%s,"price":%s,"qty":%d,"state":%q,"version":%d}`,
				id, i.sku, quoteOr(i.owner, "null"), quoteOr(i.price, "null"), i.qty, i.state, i.version))
		}
	}
	return "[" + strings.Join(list, ",") + "]"
}

func (s *stock) skuTaken(sku, by string) bool {
	for id, i := range s.items {
		if i.sku == sku && id != by {
			return true
		}
	}
	return false
}

// refused says by which codes a row may be refused: none if it is taken.
func (s *stock) refused(id string, i item, fresh bool) (codes []string) {
	if _, there := s.items[id]; fresh && there || s.skuTaken(i.sku, id) {
		codes = append(codes, "unique_violation")
	}
	if _, there := s.owners[i.owner]; i.owner != "" && !there {
		codes = append(codes, "reference_violation")
	}
	return codes
}

// TestRandomOperations does random operations on both engines and in the
// plainest of models, and finds the same rows and refusals in all three.
func TestRandomOperations(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomOperations(t, rand.New(rand.NewPCG(seed, 3)), 200) })
	}
}

func randomOperations(t *testing.T, rnd *rand.Rand, steps int) {
	owner := model("Owner", "owners", clientID(dataflow.KindString), field("name", dataflow.String, unique))
	a := open(t, owner, model("Item", "items", clientID(dataflow.KindString), field("sku", dataflow.String, unique),
		field("owner", ref(owner), opt, func(f *dataflow.Field) { f.OnDelete = "cascade" }), field("price", money(), opt), field("qty", dataflow.Int, def(int64(1))),
		field("state", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"new", "it's", "old"}}, def("new")), versioned))
	s := &stock{map[string]string{}, map[string]item{}}
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	id := func() string { return pick("a", "b", "c", "d", "é", "f'", "g", "") + pick("1", "2", "3") }
	someOwner := func() string { return pick("", "", "x", "y", "z") }
	random := func() item {
		return item{sku: pick("s1", "s2", "s3", "s4", "S1", "s 5", "s6", "s7", "s8"), owner: someOwner(), price: pick("", "0.00", "1.50", "-2.25", "9999999999.99"),
			state: pick("new", "it's", "old"), qty: rnd.IntN(5) - 1, version: 1}
	}
	body := func(i item) string {
		return fmt.Sprintf(`"sku": %q, "owner": %s, "price": %s, "qty": %d, "state": %q`, i.sku, quoteOr(i.owner, "null"), quoteOr(i.price, "null"), i.qty, i.state)
	}
	// expect does an operation and holds its end to one of the codes; none is success.
	expect := func(op, args string, codes []string) bool {
		t.Helper()
		_, err := a.try(op, args)
		switch {
		case err == nil && len(codes) > 0:
			t.Fatalf("%s %s succeeded, want %v", op, args, codes)
		case err != nil && !slices.Contains(codes, dataflow.AsError(err).Code):
			t.Fatalf("%s %s: %v, want %v", op, args, err, codes)
		}
		return err == nil
	}
	for range steps {
		switch rnd.IntN(11) {
		case 0:
			o, name := pick("x", "y", "z"), pick("ann", "bob", "cid")
			var codes []string
			if _, there := s.owners[o]; there || slices.Contains(slices.Collect(maps.Values(s.owners)), name) {
				codes = []string{"unique_violation"}
			}
			if expect("Owner.create", fmt.Sprintf(`{"id": %q, "name": %q}`, o, name), codes) {
				s.owners[o] = name
			}
		case 1:
			o := pick("x", "y", "z")
			_, there := s.owners[o]
			if expect("Owner.delete", fmt.Sprintf(`{"id": %q}`, o), unless(there, "not_found")) {
				delete(s.owners, o)
				maps.DeleteFunc(s.items, func(_ string, i item) bool { return i.owner == o })
			}
		case 2, 3:
			n, i := id(), random()
			if expect("Item.create", fmt.Sprintf(`{"id": %q, %s}`, n, body(i)), s.refused(n, i, true)) {
				s.items[n] = i
			}
		case 4:
			n, i := id(), random()
			old, there := s.items[n]
			codes := unless(there, "not_found", "reference_violation", "unique_violation")
			if there {
				codes = s.refused(n, i, false)
			}
			if expect("Item.update", fmt.Sprintf(`{"id": %q, "fields": {%s}}`, n, body(i)), codes) {
				i.version = old.version + 1
				s.items[n] = i
			}
		case 5:
			n := id()
			_, there := s.items[n]
			if expect("Item.delete", fmt.Sprintf(`{"id": %q}`, n), unless(there, "not_found")) {
				delete(s.items, n)
			}
		case 6:
			n, i := id(), random()
			var old string
			for k, v := range s.items {
				if v.sku == i.sku {
					old = k
				}
			}
			args := fmt.Sprintf(`{"where": {"sku": %q}, "create": {"id": %q, %s}, "update": {"qty": %d}}`, i.sku, n, body(i), i.qty+100)
			if old != "" {
				if expect("Item.upsert", args, nil) {
					was := s.items[old]
					was.qty, was.version = i.qty+100, was.version+1
					s.items[old] = was
				}
			} else if expect("Item.upsert", args, s.refused(n, i, true)) {
				s.items[n] = i
			}
		case 7: // all, or none
			after := &stock{s.owners, maps.Clone(s.items)}
			var data, codes []string
			for range 3 {
				n, i := id(), random()
				codes = append(codes, after.refused(n, i, true)...)
				after.items[n] = i
				data = append(data, fmt.Sprintf(`{"id": %q, %s}`, n, body(i)))
			}
			if expect("Item.bulk_create", `{"data": [`+strings.Join(data, ", ")+`]}`, codes) {
				s.items = after.items
			}
		case 8:
			filter, keep := s.filter(rnd)
			i := random()
			_, there := s.owners[i.owner]
			args := fmt.Sprintf(`{"filter": %s, "fields": {"owner": %s, "price": %s, "state": %q}, "confirm_all": true}`, filter, quoteOr(i.owner, "null"), quoteOr(i.price, "null"), i.state)
			any := slices.ContainsFunc(slices.Collect(maps.Values(s.items)), keep)
			var codes []string
			if i.owner != "" && !there && any {
				codes = []string{"reference_violation"}
			}
			if i.owner != "" && !there && !any {
				continue // whether nobody's reference is looked at is nobody's concern
			}
			if expect("Item.bulk_update", args, codes) {
				for n, old := range s.items {
					if keep(old) {
						old.owner, old.price, old.state, old.version = i.owner, i.price, i.state, old.version+1
						s.items[n] = old
					}
				}
			}
		case 9:
			filter, keep := s.filter(rnd)
			if rnd.IntN(3) > 0 {
				continue // so that there are rows
			}
			if expect("Item.bulk_delete", `{"filter": `+filter+`, "confirm_all": true}`, nil) {
				maps.DeleteFunc(s.items, func(_ string, i item) bool { return keep(i) })
			}
		case 10:
			filter, keep := s.filter(rnd)
			a.holds(filter, s.rows(keep))
		}
		a.holds("{}", s.rows(func(item) bool { return true }))
	}
}

func unless(fine bool, codes ...string) []string {
	if fine {
		return nil
	}
	return codes
}

// holds compares a list of items with what it should be.
func (a *app) holds(filter, want string) {
	a.t.Helper()
	got := a.do("Item.list", `{"filter": `+filter+`, "fields": ["sku", "owner", "price", "qty", "state", "version"], "sort": "id", "limit": 100}`)
	if !strings.Contains(got, `"records":`+want+`,`) {
		a.t.Fatalf("%s gives\n%s\nwant\n%s", filter, got, want)
	}
}

// filter makes a filter, and says what it lets through.
func (s *stock) filter(rnd *rand.Rand) (string, func(item) bool) {
	n := rnd.IntN(4)
	switch rnd.IntN(7) {
	case 0:
		return fmt.Sprintf(`{"qty": {"$gte": %d}}`, n), func(i item) bool { return i.qty >= n }
	case 1:
		return `{"state": {"$in": ["it's", "old"]}, "owner": null}`, func(i item) bool { return i.state != "new" && i.owner == "" }
	case 2:
		return `{"owner.name": "ann"}`, func(i item) bool { return i.owner != "" && s.owners[i.owner] == "ann" }
	case 3:
		return `{"price": {"$lt": "1.00"}}`, func(i item) bool { return i.price == "0.00" || i.price == "-2.25" }
	case 4:
		return `{"$not": {"price": {"$lt": "1.00"}}}`, func(i item) bool { return i.price != "0.00" && i.price != "-2.25" }
	case 5:
		return fmt.Sprintf(`{"$or": [{"sku": {"$startswith": "s"}, "qty": %d}, {"owner": "x"}]}`, n), func(i item) bool { return i.sku[0] == 's' && i.qty == n || i.owner == "x" }
	default:
		return `{"sku": {"$ilike": "S1"}}`, func(i item) bool { return i.sku == "s1" || i.sku == "S1" }
	}
}
