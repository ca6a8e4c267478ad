// Package jobs is a queue of jobs as one writes it oneself, which durable runs
// are measured against: each step is claimed, has its effect and is
// checkpointed in one transaction.
package jobs

import (
	"context"
	"encoding/json"
)

// Queue is a queue of jobs of three steps.
type Queue interface {
	// Do queues a job and takes it through its steps.
	Do(ctx context.Context, n int64) error
	Close()
}

// steps is how many there are. Each adds an entry.
const steps = 3

// job is a job that has been claimed.
type job struct {
	id, n int64
	step  int
	state map[string]int64 // what the steps gave, by name
}

func (j *job) read(state string) error { return json.Unmarshal([]byte(state), &j.state) }

// take notes what a step gave, and returns how the job stands.
func (j *job) take(entry int64) (state, status string, err error) {
	j.state[names[j.step]] = entry
	j.step++
	text, err := json.Marshal(j.state)
	status = "ready"
	if j.step == steps {
		status = "done"
	}
	return string(text), status, err
}

var names = [steps]string{"one", "two", "three"}
