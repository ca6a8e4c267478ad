package observe

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// The messages of OTLP that spans are sent in, version 1 of their protocol. A
// tag has a field's number in the protocol and its name in JSON. A zero value is
// left out, as both encodings want it; what is set to one behind a pointer is
// not. Spans' events are left out on purpose: the library makes one of a panic,
// whose text may hold what a caller gave; links are never made here.
type (
	exportRequest struct {
		ResourceSpans []resourceSpans `otlp:"1" json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resourceMessage `otlp:"1" json:"resource"`
		ScopeSpans []scopeSpans    `otlp:"2" json:"scopeSpans"`
		SchemaURL  string          `otlp:"3" json:"schemaUrl,omitempty"`
	}
	resourceMessage struct {
		Attributes []keyValue `otlp:"1" json:"attributes,omitempty"`
	}
	scopeSpans struct {
		Scope     scopeMessage  `otlp:"1" json:"scope"`
		Spans     []spanMessage `otlp:"2" json:"spans"`
		SchemaURL string        `otlp:"3" json:"schemaUrl,omitempty"`
	}
	scopeMessage struct {
		Name    string `otlp:"1" json:"name"`
		Version string `otlp:"2" json:"version,omitempty"`
	}
	spanMessage struct {
		TraceID           hexBytes      `otlp:"1" json:"traceId"`
		SpanID            hexBytes      `otlp:"2" json:"spanId"`
		TraceState        string        `otlp:"3" json:"traceState,omitempty"`
		ParentSpanID      hexBytes      `otlp:"4" json:"parentSpanId,omitempty"`
		Name              string        `otlp:"5" json:"name"`
		Kind              int           `otlp:"6" json:"kind"` // as the library numbers them
		Start             uint64        `otlp:"7" json:"startTimeUnixNano,string"`
		End               uint64        `otlp:"8" json:"endTimeUnixNano,string"`
		Attributes        []keyValue    `otlp:"9" json:"attributes,omitempty"`
		DroppedAttributes int           `otlp:"10" json:"droppedAttributesCount,omitempty"`
		Status            statusMessage `otlp:"15" json:"status"`
		Flags             uint32        `otlp:"16" json:"flags,omitempty"`
	}
	statusMessage struct {
		Message string `otlp:"2" json:"message,omitempty"`
		Code    int    `otlp:"3" json:"code,omitempty"`
	}
	keyValue struct {
		Key   string   `otlp:"1" json:"key"`
		Value anyValue `otlp:"2" json:"value"`
	}
	anyValue struct { // one of them
		String *string     `otlp:"1" json:"stringValue,omitempty"`
		Bool   *bool       `otlp:"2" json:"boolValue,omitempty"`
		Int    *int64      `otlp:"3" json:"intValue,omitempty,string"`
		Double *float64    `otlp:"4" json:"doubleValue,omitempty"`
		Array  *arrayValue `otlp:"5" json:"arrayValue,omitempty"`
	}
	arrayValue struct {
		Values []anyValue `otlp:"1" json:"values"`
	}
	// hexBytes are ids, which JSON has in hexadecimal digits.
	hexBytes []byte
)

// MarshalJSON implements json.Marshaler.
func (b hexBytes) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(b)) }

// What a span's flags say besides those of its trace: whether it is known if
// its parent is another process's, and whether it is.
const (
	flagParentKnown  = 0x100
	flagParentRemote = 0x200
)

// newExport puts spans into a message. All are of one resource.
func newExport(spans []sdk.ReadOnlySpan) exportRequest {
	var scopes []scopeSpans
	at := map[instrumentation.Scope]int{}
	for _, s := range spans {
		scope := s.InstrumentationScope()
		i, ok := at[scope]
		if !ok {
			i = len(scopes)
			at[scope] = i
			scopes = append(scopes, scopeSpans{Scope: scopeMessage{scope.Name, scope.Version}, SchemaURL: scope.SchemaURL})
		}
		scopes[i].Spans = append(scopes[i].Spans, newSpan(s))
	}
	res := spans[0].Resource()
	return exportRequest{[]resourceSpans{{resourceMessage{newAttributes(res.Attributes())}, scopes, res.SchemaURL()}}}
}

func newSpan(s sdk.ReadOnlySpan) spanMessage {
	own, parent := s.SpanContext(), s.Parent()
	trace, id := own.TraceID(), own.SpanID()
	m := spanMessage{
		TraceID: trace[:], SpanID: id[:], TraceState: own.TraceState().String(), Name: s.Name(), Kind: int(s.SpanKind()),
		Start: uint64(s.StartTime().UnixNano()), End: uint64(s.EndTime().UnixNano()),
		Attributes: newAttributes(s.Attributes()), DroppedAttributes: s.DroppedAttributes(),
		Flags: uint32(own.TraceFlags()) | flagParentKnown,
	}
	if above := parent.SpanID(); above.IsValid() {
		m.ParentSpanID = above[:]
	}
	if parent.IsRemote() {
		m.Flags |= flagParentRemote
	}
	switch s.Status().Code { // which the protocol numbers otherwise
	case codes.Ok:
		m.Status.Code = 1
	case codes.Error:
		m.Status = statusMessage{s.Status().Description, 2}
	}
	return m
}

func newAttributes(attrs []attribute.KeyValue) []keyValue {
	out := make([]keyValue, len(attrs))
	for i, a := range attrs {
		out[i] = keyValue{string(a.Key), newValue(a.Value)}
	}
	return out
}

func newValue(v attribute.Value) anyValue {
	switch v.Type() {
	case attribute.BOOL:
		return anyValue{Bool: new(v.AsBool())}
	case attribute.INT64:
		return anyValue{Int: new(v.AsInt64())}
	case attribute.FLOAT64:
		return anyValue{Double: new(v.AsFloat64())}
	case attribute.STRINGSLICE: // which resources have: the arguments of a process
		values := []anyValue{}
		for _, s := range v.AsStringSlice() {
			values = append(values, anyValue{String: &s})
		}
		return anyValue{Array: &arrayValue{values}}
	}
	return anyValue{String: new(v.String())}
}

// Wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// appendMessage appends a message's fields as protobuf has them. Unsigned
// numbers are those of fixed width, which is all that these messages use them
// for.
func appendMessage(b []byte, m reflect.Value) []byte {
	for i := range m.NumField() {
		number, err := strconv.ParseUint(m.Type().Field(i).Tag.Get("otlp"), 10, 32)
		if err != nil {
			panic("a field of " + m.Type().Name() + " has no number") // of a table of this file
		}
		b = appendField(b, number, m.Field(i), false)
	}
	return b
}

// appendField appends a field, unless it is a zero value that nobody has set.
func appendField(b []byte, number uint64, v reflect.Value, set bool) []byte {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return b
		}
		v, set = v.Elem(), true
	}
	if v.IsZero() && !set {
		return b
	}
	key := func(wire uint64) []byte { return binary.AppendUvarint(b, number<<3|wire) }
	text := func(s []byte) []byte {
		return append(binary.AppendUvarint(key(wireBytes), uint64(len(s))), s...)
	}
	switch v.Kind() {
	case reflect.String:
		return text([]byte(v.String()))
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		return binary.AppendUvarint(key(wireVarint), n)
	case reflect.Int, reflect.Int64:
		return binary.AppendUvarint(key(wireVarint), uint64(v.Int()))
	case reflect.Uint64:
		return binary.LittleEndian.AppendUint64(key(wireFixed64), v.Uint())
	case reflect.Uint32:
		return binary.LittleEndian.AppendUint32(key(wireFixed32), uint32(v.Uint()))
	case reflect.Float64:
		return binary.LittleEndian.AppendUint64(key(wireFixed64), math.Float64bits(v.Float()))
	case reflect.Struct:
		return text(appendMessage(nil, v))
	}
	if ids, ok := v.Interface().(hexBytes); ok {
		return text(ids)
	}
	for i := range v.Len() { // of messages
		b = appendField(b, number, v.Index(i), true)
	}
	return b
}

// encoding is a form that messages are sent in.
type encoding struct {
	contentType string
	encode      func(exportRequest) ([]byte, error)
	// refused reads from an answer how many spans were not taken, and why.
	refused func(answer []byte) (spans int64, reason string)
}

// encodings are what OTEL_EXPORTER_OTLP_PROTOCOL may ask for.
var encodings = map[string]encoding{
	"http/protobuf": {"application/x-protobuf",
		func(m exportRequest) ([]byte, error) { return appendMessage(nil, reflect.ValueOf(m)), nil },
		func(answer []byte) (int64, string) {
			partial := fieldsOf(answer)[1].text
			fields := fieldsOf(partial)
			return int64(fields[1].number), string(fields[2].text)
		}},
	"http/json": {"application/json",
		func(m exportRequest) ([]byte, error) { return json.Marshal(m) },
		func(answer []byte) (int64, string) {
			var a struct {
				PartialSuccess struct {
					RejectedSpans json.Number `json:"rejectedSpans"` // or as text
					ErrorMessage  string      `json:"errorMessage"`
				} `json:"partialSuccess"`
			}
			_ = json.Unmarshal(answer, &a) // what can't be read says nothing
			n, _ := a.PartialSuccess.RejectedSpans.Int64()
			return n, a.PartialSuccess.ErrorMessage
		}},
}

// protoField is a field of a message that was received.
type protoField struct {
	number uint64 // its value, of a varint
	text   []byte
}

// fieldsOf reads a message of protobuf as far as it can be read: the last of
// each field that is a varint or text.
func fieldsOf(b []byte) map[uint64]protoField {
	fields := map[uint64]protoField{}
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			break
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		if n <= 0 {
			break
		}
		switch b = b[n:]; {
		case key&7 == wireVarint:
			fields[key>>3] = protoField{number: v}
		case key&7 == wireBytes && v <= uint64(len(b)):
			fields[key>>3] = protoField{text: b[:v]}
			b = b[v:]
		default:
			return fields
		}
	}
	return fields
}
