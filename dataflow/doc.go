// Package dataflow holds what an app.star declares, as plain Go values: the
// [App] with its databases, models, workflows and server options; the values
// that flow through it at run time; and the two kinds of complaint a person
// ever sees: a [Diagnostic] about the file, an [Error] about a request.
//
// Values here are immutable once the loader has handed them over, and may be
// read from any number of goroutines. The package knows nothing of Starlark,
// SQL or HTTP: those import it, never the other way round.
package dataflow
