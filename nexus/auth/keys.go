package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// An API key is flk_ID_SECRET: an id of 60 bits, by which it is known and
// listed, and a secret of 256, of which only a digest is kept. A digest that is
// made quickly will do: there is nothing to try out in 2^256.
const (
	KeyMark   = "flk_"
	keyIDLen  = 12
	secretLen = 52
)

// AnyTenant as a key's tenant lets its bearer act for whichever it names.
const AnyTenant = "*"

// How fresh what is known of a key is.
const (
	// KeyFresh is how long a key is taken to be good before its row is read
	// again: so long after it was revoked it may still be taken, by other
	// processes and this one.
	KeyFresh = 2 * time.Second
	// usedEvery is how exactly it is noted when a key was last used.
	usedEvery = 5 * time.Minute
)

// base32Lower writes bits as letters and digits that can't be taken for one
// another.
func base32Lower(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// Key is an API key as it is kept.
type Key struct {
	ID      string
	Name    string
	User    string // on whose behalf; "": its own
	Roles   []string
	Scopes  []string // that bound what it is good for
	Scoped  bool
	Tenant  string // "": none; AnyTenant
	Expires time.Time
	Revoked time.Time
	Used    time.Time // about, the last time
	Created time.Time

	digest string
}

// keyID returns the id in a key's text, or "".
func keyID(text string) string {
	if len(text) != len(KeyMark)+keyIDLen+1+secretLen || !strings.HasPrefix(text, KeyMark) || text[len(KeyMark)+keyIDLen] != '_' {
		return ""
	}
	return text[len(KeyMark) : len(KeyMark)+keyIDLen]
}

// Positions of a key's fields.
const (
	keysID = iota
	keysName
	keysDigest
	keysUser
	keysRoles
	keysScopes
	keysTenant
	keysExpires
	keysRevoked
	keysUsed
	keysCreated
	keysUpdated
	keysFields
)

// Models returns the table that API keys are kept in, in the first database of
// an app that asks who calls.
func Models(app *dataflow.App, db *dataflow.Database) []*dataflow.Model {
	if app.Server == nil || !app.Server.EnableAuth || db != app.Databases[0] {
		return nil
	}
	return db.System("auth", func() []*dataflow.Model { return []*dataflow.Model{newKeysModel(db)} })
}

func newKeysModel(db *dataflow.Database) *dataflow.Model {
	optional := func(name string, t *dataflow.Type, doc string) *dataflow.Field {
		return &dataflow.Field{Name: name, Type: t, Optional: true, Doc: doc}
	}
	return access.SystemModel(db, "_flow_keys", dataflow.String,
		&dataflow.Field{Name: "name", Type: dataflow.String, Doc: "what it is for, in the words of who made it"},
		&dataflow.Field{Name: "digest", Type: dataflow.String, Doc: "SHA-256 of the whole key"},
		optional("user", dataflow.String, "on whose behalf it is used"),
		&dataflow.Field{Name: "roles", Type: dataflow.JSON},
		optional("scopes", dataflow.JSON, "that bound what it is good for; null: none do"),
		optional("tenant", dataflow.String, "* for whichever its bearer names"),
		optional("expires_at", dataflow.DateTime, ""),
		optional("revoked_at", dataflow.DateTime, ""),
		optional("used_at", dataflow.DateTime, "about when it was used last"),
	)
}

// Keys are the API keys of an app. They are safe for concurrent use.
type Keys struct {
	m     *dataflow.Model
	store store.Store
	now   func() time.Time
}

// NewKeys returns the keys that are kept in an app's first database.
func NewKeys(app *dataflow.App, st store.Store, now func() time.Time) *Keys {
	return &Keys{m: Models(app, app.Databases[0])[0], store: st, now: now}
}

// moment is now as databases keep it.
func (ks *Keys) moment() time.Time { return ks.now().UTC().Truncate(time.Microsecond) }

// Create makes a key of what k asks for and returns its text, which can't be
// had again.
func (ks *Keys) Create(ctx context.Context, k Key) (made *Key, text string, err error) {
	var secret [32]byte
	var id [8]byte
	rand.Read(secret[:]) // never fails
	rand.Read(id[:])
	k.ID = base32Lower(id[:])[:keyIDLen]
	text = KeyMark + k.ID + "_" + base32Lower(secret[:])
	k.digest = digestOf(text)
	k.Created = ks.moment()
	err = ks.store.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Insert(ctx, ks.m, allFields(keysFields), [][]any{k.row()})
		return err
	})
	return &k, text, err
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// List returns all keys, the oldest first.
func (ks *Keys) List(ctx context.Context) ([]*Key, error) {
	return ks.find(ctx, nil)
}

