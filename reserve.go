package llmproxy

import (
	"math"
	"runtime/metrics"
	"strings"
	"sync/atomic"
)

// reserve is memory that is held and never touched, so that no page of it is
// resident. Go's collector runs each time the heap has grown by as much as it
// holds (GOGC), and a proxy holds little: without a reserve it runs for each
// 200 requests, which is a tenth of what they cost. The reserve is let go of
// while so many requests are open that they hold as much themselves.
type reserve struct {
	size int // 0: none is held
	open atomic.Int64
	held atomic.Pointer[strings.Builder] // whose room is not cleared when it is made
}

const (
	defaultReserve = 16 << 20
	// openSize is about what an open request holds, with both its connections.
	openSize = 32 << 10
)

// newReserve returns a reserve of size bytes; none where the host has tuned the
// collector itself.
func newReserve(size int) *reserve {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(s)
	if s[0].Value.Uint64() != 100 || s[1].Value.Uint64() != math.MaxInt64 {
		size = 0
	}
	return &reserve{size: size}
}

// enter counts a request that begins.
func (r *reserve) enter() {
	open, held := r.open.Add(1), r.held.Load()
	switch most := int64(r.size / openSize); {
	case held == nil && open <= most/2:
		b := new(strings.Builder)
		b.Grow(r.size)
		r.held.CompareAndSwap(nil, b)
	case held != nil && open > most:
		r.held.Store(nil)
	}
}

// leave counts a request that ends.
func (r *reserve) leave() { r.open.Add(-1) }
