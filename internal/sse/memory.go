package sse

import (
	"io"
	"slices"
	"sync"
)

// Memory is what a stream is read into. Streams wait for most of their time, and
// there may be thousands: one that waits with nothing left over holds no memory
// but for the byte that ends the wait. The zero value is ready.
type Memory struct {
	pooled *Buffer
	first  [1]byte
}

// Buffer is what a stream needs while it moves.
type Buffer [16 << 10]byte

// Buffers has Buffers, of any content, for what is read of streams and written to
// them.
var Buffers = sync.Pool{New: func() any { return new(Buffer) }}

// Read reads from r once, waiting, behind buf without its first bytes, which are
// done with. It returns them together, and how many are new. buf is nil at first,
// then what Read returned; its memory is valid until the next call.
func (m *Memory) Read(r io.Reader, buf []byte, without int) ([]byte, int, error) {
	rest := buf[without:]
	if len(rest) == 0 {
		return m.wait(r)
	}
	if without > 0 {
		buf = buf[:copy(buf, rest)]
	} else if len(buf) == cap(buf) {
		buf = slices.Grow(buf, max(len(Buffer{}), cap(buf)))
	}
	n, err := r.Read(buf[len(buf):cap(buf)])
	return buf[:len(buf)+n], n, err
}

// wait reads one byte, and then what has come with it. No event ends with its
// first byte, unless that is a line end, so none is late.
func (m *Memory) wait(r io.Reader) ([]byte, int, error) {
	m.Release()
	n, err := r.Read(m.first[:])
	if n == 0 {
		return nil, 0, err
	}
	m.pooled = Buffers.Get().(*Buffer)
	m.pooled[0] = m.first[0]
	if err == nil && m.first[0] != '\n' && m.first[0] != '\r' {
		n, err = r.Read(m.pooled[1:])
		n++
	}
	return m.pooled[:n], n, err
}

// Release gives the memory to the next stream.
func (m *Memory) Release() {
	if m.pooled != nil {
		Buffers.Put(m.pooled)
		m.pooled = nil
	}
}
