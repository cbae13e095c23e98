package jsonx

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNotObject is returned for a document whose top level is no object.
var ErrNotObject = errors.New("expected a JSON object")

// AmbiguousError reports a member that decides what happens to a request and
// that stands there twice, or in a spelling that differs only in case. Two
// readers could then see two requests, so there is no safe reading.
type AmbiguousError struct{ Name string }

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("the member %q is given more than once", e.Name)
}

// Top finds members of an object without decoding the rest, and returns their
// values in the order of names, nil for one that is absent. The values alias
// b. The whole document's syntax is checked.
func Top(b []byte, names ...string) ([][]byte, error) { return TopWithin(MaxDepth, b, names...) }

// TopWithin is Top of a document that may nest at most depth deep, which is no
// more than MaxDepth.
func TopWithin(depth int, b []byte, names ...string) ([][]byte, error) {
	d := Decoder{b: b, depth: MaxDepth - depth}
	if d.Kind() != Object {
		if d.Skip(); d.End() != nil {
			return nil, d.err
		}
		return nil, ErrNotObject
	}
	found := make([][]byte, len(names))
	for key := range d.Members() {
		for i, name := range names {
			if len(key) != len(name) || !bytes.EqualFold(key, []byte(name)) {
				continue
			}
			if found[i] != nil {
				return nil, &AmbiguousError{Name: name}
			}
			if string(key) != name {
				// A reader that ignores case would take it for the real one.
				return nil, &AmbiguousError{Name: name}
			}
			found[i] = d.Raw()
		}
	}
	return found, d.End()
}

// Edit changes one top-level member: sets it to Value, which is JSON, or drops
// it where Value is nil.
type Edit struct {
	Name  string
	Value []byte
}

// Splice appends to dst the object b with the edits made and every other byte
// as it stands. A member that is set but absent is added at the end.
func Splice(dst, b []byte, edits ...Edit) ([]byte, error) {
	return splice(Decoder{b: b}, dst, b, edits)
}

// SpliceTrusted is Splice of a document that is known to be JSON; see
// Decoder.Trust.
func SpliceTrusted(dst, b []byte, edits ...Edit) ([]byte, error) {
	return splice(Decoder{b: b, trusted: true}, dst, b, edits)
}

func splice(d Decoder, dst, b []byte, edits []Edit) ([]byte, error) {
	if d.Kind() != Object {
		return dst, ErrNotObject
	}
	base := len(dst)
	done := make([]bool, len(edits))
	open := d.pos + 1
	copied := open // b up to here is in dst or was dropped
	dst = append(dst, b[:copied]...)
	empty := true // no member is in dst yet
	copyTo := func(end int) {
		if empty && copied > open { // what stood before was dropped, its comma is left
			for b[copied] != ',' && b[copied] != '"' {
				copied++
			}
			if b[copied] == ',' {
				copied++
			}
		}
		dst = append(dst, b[copied:end]...)
		copied, empty = end, false
	}
	for key := range d.Members() {
		edit := -1
		for i := range edits {
			if string(key) == edits[i].Name {
				edit = i
			}
		}
		d.space()
		start := d.pos
		d.Skip()
		switch {
		case d.err != nil:
		case edit < 0:
			copyTo(d.pos)
		case edits[edit].Value != nil && !done[edit]:
			copyTo(start)
			dst = append(dst, edits[edit].Value...)
			fallthrough
		default:
			done[edit] = true
			copied = d.pos
		}
	}
	if err := d.End(); err != nil {
		return dst[:base], err
	}
	tail := b[copied:]
	e := Encoder{B: dst}
	for i, ed := range edits {
		if done[i] || ed.Value == nil {
			continue
		}
		if !empty {
			e.B = append(e.B, ',')
		}
		e.B = append(AppendString(e.B, ed.Name), ':')
		e.B = append(e.B, ed.Value...)
		empty = false
	}
	return append(e.B, tail...), nil
}

// Path tells where in the document b the byte at offset stands, as
// "messages[2].content", for error messages. It is empty for the top level and
// where the document cannot be read that far.
func Path(b []byte, offset int) string {
	d := Decoder{b: b}
	var out []string
	d.pathTo(offset, &out)
	return strings.TrimPrefix(strings.Join(out, ""), ".")
}

func (d *Decoder) pathTo(offset int, out *[]string) {
	switch d.Kind() {
	case Object:
		for key := range d.Members() {
			step := "." + string(key)
			if d.stepTo(offset, step, out) {
				return
			}
		}
	case Array:
		for i := range d.Elements() {
			if d.stepTo(offset, "["+strconv.Itoa(i)+"]", out) {
				return
			}
		}
	}
}

// stepTo follows the value at d if offset lies inside it.
func (d *Decoder) stepTo(offset int, step string, out *[]string) bool {
	d.space()
	start := *d
	d.Skip()
	if offset < start.pos || d.err == nil && offset >= d.pos {
		return false
	}
	*out = append(*out, step)
	start.pathTo(offset, out)
	return true
}
