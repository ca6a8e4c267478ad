// Package lru keeps values for a while, within bounds: those used longest ago
// go first.
package lru

import (
	"container/list"
	"sync"
	"time"
)

// Cache keeps values by their keys. It is safe for concurrent use. What it hands
// out is shared: nobody may change it.
type Cache[K comparable, V any] struct {
	most, mostBytes int

	mu      sync.Mutex
	entries map[K]*list.Element
	order   list.List // of *entry[K, V], those used last in front
	bytes   int
}

type entry[K comparable, V any] struct {
	key   K
	value V
	from  time.Time // when it was put there
	until time.Time
	bytes int
}

// New returns a cache of at most so many values, of so many bytes in all.
func New[K comparable, V any](most, mostBytes int) *Cache[K, V] {
	return &Cache[K, V]{most: most, mostBytes: mostBytes, entries: map[K]*list.Element{}}
}

// Get returns the value of a key, unless its time is over, or has yet to come: a
// clock that was set back says of nothing how old it is.
func (c *Cache[K, V]) Get(key K, now time.Time) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return v, false
	}
	e := el.Value.(*entry[K, V])
	if !now.Before(e.until) || now.Before(e.from) {
		c.drop(el)
		return v, false
	}
	c.order.MoveToFront(el)
	return e.value, true
}

// Put keeps a value of so many bytes for a while from now on.
func (c *Cache[K, V]) Put(key K, v V, bytes int, now time.Time, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.entries[key]; ok {
		c.drop(old)
	}
	c.entries[key] = c.order.PushFront(&entry[K, V]{key, v, now, now.Add(ttl), bytes})
	c.bytes += bytes
	for c.order.Len() > c.most || c.bytes > c.mostBytes {
		c.drop(c.order.Back())
	}
}

func (c *Cache[K, V]) drop(el *list.Element) {
	e := c.order.Remove(el).(*entry[K, V])
	delete(c.entries, e.key)
	c.bytes -= e.bytes
}
