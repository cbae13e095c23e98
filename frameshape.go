package llmproxy

import (
	"bytes"
	"slices"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// frameShape is what frames of nothing but content have in common: all but some
// values, which are strings and numbers, as the text and a sequence number. A
// frame that differs in these alone has the same members, and so needs no look
// into. Comparing is several times as fast as looking. The zero value is the
// shape of no frame.
type frameShape struct {
	keys   [][]byte // of the members that hold text
	frame  []byte
	text   int    // how many bytes of frame are text, and do not vary
	values []span // that frame has, once one that varies was looked for
	varies []span // those of them that do, as they stand
}

// span is the inside of a string, which may be text, or a number.
type span struct {
	from, to int
	text     bool
}

const (
	longestShape = 4 << 10
	mostVaries   = 8
)

// set makes the shape that of a frame with so many bytes of text. No value is
// known to vary.
func (t *frameShape) set(frame []byte, text int) {
	t.frame, t.text, t.values, t.varies = t.frame[:0], text, t.values[:0], t.varies[:0]
	if len(frame) <= longestShape {
		t.frame = append(t.frame, frame...)
	}
}

// next returns how long the frame is that b begins with, if it has the shape, and
// else 0; and about how many bytes of it are text.
func (t *frameShape) next(b []byte) (n, text int) {
	n, text, _ = t.compare(b)
	return n, text
}

// learn reports whether a frame has the shape, be it that some more values vary,
// and about how many bytes of it are text.
func (t *frameShape) learn(frame []byte) (text int, ok bool) {
	for {
		n, text, parted := t.compare(frame)
		if n > 0 {
			return text, n == len(frame)
		}
		if !t.vary(parted) {
			return 0, false
		}
	}
}

// compare is next. Where n is 0 it returns where in the shape's frame the two
// part; -1: where there is nothing to learn.
func (t *frameShape) compare(b []byte) (n, text, parted int) {
	if len(t.frame) == 0 {
		return 0, 0, -1
	}
	at, text := 0, t.text
	for i := range t.varies {
		v := &t.varies[i]
		same := t.frame[at:v.from]
		if !bytes.HasPrefix(b[n:], same) {
			return 0, 0, at + common(same, b[n:])
		}
		n += len(same)
		length, escapes := valueEnd(b[n:], t.frame[v.from-1] == '"')
		if length < 0 {
			return 0, 0, -1
		}
		if v.text {
			text += length - escapes
		}
		n, at = n+length, v.to
	}
	same := t.frame[at:]
	if !bytes.HasPrefix(b[n:], same) {
		return 0, 0, at + common(same, b[n:])
	}
	return n + len(same), text, 0
}

// common returns how many bytes a and b have in common at the front.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// valueEnd returns how long the value is that b begins with: the inside of a
// string, or a number; -1: it is none, or has no end. A string stands for about
// as many bytes less as it has escapes.
func valueEnd(b []byte, quoted bool) (length, escapes int) {
	i := 0
	if !quoted {
		for i < len(b) && inNumber(b[i]) {
			i++
		}
		if i == 0 {
			return -1, 0
		}
		return i, 0
	}
	for {
		i += jsonx.Plain(b[i:])
		switch {
		case i < len(b) && b[i] == '"':
			return i, escapes
		case i+1 >= len(b) || b[i] != '\\' || b[i+1] < ' ':
			return -1, 0
		}
		if escapes++; b[i+1] == 'u' {
			escapes += 2 // six bytes for three of UTF-8, mostly
		}
		i += 2
	}
}

func inNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// vary has the value vary that stands at a place of the frame. It reports whether
// there is one that did not.
func (t *frameShape) vary(at int) bool {
	if len(t.values) == 0 {
		t.findValues()
	}
	for _, v := range t.values {
		if v.from <= at && at <= v.to { // the end, too: the other one is longer
			i, known := slices.BinarySearchFunc(t.varies, v, func(a, b span) int { return a.from - b.from })
			if known || len(t.varies) == mostVaries {
				return false
			}
			t.varies = slices.Insert(t.varies, i, v)
			if v.text {
				t.text -= valueLen(t.frame[v.from-1:])
			}
			return true
		}
	}
	return false
}

// findValues finds the strings that are no keys, and the numbers.
func (t *frameShape) findValues() {
	b := t.frame
	for i := max(bytes.IndexByte(b, '{'), 0); i < len(b); {
		switch {
		case b[i] == '"':
			from := i + 1
			length, _ := valueEnd(b[from:], true)
			if length < 0 {
				return
			}
			i = from + length + 1
			if !bytes.HasPrefix(bytes.TrimLeft(b[i:], " "), []byte(":")) {
				t.values = append(t.values, span{from, i - 1, t.isText(b[:from-1])})
			}
		case '0' <= b[i] && b[i] <= '9' || b[i] == '-':
			length, _ := valueEnd(b[i:], false)
			t.values = append(t.values, span{i, i + length, false})
			i += length
		default:
			i++
		}
	}
}

// isText reports whether a string is text that stands behind before.
func (t *frameShape) isText(before []byte) bool {
	before = bytes.TrimRight(before, " ")
	return slices.ContainsFunc(t.keys, func(k []byte) bool { return bytes.HasSuffix(before, k) })
}
