package llmproxy

import (
	"bytes"
	"errors"
	"io"
	"math/bits"
	"net/http"
	"sync"
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
// as it was written for a provider. They are free once it is answered and the
// transports have read it to its end: one may still read when it has returned.
type bodies struct {
	mu      sync.Mutex
	buffers []*buffer
	few     [2]*buffer                    // for buffers
	unread  int                           // how many readers are not at the end
	over    bool                          // nobody but they needs the buffers
	open    func() (io.ReadCloser, error) // the request under way once more
}

// smallBody is a body that waiting for costs more than its memory. One that is
// shorter is copied, by provider.HTTP or by watch.
const smallBody = 16 << 10

// get returns a buffer that is the exchange's until its end.
func (s *bodies) get(n int) *buffer {
	b := newBuffer(n)
	if s.buffers == nil {
		s.buffers = s.few[:0]
	}
	s.buffers = append(s.buffers, b)
	return b
}

// watch has the buffers wait for a request to be read, and the request let go of
// its body then. A small body is copied instead, unless own says that it has
// memory of its own: net/http writes a request's header and its body at once only
// where the body is a bytes.Reader, which nobody can wait for.
func (s *bodies) watch(r *http.Request, own bool) error {
	small := r.ContentLength < smallBody
	switch {
	case r.Body == nil, small && (own || len(s.buffers) == 0):
		return nil
	case small && r.ContentLength > 0:
		return copyBody(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread++
	r.Body = &sentBody{of: s, body: r.Body}
	if r.GetBody != nil {
		s.open, r.GetBody = r.GetBody, s.again
	}
	return nil
}

// copyBody gives a request's body memory of its own.
func copyBody(r *http.Request) error {
	b := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, b)
	_ = r.Body.Close()
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	r.Body, _ = r.GetBody()
	return err
}

// again is a request's GetBody, which a transport asks for when it sends a
// request once more.
func (s *bodies) again() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, errBodyGone
	}
	body, err := s.open()
	if err != nil {
		return nil, err
	}
	s.unread++
	return &sentBody{of: s, body: body}, nil
}

var errBodyGone = errors.New("the request was answered, and its body is gone")

// release frees the buffers, at the latest when all has been read.
func (s *bodies) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.open = true, nil
	s.free()
}

func (s *bodies) free() {
	if !s.over || s.unread > 0 {
		return
	}
	for _, b := range s.buffers {
		b.free()
	}
	s.buffers, s.few = nil, [2]*buffer{}
}

// sentBody tells when it was read to its end, and lets go of the body.
type sentBody struct {
	of   *bodies
	body io.ReadCloser // nil: it was read
}

func (b *sentBody) Read(p []byte) (int, error) {
	body := b.unread()
	if body == nil {
		return 0, io.EOF
	}
	n, err := body.Read(p)
	if err == io.EOF {
		b.end(body)
	}
	return n, err
}

// WriteTo writes what is left.
func (b *sentBody) WriteTo(w io.Writer) (int64, error) {
	body := b.unread()
	if body == nil {
		return 0, nil
	}
	n, err := io.Copy(w, body)
	if err == nil {
		b.end(body)
	}
	return n, err
}

// fits reports whether the body is known to have no more than n bytes left.
func (b *sentBody) fits(n int64) bool {
	known, ok := b.unread().(interface{ Len() int })
	return ok && int64(known.Len()) <= n
}

// unread returns the body, unless it was read to its end.
func (b *sentBody) unread() io.ReadCloser {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	return b.body
}

// end lets go of a body of which nothing is left.
func (b *sentBody) end(body io.Closer) {
	_ = body.Close()
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	b.body = nil
	b.of.unread--
	b.of.free()
}

func (b *sentBody) Close() error {
	if body := b.unread(); body != nil {
		return body.Close()
	}
	return nil
}
