package rest

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/front"
)

// jsonBody reads a body that must be JSON. It is nil if there is none.
func jsonBody(x *front.Exchange) ([]byte, error) {
	body, err := x.Body()
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if err := checkMedia(x); err != nil {
		return nil, err
	}
	return body, nil
}

// requiredBody is jsonBody for requests that mean nothing without one.
func requiredBody(x *front.Exchange) ([]byte, error) {
	body, err := jsonBody(x)
	if err == nil && body == nil {
		err = &dataflow.Error{Code: "malformed_json", Status: dataflow.StatusInvalid,
			Message: "the request has no body", Hint: "send a JSON object"}
	}
	return body, err
}

// checkMedia insists on a JSON Content-Type. A missing one is refused too: a
// page of another origin may send a body without one, unasked.
func checkMedia(x *front.Exchange) error {
	types := x.Request.Header["Content-Type"]
	if len(types) == 1 && types[0] == "application/json" {
		return nil
	}
	media, params := "", ""
	if len(types) == 1 {
		media, params, _ = strings.Cut(types[0], ";")
	}
	media = strings.ToLower(strings.TrimSpace(media))
	isJSON := media == "application/json" || media == "application/merge-patch+json" && x.Request.Method == "PATCH"
	if isJSON && utf8Only(params) {
		return nil
	}
	x.Header().Set("Accept-Post", "application/json")
	return &dataflow.Error{Code: "unsupported_media_type", Status: dataflow.StatusInvalid,
		Message: "the body's Content-Type is not application/json in UTF-8",
		Hint:    "send Content-Type: application/json"}
}

func utf8Only(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		if c, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(p)), "charset="); ok {
			if c = strings.Trim(c, `"`); c != "utf-8" && c != "utf8" {
				return false
			}
		}
	}
	return true
}

// objectBody parses a body that must be a JSON object.
func objectBody(body []byte) (*dataflow.Object, error) {
	v, problems := codec.ParseJSON(body, codec.MaxDepth)
	if len(problems) > 0 {
		return nil, codec.Error(problems)
	}
	o, ok := v.(*dataflow.Object)
	if !ok {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Detail: "the body must be a JSON object"})
	}
	return o, nil
}

// sendValue answers with a canonical value.
func sendValue(x *front.Exchange, status int, v any) error {
	x.Out = codec.AppendValue(x.Out, v)
	x.Send(status)
	return nil
}

// sendCached answers a GET with a canonical value that the client may keep, if it
// asks whether it still holds.
func sendCached(x *front.Exchange, v any) error {
	x.Out = codec.AppendValue(x.Out, v)
	x.Header()["Cache-Control"] = noCache
	sendHashed(x)
	return nil
}
