package main

import (
	"math/rand/v2"
	"testing"

	"github.com/flowctl/flowctl/starlark/checktest"
)

// What is said of files holds of each cut, doubled, swapped and spoilt at random.
func TestCheckOfMutatedFiles(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	rnd := rand.New(rand.NewPCG(5, 7))
	for _, text := range checktest.Seeds(t) {
		for range rounds {
			checktest.Hold(t, found, checktest.Mutated(rnd, text))
			if t.Failed() {
				return
			}
		}
	}
}
