package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const schema = `CREATE TABLE IF NOT EXISTS products (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	sku TEXT NOT NULL,
	name TEXT NOT NULL,
	price INTEGER NOT NULL CHECK (price >= 0),
	stock INTEGER NOT NULL CHECK (stock >= 0),
	active INTEGER NOT NULL CHECK (active IN (0, 1)),
	created_at TEXT NOT NULL,
	updated_at TEXT NOT NULL,
	version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS products_sku ON products (sku);`

const (
	columns   = `id, sku, name, price, stock, active, created_at, updated_at, version`
	selectOne = `SELECT ` + columns + ` FROM products WHERE id = ?`
	// One more than the page, to know whether there are more.
	selectPage   = `SELECT ` + columns + ` FROM products ORDER BY id LIMIT ? OFFSET ?`
	selectActive = `SELECT ` + columns + ` FROM products WHERE active = ? ORDER BY id DESC LIMIT ? OFFSET ?`
	insertOne    = `INSERT INTO products (sku, name, price, stock, active, created_at, updated_at, version) VALUES (?, ?, ?, ?, ?, ?, ?, 1) RETURNING id`
)

const timeForm = "2006-01-02T15:04:05.000000Z"

// product is a row, and its JSON.
type product struct {
	ID        int64  `json:"id"`
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Price     cents  `json:"price"`
	Stock     int64  `json:"stock"`
	Active    bool   `json:"active"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	Version   int64  `json:"version"`
}

var (
	errNotFound = errors.New("no such product")
	errTaken    = errors.New("the sku is taken")
)

type database struct {
	readers *sqlitex.Pool
	group   *group // nil: each write commits by itself
	mu      sync.Mutex
	writer  *sqlite.Conn
}

func open(path string, careful bool) (*database, error) {
	writer, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	if err := prepare(writer); err != nil {
		return nil, err
	}
	if err := sqlitex.ExecuteScript(writer, schema, nil); err != nil {
		return nil, err
	}
	readers, err := sqlitex.NewPool(path, sqlitex.PoolOptions{
		Flags: sqlite.OpenReadOnly | sqlite.OpenWAL, PoolSize: 4, PrepareConn: prepare,
	})
	if err != nil {
		return nil, err
	}
	db := &database{readers: readers, writer: writer}
	if careful {
		db.group = newGroup(writer)
	}
	return db, nil
}

func prepare(conn *sqlite.Conn) error {
	conn.SetBusyTimeout(5 * time.Second)
	for _, pragma := range []string{`PRAGMA synchronous = FULL`, `PRAGMA foreign_keys = ON`} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return err
		}
	}
	return nil
}

func (db *database) close() error {
	if db.group != nil {
		db.group.stop()
	}
	return errors.Join(db.readers.Close(), db.writer.Close())
}

// read runs f over the rows of a query.
func (db *database) read(ctx context.Context, sql string, f func(*sqlite.Stmt) error, args ...int64) error {
	conn, err := db.readers.Take(ctx)
	if err != nil {
		return err
	}
	defer db.readers.Put(conn)
	stmt, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	for i, a := range args {
		stmt.BindInt64(i+1, a)
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := f(stmt); err != nil {
			return errors.Join(err, stmt.Reset())
		}
	}
}

func scan(s *sqlite.Stmt) product {
	return product{
		ID: s.ColumnInt64(0), SKU: s.ColumnText(1), Name: s.ColumnText(2), Price: cents(s.ColumnInt64(3)),
		Stock: s.ColumnInt64(4), Active: s.ColumnInt64(5) != 0, CreatedAt: s.ColumnText(6), UpdatedAt: s.ColumnText(7), Version: s.ColumnInt64(8),
	}
}

func (db *database) get(ctx context.Context, id int64) (record any, version int64, err error) {
	p, err := db.one(ctx, id)
	return p, p.Version, err
}

func (db *database) one(ctx context.Context, id int64) (p product, err error) {
	err = db.read(ctx, selectOne, func(s *sqlite.Stmt) error { p = scan(s); return nil }, id)
	if err == nil && p.ID == 0 {
		err = errNotFound
	}
	return p, err
}

func (db *database) list(ctx context.Context, q listing) (records any, n int, err error) {
	ps := make([]product, 0, q.limit+1)
	sql, args := selectPage, []int64{q.limit + 1, q.offset}
	if q.active {
		sql, args = selectActive, append([]int64{1}, args...)
	}
	err = db.read(ctx, sql, func(s *sqlite.Stmt) error { ps = append(ps, scan(s)); return nil }, args...)
	return ps[:min(len(ps), int(q.limit))], len(ps), err
}

// create adds a product and fills in its id and times.
func (db *database) create(ctx context.Context, p *product) (record any, err error) {
	err = db.add(ctx, p)
	return *p, err
}

func (db *database) add(ctx context.Context, p *product) error {
	p.Version = 1
	p.CreatedAt = time.Now().UTC().Format(timeForm)
	p.UpdatedAt = p.CreatedAt
	if db.group != nil {
		return db.group.do(ctx, p)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	return insertAlone(db.writer, p)
}

// createAll adds products, all or none.
func (db *database) createAll(ctx context.Context, ps []product) (ids []int64, err error) {
	now := time.Now().UTC().Format(timeForm)
	db.mu.Lock()
	defer db.mu.Unlock()
	end, err := sqlitex.ImmediateTransaction(db.writer)
	if err != nil {
		return nil, err
	}
	defer end(&err)
	for i := range ps {
		ps[i].CreatedAt, ps[i].UpdatedAt = now, now
		if err := insert(db.writer, &ps[i]); err != nil {
			return nil, err
		}
		ids = append(ids, ps[i].ID)
	}
	return ids, nil
}

func insertAlone(conn *sqlite.Conn, p *product) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	return insert(conn, p)
}

func insert(conn *sqlite.Conn, p *product) error {
	s, err := conn.Prepare(insertOne)
	if err != nil {
		return err
	}
	s.BindText(1, p.SKU)
	s.BindText(2, p.Name)
	s.BindInt64(3, int64(p.Price))
	s.BindInt64(4, p.Stock)
	s.BindBool(5, p.Active)
	s.BindText(6, p.CreatedAt)
	s.BindText(7, p.UpdatedAt)
	_, err = s.Step()
	if err == nil {
		p.ID = s.ColumnInt64(0)
	}
	if reset := s.Reset(); err == nil {
		err = reset
	}
	if sqlite.ErrCode(err) == sqlite.ResultConstraintUnique {
		return errTaken
	}
	return err
}

// group gathers the writes that wait and commits them together. Each is one
// statement, which undoes itself if it fails and leaves the others alone.
type group struct {
	conn  *sqlite.Conn
	queue chan *write
	done  chan struct{}
}

type write struct {
	p   *product
	err chan error
}

func newGroup(conn *sqlite.Conn) *group {
	g := &group{conn: conn, queue: make(chan *write, 256), done: make(chan struct{})}
	go g.run()
	return g
}

func (g *group) stop() {
	close(g.queue)
	<-g.done
}

func (g *group) do(ctx context.Context, p *product) error {
	w := &write{p: p, err: make(chan error, 1)}
	select {
	case g.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-w.err
}

func (g *group) run() {
	defer close(g.done)
	var batch []*write
	for w := range g.queue {
		batch = append(batch[:0], w)
	gather:
		for len(batch) < 64 {
			select {
			case w, ok := <-g.queue:
				if !ok {
					break gather
				}
				batch = append(batch, w)
			default:
				break gather
			}
		}
		g.commit(batch)
	}
}

func (g *group) commit(batch []*write) {
	errs := make([]error, len(batch))
	err := func() (err error) {
		end, err := sqlitex.ImmediateTransaction(g.conn)
		if err != nil {
			return err
		}
		defer end(&err)
		for i, w := range batch {
			errs[i] = insert(g.conn, w.p)
		}
		return nil
	}()
	for i, w := range batch {
		if err != nil {
			errs[i] = fmt.Errorf("commit: %w", err)
		}
		w.err <- errs[i]
	}
}
