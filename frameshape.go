package llmproxy

import (
	"bytes"
	"encoding/binary"
)

// frameShape is a frame of nothing but content. A frame that is the same, but for
// one stretch without quotes, brackets or escapes, the inside of a string or a
// number, is of the same structure, and so needs no look into. Comparing is
// several times as fast as looking.
type frameShape struct {
	frame     []byte
	text      int // how many bytes of frame are text
	pre, post int // how much of the front and the back matched the last time
}

func (t *frameShape) set(frame []byte, text int) {
	t.frame, t.text = append(t.frame[:0], frame...), text
	t.pre, t.post = 0, 0
}

func (t *frameShape) matches(b []byte) bool {
	a := t.frame
	if t.pre+t.post > 0 && len(b) >= t.pre+t.post && bytes.Equal(a[:t.pre], b[:t.pre]) && bytes.Equal(a[len(a)-t.post:], b[len(b)-t.post:]) {
		return plainText(b[t.pre : len(b)-t.post])
	}
	n := min(len(a), len(b))
	if n == 0 {
		return false
	}
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	j := 0
	for j+8 <= n-i && binary.LittleEndian.Uint64(a[len(a)-j-8:]) == binary.LittleEndian.Uint64(b[len(b)-j-8:]) {
		j += 8
	}
	for j < n-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	if !plainText(a[i:len(a)-j]) || !plainText(b[i:len(b)-j]) || inKey(b[len(b)-j:]) {
		return false
	}
	t.pre, t.post = i, j
	return true
}

// textOf returns how many bytes of b, which matches, are text.
func (t *frameShape) textOf(b []byte) int {
	more := len(b) - len(t.frame)
	if more == 0 {
		return t.text
	}
	i := t.pre // where the frames differ
	for i > 0 && '0' <= b[i-1] && b[i-1] <= '9' {
		i--
	}
	if i > 0 && b[i-1] == ':' { // a number, such as Responses' sequence_number
		return t.text
	}
	return t.text + more
}

// inKey reports whether rest goes on with the end of a string that is a key.
func inKey(rest []byte) bool {
	i := bytes.IndexByte(rest, '"')
	if i < 0 {
		return false
	}
	rest = bytes.TrimLeft(rest[i+1:], " ")
	return len(rest) > 0 && rest[0] == ':'
}

func plainText(b []byte) bool {
	for _, c := range b {
		switch c {
		case '"', '\\', '{', '}', '[', ']', '\n', '\r', ':', ',':
			return false
		}
	}
	return true
}
