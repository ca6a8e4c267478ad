// Package problem gives a dataflow.Error its form in HTTP: a status, and the
// problem details of RFC 9457. It is the one place that maps errors to HTTP.
package problem

import (
	"net/http"
	"strconv"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// ContentType is the media type of a problem.
const ContentType = "application/problem+json"

// TypePrefix starts the type URI of every problem; the error's code follows.
const TypePrefix = "urn:flowctl:problem:"

// StatusClientClosed is the status logged for a request whose client went
// away. Nobody receives it.
const StatusClientClosed = 499

// statuses is the HTTP status of each dataflow.Status.
var statuses = [...]int{
	dataflow.StatusInternal:             http.StatusInternalServerError,
	dataflow.StatusInvalid:              http.StatusUnprocessableEntity,
	dataflow.StatusNotFound:             http.StatusNotFound,
	dataflow.StatusConflict:             http.StatusConflict,
	dataflow.StatusRejected:             http.StatusUnprocessableEntity,
	dataflow.StatusPrecondition:         http.StatusPreconditionFailed,
	dataflow.StatusForbidden:            http.StatusForbidden,
	dataflow.StatusBusy:                 http.StatusServiceUnavailable,
	dataflow.StatusTimeout:              http.StatusGatewayTimeout,
	dataflow.StatusStorage:              http.StatusInsufficientStorage,
	dataflow.StatusUpstream:             http.StatusBadGateway,
	dataflow.StatusCancelled:            StatusClientClosed,
	dataflow.StatusUnauthorized:         http.StatusUnauthorized,
	dataflow.StatusPreconditionRequired: http.StatusPreconditionRequired,
}

// codes are the codes about HTTP itself, for which HTTP has a status that is
// more exact than that of the error's Status.
var codes = []struct {
	code   string
	status int
}{
	{"malformed_json", http.StatusBadRequest},
	{"malformed_request", http.StatusBadRequest},
	{"body_too_large", http.StatusRequestEntityTooLarge},
	{"unsupported_media_type", http.StatusUnsupportedMediaType},
	{"not_acceptable", http.StatusNotAcceptable},
	{"method_not_allowed", http.StatusMethodNotAllowed},
	{"request_timeout", http.StatusRequestTimeout},
	{"rate_limited", http.StatusTooManyRequests},
	{"misdirected", http.StatusMisdirectedRequest},
}

// Status returns the HTTP status of an error.
func Status(e *dataflow.Error) int {
	for _, c := range codes {
		if c.code == e.Code {
			return c.status
		}
	}
	if int(e.Status) < len(statuses) {
		return statuses[e.Status]
	}
	return http.StatusInternalServerError
}

// Title returns the title of a problem with this HTTP status.
func Title(status int) string {
	if status == StatusClientClosed {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// RetryAfter returns after how many seconds it is worth trying again, or 0.
func RetryAfter(e *dataflow.Error) int {
	if e.RetryAfter > 0 {
		return e.RetryAfter
	}
	if e.Status == dataflow.StatusBusy {
		return 1
	}
	return 0
}

// Append appends the problem document of an error. requestID may be "".
func Append(dst []byte, e *dataflow.Error, requestID string) []byte {
	status := Status(e)
	dst = append(dst, `{"type":"`+TypePrefix...)
	dst = append(dst, e.Code...)
	dst = append(dst, `","title":`...)
	dst = codec.AppendString(dst, Title(status))
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = member(dst, "detail", e.Message)
	dst = member(dst, "code", e.Code)
	dst = member(dst, "hint", e.Hint)
	dst = member(dst, "model", e.Model)
	dst = member(dst, "workflow", e.Workflow)
	dst = member(dst, "node", e.Node)
	dst = member(dst, "run_id", e.Run)
	if !e.Span.IsZero() {
		dst = member(dst, "location", e.Span.String())
	}
	dst = member(dst, "request_id", requestID)
	if len(e.Problems) > 0 {
		dst = append(dst, `,"errors":[`...)
		for i, p := range e.Problems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendPart(dst, p)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendPart(dst []byte, p dataflow.Problem) []byte {
	dst = append(dst, `{"code":`...)
	dst = codec.AppendString(dst, p.Code)
	dst = append(dst, `,"pointer":`...)
	dst = codec.AppendString(dst, p.Pointer)
	dst = member(dst, "detail", p.Detail)
	dst = member(dst, "hint", p.Hint)
	if p.Line > 0 {
		dst = strconv.AppendInt(append(dst, `,"line":`...), int64(p.Line), 10)
	}
	return append(dst, '}')
}

// member appends a further string member, unless it is empty.
func member(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return codec.AppendString(dst, value)
}
