package engine

import (
	"regexp"
	"sync"
	"testing"
	"time"
)

// Ids are asked for by many at once, and are fetched ahead for many.
func TestIDsDiffer(t *testing.T) {
	const each, askers = 1000, 8
	id := newUUID(func() time.Time { return time.UnixMilli(0x0123456789ab) })
	ids := make([][]string, askers)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			for range each {
				ids[i] = append(ids[i], id())
			}
		})
	}
	wg.Wait()
	form := regexp.MustCompile(`^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, of := range ids {
		for _, id := range of {
			if !form.MatchString(id) {
				t.Fatalf("%s is no uuid of version 7 of that time", id)
			}
			seen[id[24:]] = true // chance alone tells them apart, in each part
		}
	}
	if len(seen) != each*askers {
		t.Errorf("%d ids have %d ends", each*askers, len(seen))
	}
}
