package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

var (
	_ store.Allowances      = (*Store)(nil)
	_ store.AllowanceOpener = Opener{}
)

// KeepsAllowances implements store.AllowanceOpener.
func (Opener) KeepsAllowances() {}

// drawSQL draws on allowances. An allowance is one moment, full_at, at which it is
// whole again: each that is taken of it puts that off (GCRA). Rows are locked in
// the order of their ids, so that two who draw on the same ones wait for each
// other and no more; the time is looked at once a row is locked, so that nobody
// goes back before those who had it first. A thousandth of one is given for
// nothing, which is more than what adding moments rounds off. One that is further
// off than an allowance takes to fill was written before the clock was set back:
// there is none left then, and no debt. Nobody waits until the log of the commit
// is on the disk.
const drawSQL = `WITH a AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::float8[], $5::float8[]) AS a ("id", "want", "least", "each", "whole"))
INSERT INTO %[1]s AS l ("id", "full_at", "given", "created_at", "updated_at")
  SELECT "id", n."now" + make_interval(secs => "want" * "each"), "want", n."now", n."now"
  FROM a, (SELECT clock_timestamp() AS "now" OFFSET 0) AS n ORDER BY "id"
ON CONFLICT ("id") DO UPDATE SET ("full_at", "given", "updated_at") = (
  SELECT r."since" + make_interval(secs => g."given" * a."each"), g."given", n."now"
  FROM a,
    LATERAL (SELECT clock_timestamp() AS "now" OFFSET 0) AS n,
    LATERAL (SELECT greatest(least(l."full_at", n."now" + make_interval(secs => a."whole")), n."now") AS "since") AS r,
    LATERAL (SELECT floor((a."whole" - extract(epoch FROM r."since" - n."now")::float8) / a."each" + 0.001)::bigint AS "room") AS f,
    LATERAL (SELECT CASE WHEN f."room" < a."least" THEN 0 ELSE least(a."want", f."room") END AS "given") AS g
  WHERE a."id" = l."id")
RETURNING "id", "given", (extract(epoch FROM "full_at" - "updated_at") * 1000000)::bigint, set_config('synchronous_commit', 'off', true)`

// Draw implements store.Allowances.
func (s *Store) Draw(ctx context.Context, m *dataflow.Model, draws []store.Draw) ([]store.Drawn, error) {
	if _, err := s.table(m); err != nil {
		return nil, err
	}
	args, at := drawArgs(draws)
	sql := fmt.Appendf(nil, drawSQL, ident(m.Table))
	drawn := make([]store.Drawn, len(draws))
	err := s.read(ctx, func(r session) error {
		began := s.started(ctx, sql)
		answer, err := r.c.run(ctx, sql, args)
		if err != nil {
			return r.c.toError(ctx, err)
		}
		n := 0
		for answer.NextRow() {
			row := answer.Values()
			if i, ok := at[string(row[0])]; ok && len(row[1]) == 8 && len(row[2]) == 8 {
				drawn[i] = store.Drawn{Given: int(int64(binary.BigEndian.Uint64(row[1]))),
					Owed: time.Duration(binary.BigEndian.Uint64(row[2])) * time.Microsecond}
				n++
			}
		}
		_, err = answer.Close()
		s.ended(ctx, sql, store.Statement{Kind: store.KindUpdate, Model: m}, began)
		if err == nil && n != len(draws) {
			return dataflow.Internal(errors.New("the database has drawn on other allowances than it was asked to"))
		}
		return r.c.toError(ctx, err)
	})
	return drawn, err
}

// drawArgs returns the parameters of drawSQL, and where each id is in draws.
func drawArgs(draws []store.Draw) (args []any, at map[string]int) {
	var lists [5]strings.Builder
	at = make(map[string]int, len(draws))
	for i, d := range draws {
		at[d.ID] = i
		for j, text := range [...]string{
			`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(d.ID) + `"`,
			strconv.Itoa(d.Want), strconv.Itoa(d.Least), float(d.Each), float(d.Each * float64(d.Burst)),
		} {
			if i > 0 {
				lists[j].WriteByte(',')
			}
			lists[j].WriteString(text)
		}
	}
	for i := range lists {
		args = append(args, "{"+lists[i].String()+"}")
	}
	return args, at
}

func float(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// forgetSQL waits for nobody: a row that somebody is drawing on is not whole.
const forgetSQL = `DELETE FROM %[1]s WHERE "id" IN (SELECT "id" FROM %[1]s WHERE "full_at" < clock_timestamp() FOR UPDATE SKIP LOCKED)`

// Forget implements store.Allowances.
func (s *Store) Forget(ctx context.Context, m *dataflow.Model) error {
	if _, err := s.table(m); err != nil {
		return err
	}
	return s.read(ctx, func(r session) error {
		return r.c.toError(ctx, r.c.exec(ctx, fmt.Sprintf(forgetSQL, ident(m.Table))))
	})
}
