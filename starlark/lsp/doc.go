// Package lsp is what an editor talks to: the Language Server Protocol, 3.17,
// over one stream in and one out. It shows the diagnostics of flowctl check for
// text that is not saved yet, and answers about the place the cursor is at. It
// knows nothing of planning and of node types: whoever starts it hands those in.
package lsp
