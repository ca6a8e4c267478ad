package rest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/front"
)

// etag is the entity tag of a row's version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// condition is what If-Match asks of a row's version.
type condition struct {
	given bool
	any   bool    // "*"
	of    []int64 // the versions that will do; empty: none will
	meant string  // the tag that is meant by one without quotes, or by a weak one
}

// ifMatch reads the If-Match header. Tags that are weak or not ours match no
// row, as RFC 9110 has it.
func ifMatch(x *front.Exchange) condition {
	lines := x.Request.Header["If-Match"]
	c := condition{given: len(lines) > 0}
	for tag := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" {
			c.any = true
		}
		if version, ok := parseTag(tag); ok {
			c.of = append(c.of, version)
		} else if version, ok := parseTag(`"` + strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) + `"`); ok {
			c.meant = etag(version)
		}
	}
	return c
}

// parseTag reads the tag of a version: also the one that it has where the row
// was sent packed.
func parseTag(tag string) (version int64, ok bool) {
	tag = front.PlainTag(tag)
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return 0, false
	}
	version, err := strconv.ParseInt(tag[1:len(tag)-1], 10, 64)
	return version, err == nil && etag(version) == tag
}

// onlyNew reports whether a write is to make a row, and not to change one that
// is there: If-None-Match: *.
func onlyNew(x *front.Exchange) (bool, error) {
	lines := x.Request.Header["If-None-Match"]
	switch {
	case len(lines) == 0:
		return false, nil
	case len(lines) == 1 && strings.TrimSpace(lines[0]) == "*" && len(x.Request.Header["If-Match"]) == 0:
		return true, nil
	}
	return false, &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
		Message: "of a write, If-None-Match can only say that there is to be no such row yet",
		Hint:    "send If-None-Match: * to PUT a new row, or If-Match with the version to change one"}
}

func thereAlready(m *dataflow.Model) error {
	return &dataflow.Error{Code: "precondition_failed", Status: dataflow.StatusPrecondition, Model: m.Name,
		Message: "there is a row with this id, and If-None-Match: * asks for none", Hint: "leave the header out to replace it"}
}

// require returns the condition a write to a row of m must meet.
func (m *model) require(x *front.Exchange) (condition, error) {
	c := ifMatch(x)
	switch {
	case m.decl.Versioned && !c.given:
		return c, &dataflow.Error{Code: "precondition_required", Status: dataflow.StatusPreconditionRequired, Model: m.decl.Name,
			Message: "the row is versioned: say which version you read",
			Hint:    "send its ETag as If-Match, or If-Match: * to write whatever the version is"}
	case c.given && !c.any && (!m.decl.Versioned || len(c.of) == 0):
		return c, preconditionFailed(m.decl, c)
	}
	return c, nil
}

// matched refuses a read of what If-Match does not ask for: a row of another
// version, or, with version 0, an answer that has none.
func (m *model) matched(x *front.Exchange, version int64) error {
	if len(x.Request.Header["If-Match"]) == 0 {
		return nil
	}
	c := ifMatch(x)
	if c.any || version > 0 && slices.Contains(c.of, version) {
		return nil
	}
	e := preconditionFailed(m.decl, c).(*dataflow.Error)
	switch {
	case m.decl.Versioned && version == 0:
		e.Message = "with expand the answer has no version, which If-Match asks for"
		e.Hint = "leave If-Match out, or expand"
	case m.decl.Versioned && len(c.of) > 0:
		e.Hint = "leave If-Match out to read the row as it is now"
	}
	return e
}

func preconditionFailed(m *dataflow.Model, c condition) error {
	e := &dataflow.Error{Code: "precondition_failed", Status: dataflow.StatusPrecondition, Model: m.Name,
		Message: "the row is not of the version that If-Match names",
		Hint:    "read it again, and apply the change to what it is now"}
	switch {
	case !m.Versioned:
		e.Hint = m.Name + " keeps no versions: leave If-Match out"
	case c.meant != "" && len(c.of) == 0:
		e.Hint = "write the tag as the row has it, strong and with its quotes: If-Match: " + c.meant
	}
	return e
}
