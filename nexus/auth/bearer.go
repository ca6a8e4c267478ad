package auth

import (
	"net/http"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// maxCredential is how long a key or token may be. What is longer is refused
// before anything looks into it.
const maxCredential = 8 << 10

// credential returns the key or token that a request comes with, or "".
func credential(r *http.Request) (string, error) {
	bearer, key := r.Header["Authorization"], r.Header["X-Api-Key"]
	switch len(bearer) + len(key) {
	case 0:
		return "", nil
	case 1:
	default: // which of them counts is a matter of taste, and so of attacks
		return "", &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid, Message: "the request says more than once who makes it",
			Hint: "send one Authorization header, or one X-API-Key, and nothing else"}
	}
	if len(key) == 1 {
		if !strings.HasPrefix(key[0], KeyMark) || !wellFormed(key[0]) {
			return "", notGood(KeyMark)
		}
		return key[0], nil
	}
	scheme, text, _ := strings.Cut(bearer[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &dataflow.Error{Code: "invalid_credentials", Status: dataflow.StatusUnauthorized, Message: "the Authorization header is not of the kind Bearer",
			Hint: "send Authorization: Bearer and the key or token"}
	}
	text = strings.Trim(text, " ")
	if !wellFormed(text) {
		return "", notGood(text)
	}
	return text, nil
}

// wellFormed reports whether a text can be a key or token (b64token of RFC
// 6750, 2.1) of bounded length.
func wellFormed(text string) bool {
	if text == "" || len(text) > maxCredential {
		return false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == '+', c == '/', c == '=':
		default:
			return false
		}
	}
	return true
}

// notGood refuses a key or token. Of a key nothing more is ever said: not
// whether there is one of its id, nor what has become of it.
func notGood(text string) error {
	what := "token"
	if strings.HasPrefix(text, KeyMark) {
		what = "API key"
	}
	return &dataflow.Error{Code: "invalid_credentials", Status: dataflow.StatusUnauthorized, Message: "the " + what + " is not good",
		Hint: "it may be misspelt, over or revoked; whoever runs the app can make another"}
}

// tokenNotGood says what is wrong with a token whose signature is right.
func tokenNotGood(why string) error {
	return &dataflow.Error{Code: "invalid_credentials", Status: dataflow.StatusUnauthorized, Message: "the token " + why,
		Hint: "sign in again for another one"}
}
