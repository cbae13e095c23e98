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
	if t.before == 0 {
		return nil, false
	}
	before, after := t.doc[:t.before], t.doc[t.after:]
	if len(doc) < len(before)+len(after) || !bytes.HasPrefix(doc, before) || !bytes.HasSuffix(doc, after) {
		return nil, false
	}
	inside := doc[len(before) : len(doc)-len(after)]
	if Plain(inside) == len(inside) {
		return inside, true
	}
	d := Decoder{b: doc[len(before)-1 : len(doc)-len(after)+1]}
	s = d.StringBytes()
	return s, d.End() == nil
}
