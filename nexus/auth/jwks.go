package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// How public keys are kept.
const (
	keysFresh = 10 * time.Minute // then they are fetched again, beside requests
	keysStale = time.Hour        // then they are believed no more
	// fetchAtMost is how often an issuer is asked at most, whatever tokens
	// name, and however often it fails.
	fetchAtMost = 10 * time.Second
	fetchTime   = 5 * time.Second
	maxSet      = 256 << 10 // bytes of one
	maxKeys     = 100
)

// KeySets are the public keys of issuers. They outlive what uses them, so that
// an issuer that can't be reached does not stop a new version of the app. They
// are safe for concurrent use.
type KeySets struct {
	client *http.Client
	time   time.Duration // that an answer may take
	logger *slog.Logger
	ctx    context.Context

	mu    sync.Mutex
	byURL map[string]*keySet
}

// NewKeySets returns an empty one. What it fetches it stops fetching when ctx is
// done. client may be nil.
func NewKeySets(ctx context.Context, client *http.Client, logger *slog.Logger) *KeySets {
	if client == nil {
		client = &http.Client{}
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // keys come from where the file says
	return &KeySets{client: &own, time: fetchTime, logger: logger, ctx: ctx, byURL: make(map[string]*keySet)}
}

func (s *KeySets) of(url string) *keySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byURL[url] == nil {
		s.byURL[url] = &keySet{of: s, url: url}
	}
	return s.byURL[url]
}

// keySet is what is known of the keys at one address.
type keySet struct {
	of      *KeySets
	url     string
	current atomic.Pointer[publicKeys] // nil: none yet

	mu    sync.Mutex
	tried time.Time     // when they were last asked for
	done  chan struct{} // closed when what is under way is done; nil: nothing is
}

// publicKeys are keys as they were at one time. They are immutable.
type publicKeys struct {
	list    []publicKey
	fetched time.Time
}

type publicKey struct {
	kid    string
	alg    string // the only one it is for; "": those of its family
	family family
	key    any
}

// stands reports whether a token that was checked by some keys needs no other
// look: they are those known now, and known well enough.
func (s *keySet) stands(by *publicKeys, now time.Time) bool {
	k := s.current.Load()
	if k != by || now.Sub(k.fetched) >= keysStale {
		return false
	}
	if now.Sub(k.fetched) >= keysFresh {
		s.fetch(now)
	}
	return true
}

// find returns the key that a token names. It is nil if there is none, also
// after a look at what the issuer has now, unless that was had just before.
func (s *keySet) find(ctx context.Context, t *token, now time.Time) (*publicKey, *publicKeys, error) {
	k := s.current.Load()
	known := k != nil && now.Sub(k.fetched) < keysStale
	if known {
		if key := k.find(t); key != nil {
			if now.Sub(k.fetched) >= keysFresh {
				s.fetch(now)
			}
			return key, k, nil
		}
	}
	if done := s.fetch(now); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	after := s.current.Load()
	if after == nil || now.Sub(after.fetched) >= keysStale {
		return nil, nil, &dataflow.Error{Code: "issuer_unavailable", Status: dataflow.StatusBusy,
			Message: "the token can't be checked: its issuer's keys could not be fetched", Hint: "try again in a moment"}
	}
	return after.find(t), after, nil
}

// find returns the key for a token: the one it names, or if it names none the
// only one that it could be signed with.
func (k *publicKeys) find(t *token) *publicKey {
	var found *publicKey
	for i := range k.list {
		key := &k.list[i]
		if key.family != t.family || key.alg != "" && key.alg != t.alg || t.kid != "" && key.kid != t.kid {
			continue
		}
		if found != nil {
			return nil
		}
		found = key
	}
	return found
}

