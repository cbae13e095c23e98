package provider

import (
	"bytes"
	"io"
)

// pieces are the parts of a body, one behind the other. They alias the body
// that a client sent, so that a long one is not copied to change a few bytes.
type pieces [][]byte

// longBody is a body that is not worth a copy. A shorter one is better in one
// piece, which net/http writes together with the header; and as it may be read
// when an exchange is over, in one of its own.
const longBody = 16 << 10

func (p pieces) len() int64 {
	n := 0
	for _, b := range p {
		n += len(b)
	}
	return int64(n)
}

func (p pieces) join() []byte {
	if len(p) == 1 {
		return p[0]
	}
	return bytes.Join(p, nil)
}

func (p pieces) reader() io.Reader {
	if len(p) == 1 {
		return bytes.NewReader(p[0])
	}
	readers := make([]io.Reader, len(p))
	for i, b := range p {
		readers[i] = bytes.NewReader(b)
	}
	return io.MultiReader(readers...)
}
