package jsonx

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Plain returns how many bytes at the start of s stand for themselves inside a
// string literal: everything but quotes, backslashes and control characters.
func Plain(s []byte) int { return span(s, 0) }

// span is Plain, and stops at what is not ASCII, too, where also is highs. Most
// of a request is text and images, so short strings are looked at by eight
// bytes at a time, and long ones by the machine's own search, in windows that
// grow: a string may go on with an escape soon, and a quote be far away.
func span(s []byte, also uint64) int {
	i, n := 0, len(s)
	for ; i < 64 && i <= n-8; i += 8 {
		if m := marks(binary.LittleEndian.Uint64(s[i:i+8:i+8]), also); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i+8 <= n {
		window := s[i:min(n, 2*i, i+16<<10)]
		end := len(window)
		if j := bytes.IndexByte(window, '"'); j >= 0 {
			end = j
		}
		if j := bytes.IndexByte(window[:end], '\\'); j >= 0 {
			end = j
		}
		end = control(window[:end], also)
		if i += end; end < len(window) {
			return i
		}
	}
	switch { // the rest, with what was before it
	case n >= 8:
		i = n - 8 + bits.TrailingZeros64(marks(binary.LittleEndian.Uint64(s[n-8:]), also))/8
	case n >= 4:
		both := uint64(binary.LittleEndian.Uint32(s)) | uint64(binary.LittleEndian.Uint32(s[n-4:]))<<32
		if i = bits.TrailingZeros64(marks(both, also)) / 8; i >= 4 {
			i += n - 8
		}
	default:
		for ; i < n; i++ {
			if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c&byte(also) != 0 {
				break
			}
		}
	}
	return i
}

// control returns where the first control character stands, or the first byte
// that is not ASCII where also is highs; the length of s if there is none.
func control(s []byte, also uint64) int {
	i := 0
	for ; i+32 <= len(s); i += 32 {
		b := s[i : i+32 : i+32]
		w0, w1, w2, w3 := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		if ((w0-ones*0x20)&^w0|(w1-ones*0x20)&^w1|(w2-ones*0x20)&^w2|(w3-ones*0x20)&^w3)&highs|(w0|w1|w2|w3)&also != 0 {
			break
		}
	}
	for ; i+8 <= len(s); i += 8 {
		w := binary.LittleEndian.Uint64(s[i : i+8 : i+8])
		if (w-ones*0x20)&^w&highs|w&also != 0 {
			break
		}
	}
	for ; i < len(s) && s[i] >= 0x20 && s[i]&byte(also) == 0; i++ {
	}
	return i
}

// marks sets the highest bit of each byte that span stops at. It is the usual
// "has a zero byte" and "has a byte below n": where a quote's bit 1 is turned it
// is the least that is above the control characters, turned or not. A borrow can
// only set marks above a true one, so the lowest is true.
func marks(w, also uint64) uint64 {
	quote, slash := w^ones*2, w^ones*'\\'
	return ((quote-ones*0x21)|(slash-ones))&^w&highs | w&also
}

// scanString reads a string literal, whatever it stands for.
func (d *Decoder) scanString() {
	d.pos++
	for {
		d.pos += Plain(d.b[d.pos:])
		if d.pos >= len(d.b) {
			d.syntax("")
			return
		}
		switch d.b[d.pos] {
		case '"':
			d.pos++
			return
		case '\\':
			if !d.scanEscape() {
				return
			}
		default:
			d.syntax("control character in a string")
			return
		}
	}
}

// quoted reads a string literal and returns what it stands for, which is the
// document's memory unless own. It looks at each byte once, where scanString and
// unescape would at those of a string with escapes twice.
func (d *Decoder) quoted() (s []byte, own bool) {
	start := d.pos + 1
	first := start + Plain(d.b[start:])
	switch {
	case first == len(d.b):
	case d.b[first] == '"':
		d.pos = first + 1
		return d.b[start:first:first], false
	case d.b[first] == '\\':
		end := closingQuote(d.b, first)
		if end < 0 {
			break
		}
		if s, own = unescape(d.b[start:end], first-start); own {
			d.pos = end + 1
			return s, true
		}
	}
	d.scanString() // tells what is wrong
	return nil, false
}

// closingQuote returns where the string ends in which b[start:] stands, or
// below 0. It looks for nothing else.
func closingQuote(b []byte, start int) int {
	for at := start; ; at++ {
		i := bytes.IndexByte(b[at:], '"')
		if i < 0 {
			return i
		}
		at += i
		slashes := 0
		for j := at - 1; j >= start && b[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
	}
}

// skipString looks for a string's end and for nothing else.
func (d *Decoder) skipString() {
	start := d.pos + 1
	end := closingQuote(d.b, start)
	if end < 0 {
		d.pos = len(d.b)
		d.syntax("")
		return
	}
	if d.pos = end + 1; d.test != nil && !d.found {
		d.found = d.test(d.b[start:end])
	}
}

func (d *Decoder) scanEscape() bool {
	d.pos++
	if d.pos >= len(d.b) {
		d.syntax("")
		return false
	}
	switch d.b[d.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		d.pos++
		return true
	case 'u':
		for i := 1; i <= 4; i++ {
			if d.pos+i >= len(d.b) {
				d.pos = len(d.b)
				d.syntax("")
				return false
			}
			if unhex(d.b[d.pos+i]) < 0 {
				d.syntax("invalid \\u escape")
				return false
			}
		}
		d.pos += 5
		return true
	}
	d.syntax("invalid escape")
	return false
}

// unescape resolves the escapes of a literal's inside, the first of which stands
// at first. It returns false where it is no JSON.
func unescape(s []byte, first int) ([]byte, bool) {
	out := append(make([]byte, 0, len(s)), s[:first]...)
	for i := first; i < len(s); {
		if s[i] != '\\' {
			n := Plain(s[i:])
			if n == 0 {
				return nil, false
			}
			out = append(out, s[i:i+n]...)
			i += n
			continue
		}
		if i += 2; i > len(s) {
			return nil, false
		}
		switch c := s[i-1]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(s[i:])
			if r < 0 {
				return nil, false
			}
			i += 4
			if utf16.IsSurrogate(r) {
				r2 := rune(-1)
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					r2 = utf16.DecodeRune(r, hex4(s[i+2:]))
				}
				if r = r2; r < 0 || r == utf8.RuneError {
					r = utf8.RuneError
				} else {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, false
		}
	}
	return out, true
}

// hex4 returns the number that s begins with; below 0 if there is none.
func hex4(s []byte) rune {
	if len(s) < 4 {
		return -1
	}
	return rune(unhex(s[0])<<12 | unhex(s[1])<<8 | unhex(s[2])<<4 | unhex(s[3]))
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (d *Decoder) scanNumber() {
	i, b := d.pos, d.b
	digits := func() bool {
		start := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > start
	}
	if b[i] == '-' {
		i++
	}
	zero := i < len(b) && b[i] == '0'
	first := i
	ok := digits() && (!zero || i == first+1)
	if ok && i < len(b) && b[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok {
		d.pos = i
		d.syntax("invalid number")
		return
	}
	d.pos = i
}
