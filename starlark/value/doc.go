// Package value carries values between Go and Starlark. Rows go in lazily:
// a field becomes a Starlark value when a function reads it. It owns the
// Starlark types that the language adds (decimal, datetime, date, time,
// duration, record) and the calling of frozen functions within limits. It
// knows nothing of how an app is declared.
package value
