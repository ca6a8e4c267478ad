//go:build !linux

package durable

// processName is unknown here.
func processName() string { return "" }

// gone can't tell: only silence does.
func gone(string) bool { return false }