// Revoke ends a key for good and returns it. One that was revoked before stays
// as it is.
func (ks *Keys) Revoke(ctx context.Context, id string) (*Key, error) {
	err := ks.store.Write(ctx, func(tx store.Tx) error {
		now := ks.moment()
		_, err := tx.Update(ctx, &query.Update{Model: ks.m,
			Where: query.And{ks.compare(keysID, query.Eq, id), ks.compare(keysRevoked, query.Null, true)},
			Set:   []query.Assign{{Field: keysRevoked, Value: now}, {Field: keysUpdated, Value: now}},
			Bump:  -1})
		return err
	})
	if err != nil {
		return nil, err
	}
	k, err := ks.get(ctx, id)
	if err == nil && k == nil {
		err = &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Message: "there is no API key of this id"}
	}
	return k, err
}

// get returns a key, or nil.
func (ks *Keys) get(ctx context.Context, id string) (*Key, error) {
	list, err := ks.find(ctx, ks.compare(keysID, query.Eq, id))
	if len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// used notes that a key is in use, if that is not known.
func (ks *Keys) used(ctx context.Context, id string, now time.Time) error {
	now = now.UTC().Truncate(time.Microsecond)
	return ks.store.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Update(ctx, &query.Update{Model: ks.m,
			Where: query.And{ks.compare(keysID, query.Eq, id),
				query.Or{ks.compare(keysUsed, query.Null, true), ks.compare(keysUsed, query.Lte, now.Add(-usedEvery))}},
			Set: []query.Assign{{Field: keysUsed, Value: now}}, Bump: -1})
		return err
	})
}

func (ks *Keys) find(ctx context.Context, where query.Expr) ([]*Key, error) {
	var list []*Key
	q := &query.Select{Model: ks.m, Where: where, Order: []query.Order{{Field: keysCreated}, {Field: keysID}}}
	err := ks.store.Select(ctx, q, func(row store.Row) error {
		list = append(list, keyOf(row))
		return nil
	})
	return list, err
}

func (ks *Keys) compare(field int, op query.Op, v any) query.Expr {
	return &query.Cmp{Path: query.Path{Model: ks.m, Field: field}, Op: op, Value: v}
}

