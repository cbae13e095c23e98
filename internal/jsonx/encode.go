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
type Encoder struct {
	B []byte // what has been written; the caller takes it from here
}

func (e *Encoder) value() {
	if n := len(e.B); n > 0 {
		switch e.B[n-1] {
		case '{', '[', ':', ' ', '\n', '(', ',':
		default:
			e.B = append(e.B, ',')
		}
	}
}

// Object opens an object; EndObject closes it.
func (e *Encoder) Object() *Encoder { e.value(); e.B = append(e.B, '{'); return e }

// EndObject closes the object that Object opened.
func (e *Encoder) EndObject() *Encoder { e.B = append(e.B, '}'); return e }

// Array opens an array; EndArray closes it.
func (e *Encoder) Array() *Encoder { e.value(); e.B = append(e.B, '['); return e }

// EndArray closes the array that Array opened.
func (e *Encoder) EndArray() *Encoder { e.B = append(e.B, ']'); return e }

// Key writes a member's key, which must need no escaping.
func (e *Encoder) Key(k string) *Encoder {
	e.value()
	e.B = append(e.B, '"')
	e.B = append(e.B, k...)
	e.B = append(e.B, '"', ':')
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
	e.value()
	e.B = AppendString(e.B, s)
	return e
}

// Text writes b as a string.
func (e *Encoder) Text(b []byte) *Encoder {
	e.value()
	e.B = appendText(e.B, b)
	return e
}

// Int writes i.
func (e *Encoder) Int(i int64) *Encoder {
	e.value()
	e.B = strconv.AppendInt(e.B, i, 10)
	return e
}

// Float writes f in its shortest form; a number that JSON cannot hold is null.
func (e *Encoder) Float(f float64) *Encoder {
	e.value()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.B = append(e.B, "null"...)
		return e
	}
	e.B = strconv.AppendFloat(e.B, f, 'g', -1, 64)
	return e
}

// Bool writes v.
func (e *Encoder) Bool(v bool) *Encoder {
	e.value()
	e.B = strconv.AppendBool(e.B, v)
	return e
}

// Null writes null.
func (e *Encoder) Null() *Encoder { e.value(); e.B = append(e.B, "null"...); return e }

// Raw writes v, which is a JSON value already, as it stands; an empty v is
// null. White space around v is dropped.
func (e *Encoder) Raw(v []byte) *Encoder {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return e.Null()
	}
	e.value()
	e.B = append(e.B, v...)
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
