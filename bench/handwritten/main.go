// Command handwritten is what flowctl is measured against: one table behind
// net/http and SQLite or PostgreSQL, as a good engineer would write it by hand in an
// afternoon, with the same driver, the same settings, the same table and the
// same rules as bench/app.star. Structs and encoding/json carry the values;
// statements are prepared once; on SQLite writes take turns on one connection,
// on PostgreSQL there is pgx's pool.
//
// With -careful it is what somebody would write who has measured: JSON is
// appended to a buffer that is used again, waiting writes share a commit, and
// the collector runs as seldom as in flowctl.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "127.0.0.1:8000", "where to listen")
	path := flag.String("db", "handwritten.db", "the database: a file of SQLite, or a postgres:// URL")
	careful := flag.Bool("careful", false, "append JSON, group commits")
	fixed := flag.Bool("fixed", false, "answer everything with the same text, and do nothing else")
	flag.Parse()
	var err error
	if *fixed {
		err = listen(*addr, http.HandlerFunc(answerFixed), true)
	} else {
		err = serve(*addr, *path, *careful)
	}
	if err != nil {
		log.Fatal("handwritten: ", err)
	}
}

func openCatalogue(path string, careful bool) (catalogue, error) {
	if strings.HasPrefix(path, "postgres://") {
		return openPostgres(path)
	}
	return open(path, careful)
}

func serve(addr, path string, careful bool) error {
	db, err := openCatalogue(path, careful)
	if err != nil {
		return err
	}
	defer db.close()
	return listen(addr, routes(db, careful), careful)
}

// answerFixed is the least that a server can do for a read of a row.
func answerFixed(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = fixedType
	_, _ = w.Write(fixedText) // the client has gone
}

var (
	fixedType = []string{"application/json"}
	fixedText = []byte(`{"id":1,"sku":"S-0-0","name":"Product 0","price":"9.90","stock":0,"active":true,"created_at":"2026-01-31T00:00:00.000000Z","updated_at":"2026-01-31T00:00:00.000000Z"}`)
)

func listen(addr string, h http.Handler, careful bool) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if careful {
		debug.SetGCPercent(400)
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	return srv.Serve(l)
}