func allFields(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func (k *Key) row() []any {
	v := make([]any, keysFields)
	v[keysID], v[keysName], v[keysDigest], v[keysRoles] = k.ID, k.Name, k.digest, wordsJSON(k.Roles)
	for i, s := range map[int]string{keysUser: k.User, keysTenant: k.Tenant} {
		if s != "" {
			v[i] = s
		}
	}
	if k.Scoped {
		v[keysScopes] = wordsJSON(k.Scopes)
	}
	for i, t := range map[int]time.Time{keysExpires: k.Expires, keysRevoked: k.Revoked, keysUsed: k.Used} {
		if !t.IsZero() {
			v[i] = t.UTC().Truncate(time.Microsecond)
		}
	}
	v[keysCreated], v[keysUpdated] = k.Created, k.Created
	return v
}

func keyOf(row store.Row) *Key {
	text := func(i int) string { s, _ := row.Value(i).(string); return s }
	at := func(i int) time.Time { t, _ := row.Value(i).(time.Time); return t }
	return &Key{ID: text(keysID), Name: text(keysName), digest: text(keysDigest), User: text(keysUser), Tenant: text(keysTenant),
		Roles: words(row.Value(keysRoles)), Scopes: words(row.Value(keysScopes)), Scoped: row.Value(keysScopes) != nil,
		Expires: at(keysExpires), Revoked: at(keysRevoked), Used: at(keysUsed), Created: at(keysCreated)}
}

func wordsJSON(words []string) dataflow.RawJSON {
	return dataflow.RawJSON(codec.AppendJSON(nil, anys(words)))
}

func anys(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}

// words reads a JSON list of texts.
func words(v any) []string {
	raw, _ := v.(dataflow.RawJSON)
	v, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Over reports whether a key is good no more.
func (k *Key) Over(now time.Time) bool {
	return !k.Revoked.IsZero() || !k.Expires.IsZero() && !now.Before(k.Expires)
}

// caller is who calls by the key.
func (k *Key) caller() access.Caller {
	id := k.User
	if id == "" {
		id = dataflow.KeyUser(k.ID)
	}
	c := access.Caller{Key: dataflow.KeyUser(k.ID), Roles: k.Roles, Scopes: k.Scopes, Scoped: k.Scoped,
		User: dataflow.ObjectOf("id", id, "roles", anys(k.Roles))}
	if k.Tenant != AnyTenant {
		c.Tenant = k.Tenant
	}
	return c
}

// byKey finds who calls by a key. Whether there is none of its id, or one with
// another secret, takes as long to find out and is answered alike.
func (g *Guard) byKey(ctx context.Context, text string, digest [sha256.Size]byte, now time.Time) (*entry, error) {
	id := keyID(text)
	if id == "" || g.o.Keys == nil {
		return nil, notGood(KeyMark)
	}
	k, err := g.o.Keys.get(ctx, id)
	if e, ok := errors.AsType[*dataflow.Error](err); ok && e.Code == "not_available" { // the runtime has no tables here
		return nil, notGood(KeyMark)
	}
	if err != nil {
		return nil, err
	}
	if k == nil {
		k = &Key{Revoked: now, digest: strings.Repeat("0", 2*sha256.Size)}
	}
	if subtle.ConstantTimeCompare([]byte(k.digest), []byte(hex.EncodeToString(digest[:]))) != 1 || k.Over(now) {
		return nil, notGood(KeyMark)
	}
	e := &entry{caller: k.caller(), anyTenant: k.Tenant == AnyTenant, until: k.Expires, key: &keyState{id: id, checked: now}}
	g.use(k, now)
	return e, nil
}

// use notes beside the request that a key is in use.
func (g *Guard) use(k *Key, now time.Time) {
	if now.Sub(k.Used) < usedEvery {
		return
	}
	g.busy.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), noteTime)
		defer cancel()
		if err := g.o.Keys.used(ctx, k.ID, now); err != nil { // the next use tries again
			g.o.Logger.Warn("noting the use of an API key failed", "key", k.ID, "cause", err.Error())
		}
	})
}

// noteTime is how long the note may take.
const noteTime = 10 * time.Second

// keyState is what is known of a key that was good when its row was read.
type keyState struct {
	id string

	mu      sync.Mutex
	checked time.Time
	over    bool
}

// stands reports whether the key is good, and reads its row if that was last
// done too long ago. Of requests at the same time one reads.
func (s *keyState) stands(ctx context.Context, g *Guard, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false, nil
	}
	if age := now.Sub(s.checked); age >= 0 && age < KeyFresh {
		return true, nil
	}
	k, err := g.o.Keys.get(ctx, s.id)
	if err != nil {
		return false, err
	}
	if k == nil || k.Over(now) {
		s.over = true
		return false, nil
	}
	s.checked = now
	g.use(k, now)
	return true, nil
}
