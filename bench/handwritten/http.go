package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
)

const maxBody = 1 << 20

// catalogue is a database of products. Records are what becomes JSON.
type catalogue interface {
	get(ctx context.Context, id int64) (record any, version int64, err error)
	// list returns a page, and how many rows there are up to one beyond it.
	list(ctx context.Context, q listing) (records any, n int, err error)
	// create adds a product and fills in its id.
	create(ctx context.Context, p *product) (record any, err error)
	createAll(ctx context.Context, ps []product) (ids []int64, err error)
	close() error
}

func routes(db catalogue, careful bool) http.Handler {
	mux := http.NewServeMux()
	if file, ok := db.(*database); ok && careful {
		c := &carefulAPI{db: file}
		mux.HandleFunc("GET /api/products/{id}", c.get)
		mux.HandleFunc("GET /api/products", c.list)
		mux.HandleFunc("POST /api/products", c.create)
	} else {
		a := &api{db: db}
		mux.HandleFunc("GET /api/products/{id}", a.get)
		mux.HandleFunc("GET /api/products", a.list)
		mux.HandleFunc("POST /api/products", a.create)
		mux.HandleFunc("POST /api/products/bulk_create", a.bulk)
	}
	return mux
}

// api answers with structs and encoding/json.
type api struct{ db catalogue }

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		refuse(w, errNotFound)
		return
	}
	p, version, err := a.db.get(r.Context(), id)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("ETag", `"`+strconv.FormatInt(version, 10)+`"`)
	answer(w, http.StatusOK, p)
}

type page struct {
	Records any   `json:"records"`
	Count   int   `json:"count"`
	Limit   int64 `json:"limit"`
	Offset  int64 `json:"offset"`
	HasMore bool  `json:"has_more"`
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	q, err := window(r)
	if err != nil {
		refuse(w, err)
		return
	}
	records, n, err := a.db.list(r.Context(), q)
	if err != nil {
		refuse(w, err)
		return
	}
	more := int64(n) > q.limit
	answer(w, http.StatusOK, page{Records: records, Count: min(n, int(q.limit)), Limit: q.limit, Offset: q.offset, HasMore: more})
}

// listing is what a list asks for: a page in the order of ids, or of the
// active products, the newest first.
type listing struct {
	limit, offset int64
	active        bool
}

// window reads limit, offset, active and sort from the query string.
func window(r *http.Request) (l listing, err error) {
	l.limit = 100
	q := r.URL.Query()
	if s := q.Get("limit"); s != "" {
		if l.limit, err = strconv.ParseInt(s, 10, 64); err != nil || l.limit < 1 || l.limit > 1000 {
			return l, invalid{{"/limit", "must be from 1 to 1000"}}
		}
	}
	if s := q.Get("offset"); s != "" {
		if l.offset, err = strconv.ParseInt(s, 10, 64); err != nil || l.offset < 0 {
			return l, invalid{{"/offset", "must be 0 or more"}}
		}
	}
	if q.Has("active") || q.Has("sort") {
		if l.active = q.Get("active") == "true" && q.Get("sort") == "-id"; !l.active {
			return l, invalid{{"/active", "must be true, with sort=-id"}}
		}
	}
	return l, nil
}

// draft is the body of a create.
type draft struct {
	SKU    *string `json:"sku"`
	Name   *string `json:"name"`
	Price  *cents  `json:"price"`
	Stock  *int64  `json:"stock"`
	Active *bool   `json:"active"`
}

// decode reads a draft from a body.
func decode(w http.ResponseWriter, r *http.Request) (d draft, err error) {
	err = decodeInto(w, r, &d)
	return d, err
}

func decodeInto(w http.ResponseWriter, r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return malformed{err}
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed{errors.New("something follows the object")}
	}
	return nil
}

func (a *api) create(w http.ResponseWriter, r *http.Request) {
	d, err := decode(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	p, err := d.product()
	var record any
	if err == nil {
		record, err = a.db.create(r.Context(), &p)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Location", "/api/products/"+strconv.FormatInt(p.ID, 10))
	w.Header().Set("ETag", `"1"`)
	answer(w, http.StatusCreated, record)
}

func (a *api) bulk(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Data []draft `json:"data"`
	}
	if err := decodeInto(w, r, &body); err != nil {
		refuse(w, err)
		return
	}
	ps := make([]product, len(body.Data))
	var bad invalid
	for i := range body.Data {
		p, err := body.Data[i].product()
		var problems invalid
		if errors.As(err, &problems) {
			for _, pr := range problems {
				bad = append(bad, problem{"/data/" + strconv.Itoa(i) + pr.Pointer, pr.Detail})
			}
		}
		ps[i] = p
	}
	if bad != nil {
		refuse(w, bad)
		return
	}
	ids, err := a.db.createAll(r.Context(), ps)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, struct {
		Processed int     `json:"processed"`
		Inserted  int     `json:"inserted"`
		IDs       []int64 `json:"ids"`
	}{len(ps), len(ids), ids})
}

// product checks a draft and fills in its defaults.
func (d *draft) product() (product, error) {
	p := product{Active: true}
	var bad invalid
	switch {
	case d.SKU == nil:
		bad = append(bad, problem{"/sku", "is required"})
	case len(*d.SKU) < 1 || len(*d.SKU) > 40:
		bad = append(bad, problem{"/sku", "must have 1 to 40 characters"})
	default:
		p.SKU = *d.SKU
	}
	switch {
	case d.Name == nil:
		bad = append(bad, problem{"/name", "is required"})
	case len(*d.Name) < 1 || len(*d.Name) > 200:
		bad = append(bad, problem{"/name", "must have 1 to 200 characters"})
	default:
		p.Name = *d.Name
	}
	switch {
	case d.Price == nil:
		bad = append(bad, problem{"/price", "is required"})
	case *d.Price < 0:
		bad = append(bad, problem{"/price", "must be 0 or more"})
	default:
		p.Price = *d.Price
	}
	if d.Stock != nil {
		p.Stock = *d.Stock
	}
	if p.Stock < 0 {
		bad = append(bad, problem{"/stock", "must be 0 or more"})
	}
	if d.Active != nil {
		p.Active = *d.Active
	}
	if bad != nil {
		return p, bad
	}
	return p, nil
}

func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

type problem struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

type invalid []problem

func (invalid) Error() string { return "the input is wrong" }

type malformed struct{ err error }

func (m malformed) Error() string { return fmt.Sprintf("the body can't be read: %v", m.err) }

// refuse answers with problem+json.
func refuse(w http.ResponseWriter, err error) {
	status, detail := http.StatusInternalServerError, "something went wrong"
	var problems invalid
	switch {
	case errors.As(err, &problems):
		status, detail = http.StatusUnprocessableEntity, err.Error()
	case errors.As(err, &malformed{}):
		status, detail = http.StatusBadRequest, err.Error()
	case errors.Is(err, errNotFound):
		status, detail = http.StatusNotFound, err.Error()
	case errors.Is(err, errTaken):
		status, detail = http.StatusConflict, err.Error()
	default:
		log.Print(err)
	}
	body, err := json.Marshal(struct {
		Title  string  `json:"title"`
		Status int     `json:"status"`
		Detail string  `json:"detail"`
		Errors invalid `json:"errors,omitempty"`
	}{http.StatusText(status), status, detail, problems})
	if err != nil {
		log.Print(err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	w.Write(body)
}
