package lsp

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// misfit says what is wrong with the parameters of a method, or "": the first
// member that is missing or of another type than the protocol gives it. It
// speaks of JSON, as whoever writes a client knows it.
func misfit(raw json.RawMessage, want reflect.Type, member string) string {
	name := member
	if name == "" {
		name = "params"
	}
	got := kindOf(raw)
	if want.Kind() == reflect.Pointer {
		if got == "null" {
			return ""
		}
		want = want.Elem()
	}
	must := jsonKind(want.Kind())
	switch {
	case want.Kind() == reflect.Struct && want.NumField() == 0: // of which nothing is read
		return ""
	case got == "":
		return name + " are missing; they must be " + must
	case got != must:
		return name + " must be " + must + ", not " + got
	}
	switch want.Kind() {
	case reflect.Int:
		if _, err := strconv.Atoi(strings.TrimSpace(string(raw))); err != nil {
			return name + " must be a whole number"
		}
	case reflect.Struct:
		return misfitMember(raw, want, member)
	case reflect.Slice:
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items) // it is a list
		for i, item := range items {
			if why := misfit(item, want.Elem(), member+"["+strconv.Itoa(i)+"]"); why != "" {
				return why
			}
		}
	}
	return ""
}

// misfitMember is misfit of an object's members.
func misfitMember(raw json.RawMessage, want reflect.Type, of string) string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // it is an object
	for i := range want.NumField() {
		f := want.Field(i)
		if f.Anonymous { // its members are those of what it stands in
			if why := misfitMember(raw, f.Type, of); why != "" {
				return why
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := strings.TrimPrefix(of+"."+name, ".")
		value, ok := members[name]
		for other := range members { // the decoder takes other capitals too
			if !ok && strings.EqualFold(other, name) {
				value, ok = members[other], true
			}
		}
		if !ok {
			if f.Type.Kind() == reflect.Pointer || options == "omitempty" {
				continue
			}
			return at + " is missing; it must be " + jsonKind(f.Type.Kind())
		}
		if why := misfit(value, f.Type, at); why != "" {
			return why
		}
	}
	return ""
}

func jsonKind(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// kindOf names what JSON text is by its first character.
func kindOf(raw json.RawMessage) string {
	text := strings.TrimSpace(string(raw[:min(len(raw), 64)]))
	switch {
	case text == "":
		return ""
	case text[0] == '{':
		return "an object"
	case text[0] == '[':
		return "an array"
	case text[0] == '"':
		return "a string"
	case text[0] == 't', text[0] == 'f':
		return "true or false"
	case text[0] == 'n':
		return "null"
	}
	return "a number"
}
