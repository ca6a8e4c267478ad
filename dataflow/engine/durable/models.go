package durable

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// Models returns the tables that runs are kept in, beside those of the app in
// db. They belong to no file.
func Models(db *dataflow.Database) []*dataflow.Model {
	return db.System("durable", func() []*dataflow.Model {
		return []*dataflow.Model{newRuns(db), newSteps(db), newSignals(db), newExecutors(db), newVersions(db), newTimetable(db)}
	})
}

// tables are the models of Models by name.
type tables struct {
	runs, steps, signals, executors, versions, timetable *dataflow.Model
}

func tablesOf(db *dataflow.Database) tables {
	m := Models(db)
	return tables{m[0], m[1], m[2], m[3], m[4], m[5]}
}

// Positions of a run's fields.
const (
	runID = iota
	runWorkflow
	runVersion
	runStatus
	runKey
	runRequest
	runInput
	runOutput
	runError
	runUser
	runCaller
	runTenant
	runChain
	runParent
	runReason
	runOrigin
	runPriority
	runGroup
	runWakeAt
	runToken
	runExecutor
	runTakeovers
	runPoke
	runCancel
	runStartedAt
	runEndedAt
	runCreatedAt
	runUpdatedAt
	runFields
)

// Status is how a run stands.
type Status string

// The statuses of a run.
const (
	Queued    Status = "queued"  // to be run as soon as somebody can
	Running   Status = "running" // by the process that executor names
	Waiting   Status = "waiting" // for the time, a signal or another run
	Completed Status = "completed"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Ended reports whether a run is over.
func (s Status) Ended() bool { return s == Completed || s == Failed || s == Cancelled }

// Statuses lists them all.
func Statuses() []string {
	return []string{string(Queued), string(Running), string(Waiting), string(Completed), string(Failed), string(Cancelled)}
}

func text(name, doc string) *dataflow.Field {
	return &dataflow.Field{Name: name, Type: dataflow.String, Doc: doc}
}

func optional(name, doc string) *dataflow.Field {
	f := text(name, doc)
	f.Optional = true
	return f
}

func moment(name, doc string) *dataflow.Field {
	return &dataflow.Field{Name: name, Type: dataflow.DateTime, Optional: true, Doc: doc}
}

// newRuns makes the table of durable runs. A run is claimed by setting token to
// a new value: who holds the token owns the run, and whatever a process keeps
// of it is kept on condition of the token.
func newRuns(db *dataflow.Database) *dataflow.Model {
	m := access.SystemModel(db, "_flow_runs", dataflow.String,
		text("workflow", ""),
		text("version", "of the app that the run began with"),
		&dataflow.Field{Name: "status", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: Statuses()}},
		optional("key", "starts with one key are one run"),
		optional("request", "tells whether a start with the key is the same one"),
		text("input", "checked, as JSON that keeps types"),
		optional("output", ""),
		optional("error", ""),
		optional("user", "who started it, as JSON that keeps types"),
		optional("caller", "by which key it was started, or as whom, as limits and the audit log have it"),
		optional("tenant", ""),
		&dataflow.Field{Name: "chain", Type: dataflow.Int, Doc: "how many events led to it"},
		optional("parent", "the run that waits for this one's end"),
		optional("reason", "what a waiting run waits for"),
		optional("origin", "what started it, if nobody asked for it"),
		&dataflow.Field{Name: "priority", Type: dataflow.Int, Doc: "larger goes first"},
		optional("group", "runs of one group share a limit"),
		moment("wake_at", "when a queued or waiting run is to be looked at; null: not before somebody says so"),
		optional("token", "of the claim that owns the run"),
		optional("executor", "the process that runs it"),
		&dataflow.Field{Name: "takeovers", Type: dataflow.Int, Doc: "how often its process died since it last got further"},
		text("poke", "changes whenever somebody wants the run's attention"),
		&dataflow.Field{Name: "cancel", Type: dataflow.Bool, Doc: "somebody wants it to end"},
		moment("started_at", ""),
		moment("ended_at", ""),
	)
	there := func(field string) *dataflow.Object {
		return dataflow.ObjectOf(field, dataflow.ObjectOf("$exists", true))
	}
	m.Indexes = append(m.Indexes,
		dataflow.Index{Fields: []string{"key"}, Unique: true, Where: there("key")},
		dataflow.Index{Fields: []string{"priority", "wake_at", "id"}, Where: there("wake_at")}, // who is due
		dataflow.Index{Fields: []string{"executor", "id"}, Where: there("executor")},           // who is in progress
		dataflow.Index{Fields: []string{"ended_at", "id"}, Where: there("ended_at")})           // who is to be forgotten
	return m
}

