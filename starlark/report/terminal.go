package report

import (
	"io"
	"os"

	"github.com/flowctl/flowctl/dataflow"
)

// The rules of what flowctl writes where:
//
//   - What a command was asked for goes to standard output, all else to
//     standard error. What check finds is what it was asked for.
//   - There is colour only on a terminal, and not if NO_COLOR is set to
//     anything (https://no-color.org) or TERM is "dumb".
//   - Nothing of a file's text reaches the terminal as a control character.

// Color reports whether what is written to w may be coloured.
func Color(w io.Writer, env func(string) (string, bool)) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	if v, _ := env("NO_COLOR"); v != "" {
		return false
	}
	if v, _ := env("TERM"); v == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

type style int

const (
	bold style = iota
	faint
	red
	yellow
	blue
	hintStyle
)

func plain(_ style, s string) string { return s }

func ansi(st style, s string) string {
	codes := [...]string{bold: "1", faint: "2", red: "1;31", yellow: "1;33", blue: "1;34", hintStyle: "1;36"}
	return "\x1b[" + codes[st] + "m" + s + "\x1b[0m"
}

func styleOf(s dataflow.Severity) style {
	switch s {
	case dataflow.SeverityError:
		return red
	case dataflow.SeverityWarning:
		return yellow
	}
	return blue
}
