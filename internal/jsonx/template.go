package jsonx

import "bytes"

// Template tells documents that differ from one seen before in one string
// alone, as the chunks of a stream do: comparing costs a fraction of reading.
// The zero value matches nothing.
type Template struct {
	doc           []byte
	before, after int // doc[:before] and doc[after:] stand around the string, quotes included; before is 0 for nothing
}

// Learn makes doc the document to compare with. The string's literal, quotes
// included, ends at end; it must be one that a Decoder has read.
func (t *Template) Learn(doc []byte, end int) {
	start := end - 1
	for start--; start >= 0; start-- {
		if doc[start] == '"' && !escapedAt(doc, start) {
			break
		}
	}
	if start < 0 {
		t.Forget()
		return
	}
	t.doc = append(t.doc[:0], doc...)
	t.before, t.after = start+1, end-1
}

// escapedAt reports whether an odd number of backslashes stands before i.
func escapedAt(doc []byte, i int) bool {
	n := 0
	for n < i && doc[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// Forget makes t match nothing. It keeps some memory for the next document.
func (t *Template) Forget() {
	if t.before = 0; cap(t.doc) > 4<<10 {
		t.doc = nil
	}
}

// Match returns the string of a document that is the learnt one but for it. It
// may alias doc.
func (t *Template) Match(doc []byte) (s []byte, ok bool) {
	if s, n := t.Next(doc); n > 0 && n == len(doc) {
		return s, true
	}
	return nil, false
}

// Next is Match for the document that b begins with, and returns how long it is;
// 0: it is another one, or not whole.
func (t *Template) Next(b []byte) (s []byte, n int) {
	if t.before == 0 || !bytes.HasPrefix(b, t.doc[:t.before]) {
		return nil, 0
	}
	switch n = t.before + Plain(b[t.before:]); {
	case n == len(b):
		return nil, 0
	case b[n] == '"':
		s = b[t.before:n:n]
	default:
		d := Decoder{b: b, pos: t.before - 1}
		if s = d.StringBytes(); d.err != nil {
			return nil, 0
		}
		n = d.pos - 1
	}
	if after := t.doc[t.after:]; bytes.HasPrefix(b[n:], after) {
		return s, n + len(after)
	}
	return nil, 0
}
