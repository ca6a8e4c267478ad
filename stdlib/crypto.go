package stdlib

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"unicode/utf8"

	sl "go.starlark.net/starlark"
)

func cryptoMembers() sl.StringDict {
	return dict(
		// sha256(data), sha512(data) return the digest as hex (FIPS 180-4).
		digest("sha256", sha256.New),
		digest("sha512", sha512.New),
		// hmac_sha256(key, data), hmac_sha512(key, data) return the code as hex (RFC 2104).
		mac("hmac_sha256", sha256.New),
		mac("hmac_sha512", sha512.New),
		// equal(a, b) compares in a time that depends on their lengths alone.
		builtin("equal", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var x, y data
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "a", &x, "b", &y); err != nil {
				return nil, err
			}
			return sl.Bool(subtle.ConstantTimeCompare(x, y) == 1), nil
		}),
		encoder("hex_encode", hex.EncodeToString),
		decoder("hex_decode", hex.DecodeString),
		encoder("base64_encode", base64.StdEncoding.EncodeToString),
		decoder("base64_decode", base64.StdEncoding.DecodeString),
		encoder("base64url_encode", base64.RawURLEncoding.EncodeToString),
		decoder("base64url_decode", base64.RawURLEncoding.DecodeString),
		// text(data) reads bytes as UTF-8.
		builtin("text", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var d data
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "data", &d); err != nil {
				return nil, err
			}
			if !utf8.Valid(d) {
				return nil, fmt.Errorf("the bytes are not UTF-8")
			}
			return sl.String(d), nil
		}),
	)
}

// data is an argument of bytes, or of a string, which stands for its UTF-8.
type data []byte

// Unpack implements starlark.Unpacker.
func (d *data) Unpack(v sl.Value) error {
	switch v := v.(type) {
	case sl.String:
		*d = data(v)
	case sl.Bytes:
		*d = data(v)
	default:
		return fmt.Errorf("got %s, want a string or bytes", v.Type())
	}
	return nil
}

func digest(name string, make func() hash.Hash) *sl.Builtin {
	return builtin(name, func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var d data
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "data", &d); err != nil {
			return nil, err
		}
		h := make()
		h.Write(d)
		return sl.String(hex.EncodeToString(h.Sum(nil))), nil
	})
}

func mac(name string, make func() hash.Hash) *sl.Builtin {
	return builtin(name, func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var key, d data
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "key", &key, "data", &d); err != nil {
			return nil, err
		}
		h := hmac.New(make, key)
		h.Write(d)
		return sl.String(hex.EncodeToString(h.Sum(nil))), nil
	})
}

func encoder(name string, encode func([]byte) string) *sl.Builtin {
	return builtin(name, func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var d data
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "data", &d); err != nil {
			return nil, err
		}
		return sl.String(encode(d)), nil
	})
}

func decoder(name string, decode func(string) ([]byte, error)) *sl.Builtin {
	return builtin(name, func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var s string
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s); err != nil {
			return nil, err
		}
		raw, err := decode(s)
		if err != nil {
			return nil, fmt.Errorf("the text is not in this encoding")
		}
		return sl.Bytes(raw), nil
	})
}
