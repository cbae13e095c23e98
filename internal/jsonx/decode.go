// Package jsonx reads and writes JSON the way a proxy needs it: one pass, no
// reflection, keys matched with their exact case, numbers and opaque values
// kept as they were written, and no HTML escaping.
//
// encoding/json matches keys without case, re-sorts maps, rewrites raw
// messages and rounds large integers through float64. Each of these changes
// what a provider sees, so code that stands between a client and a provider
// reads and writes through this package.
package jsonx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"strconv"
)

// MaxDepth bounds how deep values may nest; deeper documents are a syntax
// error. It equals the limit of encoding/json's decoder.
const MaxDepth = 10000

// Kind is the kind of a JSON value, told by its first byte.
type Kind byte

// The kinds of JSON values. Invalid stands for the end of the input and for
// bytes that start no value.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// SyntaxError reports bytes that are not JSON.
type SyntaxError struct {
	Offset int // where in the document, in bytes
	Msg    string
	Err    error // what errors.Is finds, such as ErrTooDeep; may be nil
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Msg)
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// ErrTooDeep is in the chain of the SyntaxError for a document that nests
// deeper than it may.
var ErrTooDeep = errors.New("nested too deep")

// TypeError reports a value of another kind than the reader asked for.
type TypeError struct {
	Offset    int // where the value starts, in bytes
	Want, Got Kind
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("expected %s, got %s", e.Want, e.Got)
}

// Decoder reads one JSON document from front to back. Its first error sticks:
// every later call does nothing and returns a zero value, so callers check Err
// once, at the end. A Decoder is not safe for concurrent use.
type Decoder struct {
	b     []byte
	pos   int
	depth int
	err   error

	most    int                    // elements that Elements has left to yield; 0: any number
	trusted bool                   // Skip looks for the ends of strings alone
	test    func(text []byte) bool // of what stands between them; may be nil
	found   bool                   // a string passed the test
}

// NewDecoder returns a Decoder that reads b. It keeps b and never changes it.
func NewDecoder(b []byte) *Decoder { return &Decoder{b: b} }

// Reset makes d read b from the start.
func (d *Decoder) Reset(b []byte) { *d = Decoder{b: b} }

// Trust has d not check what the strings hold that it skips: the document was
// read before, or who gets it reads it, too. Where a string ends is the same
// for all readers of JSON, so nothing else is read otherwise.
func (d *Decoder) Trust() { d.trusted = true }

// MaxElements is how many elements Bound lets Elements yield. Each may become a
// hundred bytes of memory, and takes three of a document.
const MaxElements = 250_000

// ErrTooMany is the error of a document with more elements.
var ErrTooMany = errors.New("the request is made of more than 250,000 messages, parts, tools and the like")

// Bound bounds how many elements Elements yields, of all arrays together. What
// Skip and Raw read is not counted.
func (d *Decoder) Bound() { d.most = MaxElements + 1 }

// Err returns the first error.
func (d *Decoder) Err() error { return d.err }

// Fail records err unless an error is recorded already.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// Offset returns how many bytes have been read.
func (d *Decoder) Offset() int { return d.pos }

// End checks that nothing but white space is left and returns the first error.
func (d *Decoder) End() error {
	if d.err == nil {
		if d.space(); d.pos < len(d.b) {
			d.syntax("data after the value")
		}
	}
	return d.err
}

func (d *Decoder) syntax(msg string) {
	if d.err == nil {
		if d.pos >= len(d.b) {
			msg = "unexpected end"
		}
		d.err = &SyntaxError{Offset: d.pos, Msg: msg}
	}
}

func (d *Decoder) space() {
	for d.pos < len(d.b) && d.b[d.pos] <= ' ' { // nearly never
		switch d.b[d.pos] {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return
		}
	}
}

// Kind returns the kind of the next value without reading it. It is not inlined,
// for the reason that Encoder's methods are not.
//
//go:noinline
func (d *Decoder) Kind() Kind {
	if d.err != nil {
		return Invalid
	}
	if d.space(); d.pos >= len(d.b) {
		return Invalid
	}
	return kinds[d.b[d.pos]]
}

// kinds are those of the values that begin with a byte.
var kinds = [256]Kind{
	'{': Object, '[': Array, '"': String, 't': Bool, 'f': Bool, 'n': Null, '-': Number,
	'0': Number, '1': Number, '2': Number, '3': Number, '4': Number, '5': Number, '6': Number, '7': Number, '8': Number, '9': Number,
}

// expect positions d at the next value and reports whether it is a want. A
// null is read and reported as false without an error: to the formats that
// this module reads, null and absent are the same.
func (d *Decoder) expect(want Kind) bool {
	switch got := d.Kind(); got {
	case want:
		return true
	case Null:
		d.Skip()
	case Invalid:
		d.syntax("expected a value")
	default:
		d.Fail(&TypeError{Offset: d.pos, Want: want, Got: got})
	}
	return false
}

