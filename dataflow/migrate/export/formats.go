package export

import (
	"fmt"
	"strings"
)

// goose: https://github.com/pressly/goose. A statement ends with the line that
// ends with a semicolon, unless it stands between marks.
func goose(p part) []File {
	head := ""
	if p.outside {
		head = "-- +goose NO TRANSACTION\n"
	}
	statement := func(sql string) string {
		if strings.ContainsAny(sql, ";") || strings.Contains(sql, "--") {
			return "-- +goose StatementBegin\n" + ended(sql) + "-- +goose StatementEnd\n"
		}
		return ended(sql)
	}
	return []File{{p.version + "_" + p.name + ".sql",
		head + "-- +goose Up\n" + p.up(statement) + "\n-- +goose Down\n" + p.down(statement)}}
}

// flyway: https://documentation.red-gate.com/flyway. What is special about a
// script stands in a file beside it; ${…} is replaced unless that says not to.
func flyway(p part) []File {
	var files []File
	for _, f := range []File{
		{"V" + p.version + "__" + p.name + ".sql", p.up(ended)},
		{"U" + p.version + "__" + p.name + ".sql", p.down(ended)},
	} {
		var config string
		if p.outside {
			config += "executeInTransaction=false\n"
		}
		if strings.Contains(f.Text, "${") {
			config += "placeholderReplacement=false\n"
		}
		files = append(files, f)
		if config != "" {
			files = append(files, File{f.Name + ".conf", config})
		}
	}
	return files
}

// golangMigrate: https://github.com/golang-migrate/migrate. A file goes to the
// database whole, so that one with a single statement is in no transaction.
func golangMigrate(p part) []File {
	return []File{
		{p.version + "_" + p.name + ".up.sql", p.up(ended)},
		{p.version + "_" + p.name + ".down.sql", p.down(ended)},
	}
}

// dbmate: https://github.com/amacneil/dbmate.
func dbmate(p part) []File {
	options := ""
	if p.outside {
		options = " transaction:false"
	}
	return []File{{p.version + "_" + p.name + ".sql",
		"-- migrate:up" + options + "\n" + p.up(ended) + "\n-- migrate:down" + options + "\n" + p.down(ended)}}
}

// liquibase: https://docs.liquibase.com, formatted SQL. Each line of what
// undoes a changeset begins with a mark; one without a rollback can't be
// undone, and liquibase says so.
func liquibase(p part) []File {
	options := ""
	if p.outside {
		options = " runInTransaction:false"
	}
	var b strings.Builder
	b.WriteString("--liquibase formatted sql\n")
	for i, c := range p.changes {
		fmt.Fprintf(&b, "\n--changeset flowctl:%s-%d%s\n--comment: %s\n", p.version, i+1, options, line(c.Comment))
		for _, sql := range c.SQL {
			b.WriteString(ended(sql))
		}
		for _, sql := range c.Reverse {
			for text := range strings.SplitSeq(sql+";", "\n") {
				b.WriteString("--rollback " + text + "\n")
			}
		}
	}
	return []File{{p.version + "_" + p.name + ".sql", b.String()}}
}

// plain is for psql and sqlite3, which are told to stop at an error:
// psql -v ON_ERROR_STOP=1 -f FILE, sqlite3 -bail DB <FILE.
func plain(p part) []File {
	begin, commit := "BEGIN;\n", "COMMIT;\n"
	if p.outside {
		begin, commit = "", ""
	}
	return []File{
		{p.version + "_" + p.name + ".sql", begin + p.up(ended) + commit},
		{p.version + "_" + p.name + ".undo.sql", begin + p.down(ended) + commit},
	}
}
