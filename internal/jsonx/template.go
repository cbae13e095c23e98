package jsonx

import "bytes"

// Template tells documents that differ from one seen before in one string
// alone, as the chunks of a stream do: comparing costs a fraction of reading.
// The zero value matches nothing.
type Template struct {
	before, after []byte // what stands before and after the string, quotes included
	d             Decoder
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
	t.before = append(t.before[:0], doc[:start+1]...)
	t.after = append(t.after[:0], doc[end-1:]...)
}

// escapedAt reports whether an odd number of backslashes stands before i.
func escapedAt(doc []byte, i int) bool {
	n := 0
	for n < i && doc[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// Forget makes t match nothing.
func (t *Template) Forget() { t.before = t.before[:0] }

// Match returns the string of a document that is the learnt one but for it. It
// may alias doc.
func (t *Template) Match(doc []byte) (s []byte, ok bool) {
	if len(t.before) == 0 || len(doc) < len(t.before)+len(t.after) || !bytes.HasPrefix(doc, t.before) || !bytes.HasSuffix(doc, t.after) {
		return nil, false
	}
	inside := doc[len(t.before) : len(doc)-len(t.after)]
	if plain(inside) == len(inside) {
		return inside, true
	}
	t.d.Reset(doc[len(t.before)-1 : len(doc)-len(t.after)+1])
	s = t.d.StringBytes()
	return s, t.d.End() == nil
}
