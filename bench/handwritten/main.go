// Command handwritten is what flowctl is measured against: one table behind
// net/http and SQLite, as a good engineer would write it by hand in an
// afternoon, with the same driver, the same pragmas, the same table and the
// same rules as bench/app.star. Structs and encoding/json carry the values;
// statements are prepared once; writes take turns on one connection.
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
	"time"
)

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "127.0.0.1:8000", "where to listen")
	path := flag.String("db", "handwritten.db", "the database's file")
	careful := flag.Bool("careful", false, "append JSON, group commits")
	flag.Parse()
	if err := serve(*addr, *path, *careful); err != nil {
		log.Fatal("handwritten: ", err)
	}
}

func serve(addr, path string, careful bool) error {
	db, err := open(path, careful)
	if err != nil {
		return err
	}
	defer db.close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if careful {
		debug.SetGCPercent(400)
	}
	srv := &http.Server{
		Handler:           routes(db, careful),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	return srv.Serve(l)
}
