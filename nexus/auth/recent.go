package auth

import (
	"crypto/sha256"
	"sync"
)

// keptAtLeast is how many keys and tokens are remembered; twice as many at
// most.
const keptAtLeast = 4096

// recent remembers what keys and tokens stand for, by their digests: it holds
// none of them. What has not been asked for of late is forgotten.
type recent struct {
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]*entry
}

func (c *recent) get(digest [sha256.Size]byte) *entry {
	c.mu.RLock()
	e, young := c.young[digest]
	if !young {
		e = c.old[digest]
	}
	c.mu.RUnlock()
	if e != nil && !young {
		c.put(digest, e)
	}
	return e
}

func (c *recent) put(digest [sha256.Size]byte, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= keptAtLeast {
		c.old, c.young = c.young, nil
	}
	if c.young == nil {
		c.young = make(map[[sha256.Size]byte]*entry)
	}
	c.young[digest] = e
}

func (c *recent) drop(digest [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, digest)
	delete(c.old, digest)
}
