package jsonx

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unsafe"
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
func Top(b []byte, names ...string) ([][]byte, error) {
	found := make([][]byte, len(names))
	d := Decoder{b: b}
	if err := d.object(); err != nil {
		return nil, err
	}
	for key := range d.Members() {
		for i, name := range names {
			same, err := named(key, name, found[i] != nil)
			if err != nil {
				return nil, err
			}
			if same {
				found[i] = d.Raw()
			}
		}
	}
	return found, d.End()
}

// object says what is wrong with a document that is no object.
func (d *Decoder) object() error {
	if d.Kind() == Object {
		return nil
	}
	if d.Skip(); d.End() != nil {
		return d.err
	}
	return ErrNotObject
}

// named reports whether a member has the name; an error if a reader that
// ignores case would take it for that one, or there was one before.
func named(key []byte, name string, before bool) (bool, error) {
	switch {
	case len(key) != len(name) || !bytes.EqualFold(key, []byte(name)):
		return false, nil
	case before || string(key) != name:
		return false, &AmbiguousError{Name: name}
	}
	return true, nil
}

// Edit changes one top-level member: sets it to Value, which is JSON, or drops
// it where Value is nil.
type Edit struct {
	Name  string
	Value []byte
}

// Layout is where the members at the top of a document stand, so that they can
// be found and changed without another look at it.
type Layout struct {
	b       []byte
	members []member // as they stand
	open    int      // behind the brace
	end     int      // behind the last value, or open
}

// member is where a member stands: after is the end of the value before it. Its
// name aliases the document.
type member struct {
	name              []byte
	after, start, end int
}

// MaxMembers bounds how many members the top level of a document may have.
const MaxMembers = 10000

// Find returns the layout of b, which may nest at most depth deep. It does not
// check what strings hold (see Decoder.Trust), but reports whether one that is a
// value, as it stands between its quotes, passes the test, which may be nil.
func Find(depth int, b []byte, test func(text []byte) bool) (l *Layout, found bool, err error) {
	d := Decoder{b: b, depth: MaxDepth - depth, trusted: true, test: test}
	l, err = find(&d)
	return l, d.found, err
}

func find(d *Decoder) (*Layout, error) {
	if err := d.object(); err != nil {
		return nil, err
	}
	l := layouts.Get().(*Layout)
	l.b, l.open, l.end = d.b, d.pos+1, d.pos+1
	for key := range d.Members() {
		m := member{name: key, after: l.end, start: d.pos}
		d.Skip()
		m.end, l.end = d.pos, d.pos
		if l.members = append(l.members, m); len(l.members) > MaxMembers {
			d.syntax("too many members")
		}
	}
	return l, d.End()
}

var layouts = sync.Pool{New: func() any { return &Layout{members: make([]member, 0, 12)} }}

// Release gives the memory of l, which may be nil, to the next layout. Nothing
// of it may be used after.
func (l *Layout) Release() {
	if l == nil || cap(l.members) > 100 {
		return
	}
	clear(l.members)
	*l = Layout{members: l.members[:0]}
	layouts.Put(l)
}

// Of reports whether l is the layout of b.
func (l *Layout) Of(b []byte) bool {
	return l != nil && len(b) == len(l.b) && unsafe.SliceData(b) == unsafe.SliceData(l.b)
}

// Member is Top of the document for one name.
func (l *Layout) Member(name string) (value []byte, err error) {
	for i := range l.members {
		if key := l.members[i].name; len(key) == len(name) { // else it is another one, as nearly all are
			if same, err := named(key, name, value != nil); err != nil {
				return nil, err
			} else if same {
				value = l.value(i)
			}
		}
	}
	return value, nil
}

// Get returns the value of the first member of a name, as it stands; nil where
// there is none.
func (l *Layout) Get(name string) []byte {
	for i := range l.members {
		if string(l.members[i].name) == name {
			return l.value(i)
		}
	}
	return nil
}

func (l *Layout) value(i int) []byte {
	m := &l.members[i]
	return l.b[m.start:m.end:m.end]
}

// Pieces appends to dst the document with edits made, in pieces that alias it
// and the edits' values: every other byte is as it stands. An edited member
// that stands there twice is there once, and one that is absent is added at
// the end.
func (l *Layout) Pieces(dst [][]byte, edits ...Edit) [][]byte {
	var few [16]bool
	done := append(few[:0], make([]bool, len(edits))...)
	at := 0         // the document up to here is in dst, or left out
	first := l.open // up to here there is no member left
	for i := range l.members {
		m := &l.members[i]
		edit := 0
		for edit < len(edits) && edits[edit].Name != string(m.name) {
			edit++
		}
		switch {
		case edit == len(edits):
		case edits[edit].Value != nil && !done[edit]:
			dst = append(dst, l.b[at:m.start], edits[edit].Value)
			at, done[edit] = m.end, true
		default:
			from, to := m.after, m.end
			if from <= first { // no comma stands before it, so the one behind it goes
				d := Decoder{b: l.b, pos: to}
				if d.space(); d.pos < l.end {
					to = d.pos + 1
				}
				from, first = max(first, at), to
			}
			dst = append(dst, l.b[at:from])
			at, done[edit] = to, true
		}
	}
	end := max(at, l.end)
	dst = append(dst, l.b[at:end])
	comma := first < l.end
	for i := range edits {
		e := &edits[i]
		if done[i] || e.Value == nil {
			continue
		}
		name := make([]byte, 0, len(e.Name)+4)
		if comma {
			name = append(name, ',')
		}
		comma = true
		dst = append(dst, append(AppendString(name, e.Name), ':'), e.Value)
	}
	return append(dst, l.b[end:])
}

// Splice appends to dst the object b with the edits made and every other byte
// as it stands. A member that is set but absent is added at the end.
func Splice(dst, b []byte, edits ...Edit) ([]byte, error) {
	l, err := find(&Decoder{b: b})
	if err != nil {
		return dst, err
	}
	defer l.Release()
	for _, p := range l.Pieces(nil, edits...) {
		dst = append(dst, p...)
	}
	return dst, nil
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
