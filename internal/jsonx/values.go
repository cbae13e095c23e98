package jsonx

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unsafe"
)

// Null reports whether the next value is null, and reads it if so.
func (d *Decoder) Null() bool {
	if d.Kind() != Null {
		return false
	}
	d.Skip()
	return d.err == nil
}

// Bool reads a boolean; null is false.
func (d *Decoder) Bool() bool {
	if !d.expect(Bool) {
		return false
	}
	v := d.b[d.pos] == 't'
	d.Skip()
	return v
}

// String reads a string; null is empty.
func (d *Decoder) String() string {
	s, own := d.literalString()
	if own {
		return unsafe.String(unsafe.SliceData(s), len(s)) // nobody else has it
	}
	if n := len(s); n > 0 && n <= maxWord {
		if w := words[place(s)]; w == string(s) {
			return w
		}
	}
	return string(s)
}

// commonWords are the strings that most documents hold, and that need no memory
// of their own.
const commonWords = "user assistant system developer tool function text message type object auto none " +
	"stop length tool_calls end_turn max_tokens tool_use tool_result image_url input_text output_text completed standard model ephemeral"

// words has each of them in a place to itself.
var words = func() (words [places]string) {
	for w := range strings.FieldsSeq(commonWords) {
		words[place([]byte(w))] = w
	}
	return words
}()

const places = 64

func place(word []byte) int { return (len(word)*12 + int(word[0]) + int(word[len(word)-1])*7) % places }

const maxWord = 11

// Borrow is String without a copy where the string holds no escapes: it is
// good for as long as the document stays as it is. It is for what is long in a
// request: text and media.
func (d *Decoder) Borrow() string {
	s := d.StringBytes()
	return unsafe.String(unsafe.SliceData(s), len(s))
}

// StringBytes reads a string; null is nil. The bytes alias the document unless
// the string holds escapes. Unpaired surrogates become U+FFFD, as in
// encoding/json.
func (d *Decoder) StringBytes() []byte {
	s, _ := d.literalString()
	return s
}

// literalString reads a string; null is nil.
func (d *Decoder) literalString() (s []byte, own bool) {
	atHand := d.err == nil && d.pos < len(d.b) && d.b[d.pos] == '"'
	if !atHand && !d.expect(String) {
		return nil, false
	}
	return d.quoted()
}

// Texts reads a string, or a list of objects whose texts it joins, with sep between
// those that are not empty: [{"text":"a"},{"text":"b"}].
func (d *Decoder) Texts(sep string) string {
	if d.Kind() == String {
		return d.String()
	}
	var all strings.Builder
	for range d.Elements() {
		for key := range d.Members() {
			if string(key) != "text" {
				continue
			}
			s := d.StringBytes()
			if len(s) > 0 && all.Len() > 0 {
				all.WriteString(sep)
			}
			all.Write(s)
		}
	}
	return all.String()
}

// Number reads a number and returns its text; null is empty. The text aliases
// the document.
func (d *Decoder) Number() []byte {
	if !d.expect(Number) {
		return nil
	}
	start := d.pos
	d.scanNumber()
	if d.err != nil {
		return nil
	}
	return d.b[start:d.pos:d.pos]
}

// Float reads a number; null is 0.
func (d *Decoder) Float() float64 {
	at := d.pos
	n := d.Number()
	if n == nil {
		return 0
	}
	if i, places, ok := short(n); ok {
		return float64(i) / powers[places]
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		d.Fail(&SyntaxError{Offset: at, Msg: "number out of range"})
	}
	return f
}

// short reads a number of few digits, as nearly all are: i over the power of ten
// that places are. A float64 holds both exactly, so that their quotient is the
// float64 that is nearest to the number.
func short(n []byte) (i int64, places int, ok bool) {
	if len(n) > 15 {
		return 0, 0, false
	}
	for at, c := range n {
		switch {
		case c >= '0' && c <= '9':
			i = 10*i + int64(c-'0')
		case c == '.':
			places = len(n) - 1 - at
		default:
			return 0, 0, false
		}
	}
	return i, places, true
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14}

// Int reads an integer; null is 0. A number such as 5.0 or 1e3, whose value
// is whole, is taken too.
func (d *Decoder) Int() int64 {
	at := d.pos
	n := d.Number()
	if n == nil {
		return 0
	}
	if i, places, ok := short(n); ok && places == 0 {
		return i
	}
	i, err := strconv.ParseInt(string(n), 10, 64)
	if err == nil {
		return i
	}
	f, ferr := strconv.ParseFloat(string(n), 64)
	if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		d.Fail(&SyntaxError{Offset: at, Msg: "expected a whole number"})
		return 0
	}
	return int64(f)
}

// Optional reads a value by read; null is nil.
func Optional[T any](d *Decoder, read func() T) *T {
	if d.Null() {
		return nil
	}
	v := read()
	return &v
}

// Valid reports whether b is one JSON value.
func Valid(b []byte) bool {
	d := Decoder{b: b}
	d.Skip()
	return d.End() == nil
}

// KindOf returns the kind of the value in b.
func KindOf(b []byte) Kind {
	d := Decoder{b: b}
	return d.Kind()
}

// Unquote returns the string that the JSON string literal b stands for.
func Unquote(b []byte) (string, bool) {
	d := Decoder{b: b}
	if d.Kind() != String {
		return "", false
	}
	s := d.String()
	return s, d.End() == nil
}

// IsSyntax reports whether err says that the bytes were not JSON at all, as
// against JSON of another shape than was asked for.
func IsSyntax(err error) bool {
	var s *SyntaxError
	return errors.As(err, &s)
}
