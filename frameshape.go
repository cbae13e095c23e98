package llmproxy

import (
	"bytes"
	"slices"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// frameShape is what frames of nothing but content have in common: all but some
// values, which are strings and numbers, as the text and a sequence number. A
// frame that differs in these alone has the same members, and so needs no look
// into. Comparing is several times as fast as looking. The zero value is the
// shape of no frame.
type frameShape struct {
	format translate.Format
	keys   [][]byte // of the members that hold text
	frame  []byte
	text   int    // how many bytes of frame are text, and do not vary
	values []span // that frame has, once one was looked for that varies
	varies []span // those of them that do
	rest   int    // how many bytes of frame are text that stands in none of the values
	old    bool   // frame is another stream's, whose ID and the like differ but do not vary
}

// span is the inside of a string, which may be text, or a number.
type span struct {
	from, to     int
	text, varies bool
}

const (
	longestShape = 4 << 10
	mostValues   = 64
)

// begin prepares for a stream of a format. Its frames mostly have the shape of
// the last stream's.
func (t *frameShape) begin(f translate.Format) {
	if t.old = true; t.format != f {
		t.format, t.keys = f, contentKeys[f]
		t.set(nil, 0)
	}
}

// set makes the shape that of a frame with so many bytes of text. No value is
// known to vary.
func (t *frameShape) set(frame []byte, text int) {
	t.frame, t.text, t.values, t.varies, t.old = t.frame[:0], text, t.values[:0], t.varies[:0], false
	if len(frame) <= longestShape {
		t.frame = append(t.frame, frame...)
	}
}

// next returns how long the frame is that b begins with, if it has the shape, and
// else 0; and about how many bytes of it are text.
func (t *frameShape) next(b []byte) (n, text int) {
	n, text = t.compare(b, t.varies)
	return n, t.text + text
}

// learn reports whether a frame has the shape, be it that some more values vary,
// and about how many bytes of it are text.
func (t *frameShape) learn(frame []byte) (text int, ok bool) {
	if len(t.values) == 0 {
		t.findValues()
	}
	if n, _ := t.compare(frame, t.values); n == 0 || n != len(frame) {
		return 0, false
	}
	return t.adopt(frame), true
}

// compare returns how long the frame is that b begins with, if it differs from
// the shape's in some values alone, and else 0; and how many bytes of text these
// have.
func (t *frameShape) compare(b []byte, values []span) (n, text int) {
	at := 0
	for i := range values {
		v := &values[i]
		same := t.frame[at:v.from]
		if !bytes.HasPrefix(b[n:], same) {
			return 0, 0
		}
		n += len(same)
		length, escapes := t.end(v, b[n:])
		if length < 0 {
			return 0, 0
		}
		if v.text {
			text += length - escapes
		}
		n, at = n+length, v.to
	}
	if same := t.frame[at:]; bytes.HasPrefix(b[n:], same) {
		return n + len(same), text
	}
	return 0, 0
}

// end is valueEnd for what stands in the place of a value.
func (t *frameShape) end(v *span, b []byte) (length, escapes int) {
	return valueEnd(b, t.frame[v.from-1] == '"')
}

// adopt makes a frame of the shape the one to compare with, and returns about how
// many bytes of it are text. What is another than it was varies.
func (t *frameShape) adopt(frame []byte) (text int) {
	at, n := 0, 0
	t.varies, t.text = t.varies[:0], t.rest
	for i := range t.values {
		v := &t.values[i]
		n += v.from - at
		length, escapes := t.end(v, frame[n:])
		v.varies = v.varies || !t.old && !bytes.Equal(t.frame[v.from:v.to], frame[n:n+length])
		at, v.from, v.to = v.to, n, n+length
		n += length
		if v.text {
			text += length - escapes
		}
		if v.varies {
			t.varies = append(t.varies, *v)
		} else if v.text {
			t.text += length - escapes
		}
	}
	t.frame, t.old = append(t.frame[:0], frame...), false
	return t.rest + text
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

// findValues finds the strings that are no keys, and the numbers.
func (t *frameShape) findValues() {
	b := t.frame
	t.rest = t.text
	for i := bytes.IndexByte(b, '{'); i >= 0 && i < len(b) && len(t.values) < mostValues; {
		v := span{from: i, to: i}
		switch {
		case b[i] == '"':
			length, escapes := valueEnd(b[i+1:], true)
			if length < 0 {
				return
			}
			v.from, v.to = i+1, i+1+length
			if i = v.to + 1; bytes.HasPrefix(bytes.TrimLeft(b[i:], " \t\r\n"), []byte(":")) {
				continue
			}
			if v.text = t.isText(b[:v.from-1]); v.text {
				t.rest -= length - escapes
			}
		case '0' <= b[i] && b[i] <= '9' || b[i] == '-':
			length, _ := valueEnd(b[i:], false)
			i += length
			v.to = i
		default:
			i++
			continue
		}
		t.values = append(t.values, v)
	}
}

// isText reports whether a string is text that stands behind before.
func (t *frameShape) isText(before []byte) bool {
	before = bytes.TrimRight(before, " ")
	return slices.ContainsFunc(t.keys, func(k []byte) bool { return bytes.HasSuffix(before, k) })
}