// fetch asks the issuer for its keys, unless it was asked just before. It
// returns what is closed when there is an answer; nil: there is nothing to wait
// for.
func (s *keySet) fetch(now time.Time) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return s.done
	}
	if !s.tried.IsZero() && now.Sub(s.tried) < fetchAtMost || s.of.ctx.Err() != nil {
		return nil
	}
	done := make(chan struct{})
	s.tried, s.done = now, done
	go func() {
		list, err := s.of.get(s.url)
		if err != nil {
			s.of.logger.Warn("the keys of an issuer could not be fetched", "jwks", s.url, "cause", err.Error())
		} else {
			s.current.Store(&publicKeys{list, now})
		}
		s.mu.Lock()
		s.done = nil
		s.mu.Unlock()
		close(done)
	}()
	return done
}

// get asks for keys at an address.
func (s *KeySets) get(url string) ([]publicKey, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.time)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with %s", res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxSet+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSet {
		return nil, fmt.Errorf("more than %d bytes", maxSet)
	}
	return parseSet(text)
}

// parseSet reads a JWK set (RFC 7517). Keys that are for something else, or of
// a kind that is not taken, are left out: a secret, above all, is never one.
func parseSet(text []byte) ([]publicKey, error) {
	v, problems := codec.ParseJSON(text, tokenDepth)
	o, ok := v.(*dataflow.Object)
	if !ok || len(problems) > 0 {
		return nil, errors.New("no JSON object")
	}
	keys, _ := o.Get("keys")
	items, ok := keys.([]any)
	if !ok {
		return nil, errors.New("no list of keys")
	}
	if len(items) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	var list []publicKey
	for _, item := range items {
		if o, ok := item.(*dataflow.Object); ok && forSignatures(o) {
			if k, ok := readKey(o); ok {
				list = append(list, k)
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no key that signatures can be checked with")
	}
	return list, nil
}

func forSignatures(o *dataflow.Object) bool {
	if use, ok := textOf(o, "use"); ok && use != "sig" {
		return false
	}
	return !o.Has("key_ops") || slices.Contains(list(o, "key_ops", false), "verify")
}

func readKey(o *dataflow.Object) (k publicKey, ok bool) {
	k.kid, _ = textOf(o, "kid")
	k.alg, _ = textOf(o, "alg")
	switch kty, _ := textOf(o, "kty"); kty {
	case "RSA":
		k.family = byRSA
		k.key, ok = rsaKey(bytesOf(o, "n"), bytesOf(o, "e"))
	case "EC":
		crv, _ := textOf(o, "crv")
		k.family, k.key, ok = ecKey(crv, bytesOf(o, "x"), bytesOf(o, "y"))
	case "OKP":
		x := bytesOf(o, "x")
		crv, _ := textOf(o, "crv")
		k.family, k.key, ok = byEd25519, ed25519.PublicKey(x), crv == "Ed25519" && len(x) == ed25519.PublicKeySize
	}
	return k, ok
}

func bytesOf(o *dataflow.Object, name string) []byte {
	s, _ := textOf(o, name)
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// Sizes of RSA keys: smaller ones can be broken, larger ones take long.
const minRSA, maxRSA = 2048, 8192

func rsaKey(n, e []byte) (*rsa.PublicKey, bool) {
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	exponent := new(big.Int).SetBytes(e)
	if size := key.N.BitLen(); size < minRSA || size > maxRSA || exponent.BitLen() > 31 {
		return nil, false
	}
	key.E = int(exponent.Int64())
	return key, key.E >= 3 && key.E%2 == 1
}

func ecKey(crv string, x, y []byte) (family, *ecdsa.PublicKey, bool) {
	for _, c := range []struct {
		family family
		curve  elliptic.Curve
	}{{byP256, elliptic.P256()}, {byP384, elliptic.P384()}, {byP521, elliptic.P521()}} {
		size := (c.curve.Params().BitSize + 7) / 8
		if c.curve.Params().Name != crv || len(x) != size || len(y) != size {
			continue
		}
		key, err := ecdsa.ParseUncompressedPublicKey(c.curve, slices.Concat([]byte{4}, x, y)) // which must be on the curve
		return c.family, key, err == nil
	}
	return 0, nil, false
}
