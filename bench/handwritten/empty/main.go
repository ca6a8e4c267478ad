// Command empty does nothing: what any program in Go costs to start, on the
// machine that measures.
package main

func main() {}
