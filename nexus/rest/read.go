package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
)

// noCache lets a client itself keep an answer, but makes it ask whether it
// still holds.
var noCache = []string{"private, no-cache"}

// get serves one row.
func (m *model) get(x *front.Exchange, id any) error {
	c := m.seeing(x.Caller)
	var fields []int
	if x.Request.URL.RawQuery != "" {
		shown, e, err := m.getQuery(c, x.Request.URL.RawQuery)
		if err != nil {
			return err
		}
		if e != nil {
			return m.getExpanded(x, c, id, shown, e)
		}
		fields = shown
	}
	out, version, err := m.ops.GetJSON(x.Context(), m.store, c, id, fields, x.Out)
	if err != nil {
		return err
	}
	if err := m.matched(x, version); err != nil {
		return err
	}
	x.Out = out
	x.Header()["Cache-Control"] = noCache
	if version == 0 {
		x.Send(http.StatusOK)
	} else {
		x.SendTagged(etag(version))
	}
	return nil
}

// sendHashed sends what a GET is answered with, under a tag made of what it
// says. The tag is a weak one: no write can be made to depend on it.
func sendHashed(x *front.Exchange) {
	sum := sha256.Sum256(x.Out)
	x.SendTagged(`W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`)
}

// getExpanded serves one row with others in it, all of one state of the
// database. It has no ETag: that of the row says nothing of the others.
func (m *model) getExpanded(x *front.Exchange, c access.Caller, id any, fields []int, e *access.Expansion) error {
	err := m.store.Snapshot(x.Context(), func(r store.Reader) (err error) {
		x.Out, err = m.ops.ExpandJSON(x.Context(), r, c, id, fields, e, x.Out[:0])
		return err
	})
	if err == nil {
		err = m.matched(x, 0)
	}
	if err != nil {
		return err
	}
	x.Header()["Cache-Control"] = noCache
	x.Send(http.StatusOK)
	return nil
}

// list serves a page of rows.
func (m *model) list(x *front.Exchange) error {
	if format := exportOf(x.Request); format != "" {
		return m.export(x, format)
	}
	c := m.seeing(x.Caller)
	var q access.ListQuery
	if x.Request.URL.RawQuery != "" {
		var err error
		if q, err = m.listQuery(c, x.Request.URL.RawQuery); err != nil {
			return err
		}
	}
	if len(x.Request.Header["Prefer"]) > 0 && preferences(x).count {
		q.Count = true
		x.Header()["Preference-Applied"] = []string{"count=exact"}
	}
	page, err := m.page(x, c, q)
	if err != nil {
		return err
	}
	x.Out = appendPage(x.Out, q, page)
	header := x.Header()
	header["Cache-Control"] = noCache
	x.Vary("Accept") // all rows can be had in other forms
	if links := links(x.Request.URL, q, page); links != "" {
		header["Link"] = []string{links}
	}
	sendHashed(x)
	return nil
}

// page appends the rows. A page with a count, or with rows of other models, is
// read from one state of the database, so that they agree.
func (m *model) page(x *front.Exchange, c access.Caller, q access.ListQuery) (page access.Page, err error) {
	read := func(r store.Reader) (err error) {
		x.Out = append(x.Out[:0], `{"records":`...)
		x.Out, page, err = m.ops.ListJSON(x.Context(), r, c, q, x.Out)
		return err
	}
	if q.Count || q.Expand != nil {
		err = m.store.Snapshot(x.Context(), read)
	} else {
		err = read(m.store)
	}
	return page, err
}

// appendPage appends what follows the rows.
func appendPage(dst []byte, q access.ListQuery, page access.Page) []byte {
	dst = strconv.AppendInt(append(dst, `,"count":`...), int64(page.Count), 10)
	if page.Total >= 0 {
		dst = strconv.AppendInt(append(dst, `,"total":`...), page.Total, 10)
	}
	limit := q.Limit
	if limit == 0 {
		limit = access.DefaultLimit
	}
	dst = strconv.AppendInt(append(dst, `,"limit":`...), int64(limit), 10)
	if q.Cursor == "" {
		dst = strconv.AppendInt(append(dst, `,"offset":`...), int64(q.Offset), 10)
	}
	if page.NextCursor != "" {
		dst = codec.AppendString(append(dst, `,"next_cursor":`...), page.NextCursor)
	}
	dst = strconv.AppendBool(append(dst, `,"has_more":`...), page.HasMore)
	return append(dst, '}')
}

// links are the Links of a page: to the first and to those before and behind it.
// Where a page was reached by a cursor, there is none to the one before: a cursor
// knows where it begins, and not where a page that ended there began.
func links(u *url.URL, q access.ListQuery, page access.Page) string {
	var all []string
	limit := q.Limit
	if limit == 0 {
		limit = access.DefaultLimit
	}
	if q.Cursor != "" || q.Offset > 0 {
		all = append(all, link(u, "first", "", ""))
	}
	if before := q.Offset - limit; q.Offset > 0 && before > 0 {
		all = append(all, link(u, "prev", "offset", strconv.Itoa(before)))
	} else if q.Offset > 0 {
		all = append(all, link(u, "prev", "", ""))
	}
	if page.NextCursor != "" {
		all = append(all, nextLink(u, page.NextCursor))
	}
	return strings.Join(all, ", ")
}

// nextLink is the Link to the page after this one.
func nextLink(u *url.URL, cursor string) string { return link(u, "next", "cursor", cursor) }

// link is a Link to another page: the same request but for where it starts.
func link(u *url.URL, rel, from, value string) string {
	var parts []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if part != "" && name != "cursor" && name != "offset" {
			parts = append(parts, part)
		}
	}
	if from != "" {
		parts = append(parts, from+"="+url.QueryEscape(value))
	}
	target := u.EscapedPath()
	if len(parts) > 0 {
		target += "?" + strings.Join(parts, "&")
	}
	return "<" + target + `>; rel="` + rel + `"`
}
