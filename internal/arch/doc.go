// Package arch holds no code, only tests of the whole tree: which package may
// import which, that no package keeps state of its own, and that every code a
// user can meet is documented. It looks at source and at `go list`, and never
// at behaviour.
package arch
