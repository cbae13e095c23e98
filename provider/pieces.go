package provider

import (
	"bytes"
	"io"
	"net"
	"slices"
)

// pieces are the parts of a body, one behind the other. They alias the body
// that a client sent, so that a long one is not copied to change a few bytes.
type pieces [][]byte

// longBody is a body that is not worth a copy.
const longBody = 16 << 10

// getBody returns a request's GetBody. A short body is better in one piece, as a
// bytes.Reader, which net/http writes together with the header; and as it may be
// read when an exchange is over, in one of its own.
func (p pieces) getBody() func() (io.ReadCloser, error) {
	if p.len() < longBody {
		b := bytes.Join(p, nil)
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	}
	own := slices.Clone(p)
	return func() (io.ReadCloser, error) { return own.body(), nil }
}

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

// body returns what reads the pieces.
func (p pieces) body() io.ReadCloser { return &piecesReader{slices.Clone(p)} }

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

// Len returns how many bytes are left.
func (r *piecesReader) Len() int { return int(r.left.len()) }

// WriteTo writes what is left from where it stands, to a connection all at once.
func (r *piecesReader) WriteTo(w io.Writer) (int64, error) {
	return (*net.Buffers)(&r.left).WriteTo(w)
}

func (r *piecesReader) Close() error { return nil }
