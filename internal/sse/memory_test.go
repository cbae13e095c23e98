package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// pieces is a reader whose reads have no more than one piece each.
type pieces struct {
	left  []string
	room  int // that the last read had
	reads int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.reads++
	p.room = len(b)
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[0])
	if p.left[0] = p.left[0][n:]; p.left[0] == "" {
		p.left = p.left[1:]
	}
	return n, nil
}

func TestMemory(t *testing.T) {
	const memorySize = len(Buffer{})
	half := string(bytes.Repeat([]byte{'h'}, memorySize/2))
	full := string(bytes.Repeat([]byte{'f'}, memorySize))
	r := &pieces{left: []string{"abc", "d", half, full, "e", "f", "\n", "gh"}}
	var m Memory
	var buf []byte
	for i, step := range []struct {
		without int    // so many bytes that the last step returned
		want    string // that are returned in all
		fresh   int
		reads   int
		room    int // of the last read
	}{
		{0, "abc", 3, 2, memorySize - 1},             // waited for
		{1, "bcd", 1, 1, memorySize - 2},             // what is left is kept, at the front
		{3, half, memorySize / 2, 2, memorySize - 1}, // waited for
		{0, half + full[:memorySize/2], memorySize / 2, 1, memorySize / 2},
		{0, half + full, memorySize / 2, 1, memorySize}, // full, so it grew
		{memorySize*3/2 - 1, "fe", 1, 1, 2*memorySize - 1},
		{2, "f\n", 2, 2, memorySize - 1}, // small again, and the second read had the next piece
		{2, "gh", 2, 2, memorySize - 1},
		{1, "h", 0, 1, memorySize - 1},
		{1, "", 0, 1, 1},
	} {
		before := r.reads
		var n int
		var err error
		buf, n, err = m.Read(r, buf, step.without)
		if ended := len(r.left) == 0 && step.fresh == 0; (err == io.EOF) != ended {
			t.Fatalf("step %d: error %v", i, err)
		}
		if string(buf) != step.want || n != step.fresh {
			t.Fatalf("step %d: holds %d bytes, %d of them new, want %d and %d", i, len(buf), n, len(step.want), step.fresh)
		}
		if reads := r.reads - before; reads != step.reads {
			t.Errorf("step %d: %d reads, want %d", i, reads, step.reads)
		}
		if r.room < step.room || r.room > step.room+memorySize {
			t.Errorf("step %d: room for %d, want %d", i, r.room, step.room)
		}
	}
	if m.pooled != nil {
		t.Error("memory is held with nothing in it")
	}
	m.Release()
}

// A line end may end an event: what follows it may be long in coming.
func TestMemoryLineEnd(t *testing.T) {
	for _, end := range []string{"\n", "\r"} {
		r := &pieces{left: []string{end, "later"}}
		var m Memory
		if buf, n, err := m.Read(r, nil, 0); string(buf) != end || n != 1 || err != nil || r.reads != 1 {
			t.Errorf("%q: %q, %d, %v after %d reads", end, buf, n, err, r.reads)
		}
	}
}

// An error that comes with bytes, or after the first, comes with them.
func TestMemoryError(t *testing.T) {
	cut := errors.New("cut")
	for _, want := range []string{"a", "abc"} {
		r := iotest.DataErrReader(io.MultiReader(strings.NewReader(want), iotest.ErrReader(cut)))
		var m Memory
		if buf, n, err := m.Read(r, nil, 0); string(buf) != want || n != len(want) || err != cut {
			t.Errorf("%q, %d, %v, want %q and the error", buf, n, err, want)
		}
	}
}