// Members iterates over the members of an object, or over none when the value
// is null. The loop body may read the member's value; one that it leaves is
// skipped. The key is valid until the next step. Leaving the loop early leaves
// the object half read.
func (d *Decoder) Members() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) { // which is copied into every loop, so that it is short
		if d.expect(Object) && d.enter() {
			for key, at := d.member(-1); at >= 0 && yield(key); key, at = d.member(at) {
			}
		}
	}
}

// member goes on to the next member of an object, and returns its key and where
// its value starts. at is where the last one's started, below 0 at first; what
// it returns is below 0 at the end and after an error.
func (d *Decoder) member(at int) (key []byte, next int) {
	if d.pos == at {
		d.Skip()
	}
	if key = d.plainKey(at >= 0); key != nil {
		return key, d.pos
	}
	if !d.another(at >= 0, '}') {
		return nil, -1
	}
	if !d.at('"') {
		d.syntax("expected an object key")
		return nil, -1
	}
	if key, _ = d.quoted(); d.err != nil || !d.punct(':') {
		return nil, -1
	}
	return key, d.pos
}

// plainKey reads a key, and the comma before it, as nearly all stand there: with
// no more than a space around them and without escapes. Else it reads nothing.
func (d *Decoder) plainKey(comma bool) (key []byte) {
	b, i := d.b, d.pos
	if d.err != nil {
		return nil
	}
	if comma {
		if i >= len(b) || b[i] != ',' {
			return nil
		}
		if i++; i < len(b) && b[i] == ' ' {
			i++
		}
	}
	if i >= len(b) || b[i] != '"' {
		return nil
	}
	i++
	for j := i; j <= len(b)-8; j += 8 {
		if m := marks(binary.LittleEndian.Uint64(b[j:j+8:j+8]), 0); m != 0 {
			if j += bits.TrailingZeros64(m) / 8; b[j] == '"' && j+1 < len(b) && b[j+1] == ':' {
				d.pos = j + 2
				d.space()
				return b[i:j:j]
			}
			break
		}
	}
	return nil
}

// another reports whether another member or element follows, behind a comma
// where there was one before, and reads that, or the end.
func (d *Decoder) another(comma bool, end byte) bool {
	if d.err != nil {
		return false
	}
	if comma && d.at(',') { // nearly always
		return d.punct(',')
	}
	if d.space(); d.at(end) {
		d.leave()
		return false
	}
	return !comma || d.punct(',')
}

// Elements iterates over the elements of an array, or over none when the value
// is null, and yields their indices. The loop body may read the element; one
// that it leaves is skipped.
func (d *Decoder) Elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		if d.expect(Array) && d.enter() {
			for i, at := 0, d.element(-1); at >= 0 && yield(i); i, at = i+1, d.element(at) {
			}
		}
	}
}

// element is member for the elements of an array.
func (d *Decoder) element(at int) (next int) {
	if d.pos == at {
		d.Skip()
	}
	if !d.another(at >= 0, ']') {
		return -1
	}
	if d.most > 0 {
		if d.most--; d.most == 0 {
			d.Fail(ErrTooMany)
			return -1
		}
	}
	return d.pos
}

func (d *Decoder) enter() bool {
	if d.depth++; d.depth > MaxDepth {
		d.Fail(&SyntaxError{Offset: d.pos, Msg: "nested too deep", Err: ErrTooDeep})
		return false
	}
	d.pos++
	return true
}

func (d *Decoder) leave() { d.depth--; d.pos++ }

// at reports whether c is the next byte.
func (d *Decoder) at(c byte) bool { return d.pos < len(d.b) && d.b[d.pos] == c }

// punct reads c, and the white space around it.
func (d *Decoder) punct(c byte) bool {
	if !d.at(c) {
		if d.space(); !d.at(c) {
			d.syntax("expected " + strconv.QuoteRune(rune(c)))
			return false
		}
	}
	d.pos++
	d.space()
	return true
}

// Raw reads the next value and returns its bytes as they stand in the
// document. They alias the document.
func (d *Decoder) Raw() []byte {
	d.space()
	start := d.pos
	d.Skip()
	if d.err != nil {
		return nil
	}
	return d.b[start:d.pos:d.pos]
}

// Skip reads the next value, checking its syntax, and forgets it.
func (d *Decoder) Skip() {
	switch d.Kind() {
	case Object:
		for range d.Members() {
		}
	case Array:
		most := d.most
		d.most = 0
		for range d.Elements() {
		}
		d.most = most
	case String:
		if d.trusted {
			d.skipString()
		} else {
			d.scanString()
		}
	case Number:
		d.scanNumber()
	case Bool:
		if d.b[d.pos] == 't' {
			d.literal("true")
		} else {
			d.literal("false")
		}
	case Null:
		d.literal("null")
	default:
		d.syntax("expected a value")
	}
}

func (d *Decoder) literal(s string) {
	if len(d.b)-d.pos < len(s) || string(d.b[d.pos:d.pos+len(s)]) != s {
		d.syntax("invalid literal")
		return
	}
	d.pos += len(s)
}
