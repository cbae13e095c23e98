package jsonx

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Encoder appends JSON to a byte slice. Commas come by themselves: whether one
// is due is told by the last byte written. The zero value is ready to use, as
// is one whose B holds a prefix that ends in white space, ':' or '(' (such as
// "data: "). Its methods return the receiver's address so that members can be
// written in one line: e.Key("role").String("user").
//
// The methods are not inlined. A writer that runs once a request finds little of
// its code in the processor's cache, and takes as long as its code is.
type Encoder struct {
	B []byte // what has been written; the caller takes it from here
}

// next returns what is written, and the comma that is due before a value.
func (e *Encoder) next() []byte {
	if n := len(e.B); n > 0 && !opens[e.B[n-1]] {
		return append(e.B, ',')
	}
	return e.B
}

// opens are the bytes that a value may stand behind without a comma.
var opens = [256]bool{'{': true, '[': true, ':': true, ' ': true, '\n': true, '(': true, ',': true}

// Object opens an object; EndObject closes it.
//
//go:noinline
func (e *Encoder) Object() *Encoder { e.B = append(e.next(), '{'); return e }

// EndObject closes the object that Object opened.
//
//go:noinline
func (e *Encoder) EndObject() *Encoder { e.B = append(e.B, '}'); return e }

// Array opens an array; EndArray closes it.
//
//go:noinline
func (e *Encoder) Array() *Encoder { e.B = append(e.next(), '['); return e }

// EndArray closes the array that Array opened.
//
//go:noinline
func (e *Encoder) EndArray() *Encoder { e.B = append(e.B, ']'); return e }

// Key writes a member's key, which must need no escaping.
//
//go:noinline
func (e *Encoder) Key(k string) *Encoder {
	b := append(e.next(), '"')
	b = append(b, k...)
	e.B = append(b, '"', ':')
	return e
}

// KeyString writes a member's key that may need escaping.
func (e *Encoder) KeyString(k string) *Encoder {
	e.String(k)
	e.B = append(e.B, ':')
	return e
}

// String writes s as a string.
func (e *Encoder) String(s string) *Encoder {
	e.B = AppendString(e.next(), s)
	return e
}

// Text writes b as a string.
func (e *Encoder) Text(b []byte) *Encoder {
	e.B = appendText(e.next(), b)
	return e
}

// Int writes i.
func (e *Encoder) Int(i int64) *Encoder {
	e.B = strconv.AppendInt(e.next(), i, 10)
	return e
}

// Float writes f in its shortest form; a number that JSON cannot hold is null.
func (e *Encoder) Float(f float64) *Encoder {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return e.Null()
	}
	if i := int64(f*1000 + 0.5); f > 0 && f < 1000 && float64(i)/1000 == f {
		return e.thousandths(i)
	}
	e.B = strconv.AppendFloat(e.next(), f, 'g', -1, 64)
	return e
}

// thousandths writes a number of few digits, as a temperature is. No shorter
// one reads as the same float64, which holds fifteen digits.
func (e *Encoder) thousandths(i int64) *Encoder {
	e.Int(i / 1000)
	if i %= 1000; i > 0 {
		e.B = append(e.B, '.', byte('0'+i/100), byte('0'+i/10%10), byte('0'+i%10))
		e.B = bytes.TrimRight(e.B, "0")
	}
	return e
}

// Bool writes v.
//
//go:noinline
func (e *Encoder) Bool(v bool) *Encoder {
	e.B = strconv.AppendBool(e.next(), v)
	return e
}

// Null writes null.
//
//go:noinline
func (e *Encoder) Null() *Encoder { e.B = append(e.next(), "null"...); return e }

// Raw writes v, which is a JSON value already, as it stands; an empty v is
// null. White space around v is dropped.
func (e *Encoder) Raw(v []byte) *Encoder {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return e.Null()
	}
	e.B = append(e.next(), v...)
	return e
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string literal. Nothing is escaped that
// need not be, and bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	return appendText(dst, unsafe.Slice(unsafe.StringData(s), len(s))) // only read
}

func appendText(dst, b []byte) []byte {
	dst = append(dst, '"')
	from := 0 // b[from:i] is as it has to be
	for i := 0; ; {
		if i += span(b[i:], highs); i == len(b) {
			break
		}
		c := b[i]
		if c >= utf8.RuneSelf {
			if _, size := utf8.DecodeRune(b[i:]); size > 1 {
				i += plainUTF8(b[i:])
				continue
			}
		}
		dst = append(dst, b[from:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default: // not UTF-8
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		i++
		from = i
	}
	return append(append(dst, b[from:]...), '"')
}

// plainUTF8 is Plain for text that has not been checked to be UTF-8. It does not
// look far: what is behind a byte that is not UTF-8 is looked at again.
func plainUTF8(b []byte) int {
	if end := 512; len(b) > end {
		for end > utf8.UTFMax && !utf8.RuneStart(b[end]) {
			end--
		}
		b = b[:end]
	}
	n := Plain(b)
	if utf8.Valid(b[:n]) {
		return n
	}
	for i := 0; i < n; {
		r, size := utf8.DecodeRune(b[i:n])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return n
}
