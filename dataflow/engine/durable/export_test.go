package durable

// Kept is a value as it comes back from having been kept.
func Kept(v any) (any, error) {
	text, err := encode(v)
	if err != nil {
		return nil, err
	}
	return decode(text)
}
