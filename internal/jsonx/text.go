package jsonx

import "strings"

// Text makes strings of bytes, many of them in one allocation: for the small
// pieces of a stream, which come and go together. The zero value is ready.
type Text struct{ b strings.Builder }

const textSize = 1 << 10

// String returns b as a string.
func (t *Text) String(b []byte) string {
	if len(b) > textSize/4 {
		return string(b)
	}
	if t.b.Cap()-t.b.Len() < len(b) {
		t.b = strings.Builder{}
		t.b.Grow(textSize)
	}
	n := t.b.Len()
	t.b.Write(b)
	return t.b.String()[n:]
}
