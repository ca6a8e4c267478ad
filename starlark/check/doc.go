// Package check owns the rules that an app is held to beyond what loading and
// planning it finds: habits that lose money, time or safety, and what is
// declared and does nothing. It also owns what the author says of findings
// (suppressions, selection) and what is done about them (fixes). It looks at
// the app and the text of its files, never at a database, a network or a clock.
//
// One rule is one file, named after what it finds, with a row in the table of
// rules.go. Its code has a row in dataflow.Codes, which says what is wrong and
// why; the rule has an app in which it fires and one in which it does not.
package check
