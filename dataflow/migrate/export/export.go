// Package export writes changes to a schema as SQL files that other migration
// programs run, with the way back. It owns their formats, and knows neither
// how a change is found nor any engine's SQL.
//
// Each file holds one transaction. A statement that can't run in one has a
// file of its own, marked the way its program asks for.
package export

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Change is one change.
type Change struct {
	Comment string   // one line
	SQL     []string // statements, without the semicolon at their end
	// Reverse are the statements that undo the change, in their order; none if
	// nothing does.
	Reverse []string
	// Outside says that the statements can't run in a transaction.
	Outside bool
}

// Migration is what one run of a migration program is to do.
type Migration struct {
	At      time.Time // stands in the names of files, so that they are in order
	Name    string
	Changes []Change
}

// File is a file to be written.
type File struct {
	Name string
	Text string
}

// format is how a program wants its files.
type format struct {
	name  string
	files func(part) []File
}

// formats are all there are.
func formats() []format {
	return []format{
		{"goose", goose},
		{"flyway", flyway},
		{"golang-migrate", golangMigrate},
		{"dbmate", dbmate},
		{"liquibase", liquibase},
		{"plain", plain},
	}
}

// Formats lists the names of the formats.
func Formats() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

// Files returns a migration's files in one of Formats; nil if there is no such
// format.
func Files(name string, m Migration) []File {
	all := formats()
	i := slices.IndexFunc(all, func(f format) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	var files []File
	for _, p := range parts(m) {
		files = append(files, all[i].files(p)...)
	}
	return files
}

// part is what goes into one file, or a file for each direction.
type part struct {
	version string // fourteen digits
	name    string
	changes []Change
	outside bool
}

// parts divides a migration: changes that share a transaction stay together,
// each statement that can't be in one is alone. Versions count on by seconds.
func parts(m Migration) []part {
	var ps []part
	add := func(c Change) {
		ps = append(ps, part{name: m.Name, changes: []Change{c}, outside: c.Outside})
	}
	for _, c := range m.Changes {
		switch {
		case c.Outside:
			for _, single := range singles(c) {
				add(single)
			}
		case len(ps) > 0 && !ps[len(ps)-1].outside:
			last := &ps[len(ps)-1]
			last.changes = append(last.changes, c)
		default:
			add(c)
		}
	}
	for i := range ps {
		ps[i].version = m.At.UTC().Add(time.Duration(i) * time.Second).Format("20060102150405")
		if len(ps) > 1 {
			ps[i].name = fmt.Sprintf("%s_%d", m.Name, i+1)
		}
	}
	return ps
}

// singles are the statements of a change, each a change of its own. What
// undoes them all goes with the first, which is undone last.
func singles(c Change) []Change {
	list := make([]Change, len(c.SQL))
	for i, sql := range c.SQL {
		list[i] = Change{Comment: c.Comment, SQL: []string{sql}, Outside: true}
	}
	if len(list) > 0 {
		list[0].Reverse = c.Reverse
	}
	return list
}

// up writes the changes, each below its comment.
func (p part) up(statement func(string) string) string {
	var b strings.Builder
	for _, c := range p.changes {
		b.WriteString(comment(c.Comment))
		for _, sql := range c.SQL {
			b.WriteString(statement(sql))
		}
	}
	return b.String()
}

// down writes what undoes the changes, the last one first.
func (p part) down(statement func(string) string) string {
	var b strings.Builder
	for _, c := range slices.Backward(p.changes) {
		if len(c.Reverse) == 0 {
			b.WriteString(comment("not undone: " + c.Comment))
			continue
		}
		b.WriteString(comment("undo: " + c.Comment))
		for _, sql := range c.Reverse {
			b.WriteString(statement(sql))
		}
	}
	return b.String()
}

func comment(text string) string { return "-- " + line(text) + "\n" }

// line keeps a text from ending its comment.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

func ended(sql string) string { return sql + ";\n" }
