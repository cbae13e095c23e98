package llmproxy

import (
	"io"
	"math/bits"
	"net/http"
	"sync"
	"sync/atomic"
)

// buffer is memory for one body. Bodies are the largest part of what a request
// allocates, and so of what the garbage collector costs.
type buffer struct{ b []byte }

// Buffers are pooled by size, each twice the last. Larger ones are left to the
// garbage collector.
const (
	minBuffer = 11 // 2 KiB
	maxBuffer = 23 // 8 MiB
)

var bufferPools [maxBuffer - minBuffer + 1]sync.Pool

// newBuffer returns an empty buffer with room for n bytes.
func newBuffer(n int) *buffer {
	size := max(bits.Len(uint(max(n, 1)-1)), minBuffer)
	if size > maxBuffer {
		return &buffer{make([]byte, 0, n)}
	}
	if b, ok := bufferPools[size-minBuffer].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 0, 1<<size)}
}

// free gives a buffer to the next one that needs it. What holds its bytes must
// be done with them.
func (b *buffer) free() {
	if size := bits.Len(uint(cap(b.b))) - 1; size >= minBuffer && size <= maxBuffer {
		b.b = b.b[:0]
		bufferPools[size-minBuffer].Put(b)
	}
}

// bodies are the buffers of an exchange's request: as the client sent it, and
// as it was written for a provider. They are free at its end, unless a
// transport has not read a request to its end: it may still read it after it
// has returned.
type bodies struct {
	buffers []*buffer
	few     [2]*buffer // for buffers
	unread  atomic.Int32
}

// smallBody is a body that waiting for costs more than its memory: net/http
// writes a request's header and its body at once only where the body is a
// bytes.Reader.
const smallBody = 8 << 10

// get returns a buffer that is the exchange's until its end.
func (s *bodies) get(n int) *buffer {
	if n < smallBody {
		return &buffer{make([]byte, 0, n)}
	}
	b := newBuffer(n)
	if s.buffers == nil {
		s.buffers = s.few[:0]
	}
	s.buffers = append(s.buffers, b)
	return b
}

// watch has the buffers wait for a request to be read.
func (s *bodies) watch(r *http.Request) {
	if len(s.buffers) == 0 || r.Body == nil {
		return
	}
	r.Body = s.reader(r.Body)
	if get := r.GetBody; get != nil {
		r.GetBody = func() (io.ReadCloser, error) {
			body, err := get()
			if err != nil {
				return nil, err
			}
			return s.reader(body), nil
		}
	}
}

func (s *bodies) reader(body io.ReadCloser) io.ReadCloser {
	s.unread.Add(1)
	return &sentBody{ReadCloser: body, unread: &s.unread}
}

// free frees the buffers if all has been read.
func (s *bodies) free() {
	if s.unread.Load() == 0 {
		for _, b := range s.buffers {
			b.free()
		}
	}
	s.buffers, s.few = nil, [2]*buffer{}
}

// sentBody tells when it was read to its end.
type sentBody struct {
	io.ReadCloser
	unread *atomic.Int32
	read   bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && !b.read {
		b.read = true
		b.unread.Add(-1)
	}
	return n, err
}
