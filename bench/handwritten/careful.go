package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"
)

// carefulAPI answers by appending to a buffer, column by column.
type carefulAPI struct {
	db      *database
	buffers sync.Pool
}

func (a *carefulAPI) buffer() *[]byte {
	if b, ok := a.buffers.Get().(*[]byte); ok {
		*b = (*b)[:0]
		return b
	}
	b := make([]byte, 0, 8<<10)
	return &b
}

func (a *carefulAPI) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		refuse(w, errNotFound)
		return
	}
	b := a.buffer()
	defer a.buffers.Put(b)
	err = a.db.read(r.Context(), selectOne, func(s *sqlite.Stmt) error { *b = appendRow(*b, s); return nil }, id)
	if err == nil && len(*b) == 0 {
		err = errNotFound
	}
	if err != nil {
		refuse(w, err)
		return
	}
	send(w, http.StatusOK, *b)
}

func (a *carefulAPI) list(w http.ResponseWriter, r *http.Request) {
	q, err := window(r)
	if err != nil {
		refuse(w, err)
		return
	}
	limit, offset := q.limit, q.offset
	sql, args := selectPage, []int64{limit + 1, offset}
	if q.active {
		sql, args = selectActive, append([]int64{1}, args...)
	}
	b := a.buffer()
	defer a.buffers.Put(b)
	*b = append(*b, `{"records":[`...)
	n := int64(0)
	err = a.db.read(r.Context(), sql, func(s *sqlite.Stmt) error {
		n++
		if n > limit {
			return nil
		}
		if n > 1 {
			*b = append(*b, ',')
		}
		*b = appendRow(*b, s)
		return nil
	}, args...)
	if err != nil {
		refuse(w, err)
		return
	}
	*b = append(*b, `],"count":`...)
	*b = strconv.AppendInt(*b, min(n, limit), 10)
	*b = append(*b, `,"limit":`...)
	*b = strconv.AppendInt(*b, limit, 10)
	*b = append(*b, `,"offset":`...)
	*b = strconv.AppendInt(*b, offset, 10)
	*b = append(*b, `,"has_more":`...)
	*b = strconv.AppendBool(*b, n > limit)
	*b = append(*b, '}')
	send(w, http.StatusOK, *b)
}

func (a *carefulAPI) create(w http.ResponseWriter, r *http.Request) {
	d, err := decode(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	p, err := d.product()
	if err == nil {
		err = a.db.add(r.Context(), &p)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Location", "/api/products/"+strconv.FormatInt(p.ID, 10))
	b := a.buffer()
	defer a.buffers.Put(b)
	*b = appendProduct(*b, &p)
	send(w, http.StatusCreated, *b)
}

func send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body)
}

func appendRow(dst []byte, s *sqlite.Stmt) []byte {
	p := scan(s)
	return appendProduct(dst, &p)
}

func appendProduct(dst []byte, p *product) []byte {
	dst = strconv.AppendInt(append(dst, `{"id":`...), p.ID, 10)
	dst = appendString(append(dst, `,"sku":`...), p.SKU)
	dst = appendString(append(dst, `,"name":`...), p.Name)
	dst = p.Price.append(append(dst, `,"price":`...))
	dst = strconv.AppendInt(append(dst, `,"stock":`...), p.Stock, 10)
	dst = strconv.AppendBool(append(dst, `,"active":`...), p.Active)
	dst = append(append(append(dst, `,"created_at":"`...), p.CreatedAt...), '"')
	dst = append(append(append(dst, `,"updated_at":"`...), p.UpdatedAt...), '"')
	return append(strconv.AppendInt(append(dst, `,"version":`...), p.Version, 10), '}')
}

// appendString appends a JSON string; one with anything to escape goes
// through encoding/json.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(dst, `""`...)
			}
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