// bare takes the indexes from a table that SystemModel gave it.
func bare(m *dataflow.Model, indexes ...dataflow.Index) *dataflow.Model {
	for _, f := range m.Fields {
		f.Index = false
	}
	m.Indexes = indexes
	return m
}

// Positions of a step's fields.
const (
	stepID = iota // of the run, "/", the step's key
	stepRun
	stepKey
	stepSeq
	stepState
	stepDigest
	stepInput
	stepResult
	stepError
	stepAttempts
	stepStartedAt
	stepEndedAt
	stepCreatedAt
	stepUpdatedAt
	stepFields
)

func newSteps(db *dataflow.Database) *dataflow.Model {
	return bare(access.SystemModel(db, "_flow_steps", dataflow.String,
		text("run", ""), text("key", ""),
		&dataflow.Field{Name: "seq", Type: dataflow.Int, Doc: "in which order they were kept"},
		text("state", ""),
		optional("digest", "of what a handler asked for"),
		optional("input", ""), optional("result", ""), optional("error", ""),
		&dataflow.Field{Name: "attempts", Type: dataflow.Int},
		moment("started_at", ""), moment("ended_at", ""),
	), dataflow.Index{Fields: []string{"run"}})
}

// Positions of a signal's fields.
const (
	signalID = iota
	signalRun
	signalName
	signalPayload
	signalCreatedAt
	signalUpdatedAt
	signalFields
)

// newSignals makes the table of what runs were sent and have not taken yet.
func newSignals(db *dataflow.Database) *dataflow.Model {
	return bare(access.SystemModel(db, "_flow_signals", dataflow.String, text("run", ""), text("name", ""), text("payload", "")),
		dataflow.Index{Fields: []string{"run"}})
}

// Positions of an executor's fields.
const (
	executorID = iota
	executorBeat
	executorCreatedAt
	executorUpdatedAt
	executorFields
)

// newExecutors makes the table of the processes that run something. beat
// changes while one lives: that it does not is what others go by, each by a
// clock of its own, so that no two clocks are compared.
func newExecutors(db *dataflow.Database) *dataflow.Model {
	return bare(access.SystemModel(db, "_flow_executors", dataflow.String, text("beat", "")))
}

// Positions of a version's fields.
const (
	versionID = iota // the hash of what it holds
	versionMain
	versionFiles
	versionCreatedAt
	versionUpdatedAt
	versionFields
)

// newVersions makes the table of the apps that runs began with.
func newVersions(db *dataflow.Database) *dataflow.Model {
	return bare(access.SystemModel(db, "_flow_versions", dataflow.String, text("main", ""), text("files", "text by path, as JSON")))
}

// Positions of a timetable entry's fields.
const (
	entryID = iota // the schedule's name
	entrySpec
	entryNextAt
	entryCreatedAt
	entryUpdatedAt
	entryFields
)

// newTimetable makes the table of when each schedule is due next.
func newTimetable(db *dataflow.Database) *dataflow.Model {
	return bare(access.SystemModel(db, "_flow_schedules", dataflow.String, text("spec", "what next_at was worked out from"), moment("next_at", "")))
}
