package stdlib

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	sl "go.starlark.net/starlark"
)

func cryptoModule() Module {
	return Module{Name: "crypto", Capability: pure, Doc: "Digests and encodings of strings or bytes. Digests are in hexadecimal.", Functions: []Function{
		{Name: "sha256", Params: "data", Doc: "SHA-256.", call: digest(func(d []byte) []byte { h := sha256.Sum256(d); return h[:] }), Examples: []Example{{`sha256("abc")`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}},
		{Name: "sha512", Params: "data", Doc: "SHA-512.", call: digest(func(d []byte) []byte { h := sha512.Sum512(d); return h[:] }), Examples: []Example{{`sha512("abc")[:16]`, "ddaf35a193617aba"}}},
		{Name: "hmac_sha256", Params: "key, data", Doc: "HMAC with SHA-256, as senders sign their calls.", call: hmacSHA256, Examples: []Example{{`hmac_sha256("key", "The quick brown fox jumps over the lazy dog")`, "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"}}},
		{Name: "equal", Params: "a, b", Doc: "Whether two secrets are equal, in a time that tells nothing about them.", call: equalSecrets, Examples: []Example{{`equal("a", "a")`, "True"}, {`equal("a", "b")`, "False"}}},
		{Name: "base64_encode", Params: "data", Doc: "Base64.", call: encoded(base64.StdEncoding.EncodeToString), Examples: []Example{{`base64_encode("hi?>")`, "aGk/Pg=="}}},
		{Name: "base64_decode", Params: "text", Doc: "What base64 text holds: a string where it is UTF-8, else bytes.", call: decoded("base64", base64.StdEncoding.DecodeString), Examples: []Example{{`base64_decode("aGk/Pg==")`, "hi?>"}}},
		{Name: "base64url_encode", Params: "data", Doc: "Base64 for addresses, without padding.", call: encoded(base64.RawURLEncoding.EncodeToString), Examples: []Example{{`base64url_encode("hi?>")`, "aGk_Pg"}}},
		{Name: "base64url_decode", Params: "text", Doc: "What such text holds.", call: decoded("base64url", base64.RawURLEncoding.DecodeString), Examples: []Example{{`base64url_decode("aGk_Pg")`, "hi?>"}}},
		{Name: "hex_encode", Params: "data", Doc: "Hexadecimal.", call: encoded(hex.EncodeToString), Examples: []Example{{`hex_encode("hi")`, "6869"}}},
		{Name: "hex_decode", Params: "text", Doc: "What hexadecimal text holds.", call: decoded("hexadecimal", hex.DecodeString), Examples: []Example{{`hex_decode("6869")`, "hi"}}},
	}}
}

// data is a string or bytes parameter.
type data []byte

// Unpack implements starlark.Unpacker.
func (d *data) Unpack(v sl.Value) error {
	switch v := v.(type) {
	case sl.String:
		*d = data(v)
	case sl.Bytes:
		*d = data(v)
	default:
		return fmt.Errorf("want a string or bytes, not %s", v.Type())
	}
	return nil
}

func encoded(encode func([]byte) string) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var d data
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "data", &d); err != nil {
			return nil, err
		}
		return sl.String(encode(d)), nil
	}
}

func digest(sum func([]byte) []byte) goFunc {
	return encoded(func(d []byte) string { return hex.EncodeToString(sum(d)) })
}

// decoded gives a string where the bytes are text, else bytes.
func decoded(name string, decode func(string) ([]byte, error)) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var text string
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "text", &text); err != nil {
			return nil, err
		}
		raw, err := decode(text)
		if err != nil {
			return nil, fmt.Errorf("%s: the text is not %s", b.Name(), name)
		}
		if utf8.Valid(raw) {
			return sl.String(raw), nil
		}
		return sl.Bytes(raw), nil
	}
}

func hmacSHA256(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var key, d data
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "key", &key, "data", &d); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(d)
	return sl.String(hex.EncodeToString(mac.Sum(nil))), nil
}

func equalSecrets(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var x, y data
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "a", &x, "b", &y); err != nil {
		return nil, err
	}
	return sl.Bool(subtle.ConstantTimeCompare(x, y) == 1), nil
}
