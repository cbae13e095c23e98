package provider

import (
	"bytes"
	"io"
	"slices"
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
	return &piecesReader{slices.Clone(p)}
}

// piecesReader reads pieces. It takes them off the front.
type piecesReader struct{ left pieces }

func (r *piecesReader) Read(b []byte) (n int, err error) {
	for n < len(b) && len(r.left) > 0 {
		m := copy(b[n:], r.left[0])
		n += m
		if r.left[0] = r.left[0][m:]; len(r.left[0]) == 0 {
			r.left = r.left[1:]
		}
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo writes what is left, each piece from where it stands.
func (r *piecesReader) WriteTo(w io.Writer) (n int64, err error) {
	for len(r.left) > 0 && err == nil {
		var m int
		m, err = w.Write(r.left[0])
		n += int64(m)
		r.left = r.left[1:]
	}
	return n, err
}
