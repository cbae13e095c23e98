// Package eventstream reads and writes the binary frames of AWS's event
// stream encoding (application/vnd.amazon.eventstream), in which Amazon
// Bedrock streams its answers:
//
//	0..3     total length, the whole frame's (big-endian, as all numbers)
//	4..7     length of the headers
//	8..11    CRC32 (IEEE) of bytes 0..7
//	12..     headers, then the payload
//	last 4   CRC32 of all that stands before
//
// A header is the length of its name in one byte, the name, the type of its
// value in one byte, and the value.
//
// https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
package eventstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"
)

// DefaultMaxFrame bounds one frame when the caller names no bound. AWS's own
// bound is 16 MiB of payload and 128 KiB of headers.
const DefaultMaxFrame = 16<<20 + 128<<10 + overhead

const (
	prelude  = 12          // both lengths and their checksum
	overhead = prelude + 4 // with the last checksum
	step     = 32 << 10    // a frame's memory is taken as its bytes come
	maxName  = 1<<8 - 1    // a header's name
	maxValue = 1<<16 - 1   // a header's bytes or string
	crcAt    = prelude - 4 // where the prelude's checksum stands
)

// The errors of a stream that is broken. Next wraps them with the details.
var (
	ErrChecksum = errors.New("eventstream: wrong checksum")
	ErrTooLong  = errors.New("eventstream: frame too long")
	ErrFormat   = errors.New("eventstream: malformed frame")
)

// Type is the type of a header's value.
type Type byte

// The types. Their numbers are the wire's.
const (
	True Type = iota
	False
	Byte
	Int16
	Int32
	Int64
	Bytes
	String
	Timestamp // milliseconds since 1970, in 8 bytes
	UUID
)

// sizes are the sizes of the values; -1 is a length in two bytes and as many
// bytes.
var sizes = [...]int{True: 0, False: 0, Byte: 1, Int16: 2, Int32: 4, Int64: 8, Bytes: -1, String: -1, Timestamp: 8, UUID: 16}

// Header is one header. Value is the value's bytes as they stand in the frame,
// without the length of Bytes and String.
type Header struct {
	Name  string
	Type  Type
	Value []byte
}

// StringHeader returns a header with a string.
func StringHeader(name, value string) Header { return Header{name, String, []byte(value)} }

// Frame is one frame. Its slices are valid until the next call of Next.
type Frame struct {
	Payload []byte
	headers []byte // checked: they can be iterated without errors
}

// Text returns the value of the named header where it is a string, and nil
// where there is none.
func (f *Frame) Text(name string) []byte {
	var found []byte
	_ = scan(f.headers, func(n []byte, t Type, v []byte) bool { // Next has checked them
		if t == String && string(n) == name {
			found = v
			return false
		}
		return true
	})
	return found
}

// Headers iterates over the headers, in their order. They are copies.
func (f *Frame) Headers() iter.Seq[Header] {
	return func(yield func(Header) bool) {
		_ = scan(f.headers, func(n []byte, t Type, v []byte) bool {
			return yield(Header{string(n), t, bytes.Clone(v)})
		})
	}
}

// scan takes headers apart until visit returns false, and reports what is
// wrong with them.
func scan(b []byte, visit func(name []byte, t Type, value []byte) bool) error {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < 1+n+1 {
			return fmt.Errorf("%w: a header's name", ErrFormat)
		}
		name, t := b[1:1+n], Type(b[1+n])
		b = b[1+n+1:]
		if int(t) >= len(sizes) {
			return fmt.Errorf("%w: a header's type %d", ErrFormat, t)
		}
		size := sizes[t]
		if size < 0 {
			if len(b) < 2 {
				return fmt.Errorf("%w: a header's length", ErrFormat)
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return fmt.Errorf("%w: a header's value", ErrFormat)
		}
		if !visit(name, t, b[:size:size]) {
			return nil
		}
		b = b[size:]
	}
	return nil
}

// Reader reads frames. It reads no further than the end of the frame that it
// returns, and keeps one frame in memory at a time. It is not safe for
// concurrent use.
type Reader struct {
	r   io.Reader
	max int
	buf []byte
	err error
}

// NewReader returns a Reader of r's frames, each of at most max bytes;
// DefaultMaxFrame if max is 0 or less.
func NewReader(r io.Reader, max int) *Reader {
	if max <= 0 {
		max = DefaultMaxFrame
	}
	return &Reader{r: r, max: max}
}

// Next returns the next frame. At the end of the stream it returns io.EOF, and
// io.ErrUnexpectedEOF where that is inside a frame. Its errors stick.
func (r *Reader) Next() (Frame, error) {
	if r.err != nil {
		return Frame{}, r.err
	}
	f, err := r.next()
	r.err = err
	return f, err
}

func (r *Reader) next() (Frame, error) {
	r.buf = r.buf[:0]
	if err := r.read(prelude); err != nil {
		return Frame{}, err
	}
	// The lengths are believed only after their checksum.
	if crc32.ChecksumIEEE(r.buf[:crcAt]) != binary.BigEndian.Uint32(r.buf[crcAt:]) {
		return Frame{}, fmt.Errorf("%w of a frame's lengths", ErrChecksum)
	}
	total, headers := uint64(binary.BigEndian.Uint32(r.buf)), uint64(binary.BigEndian.Uint32(r.buf[4:]))
	if total > uint64(r.max) {
		return Frame{}, fmt.Errorf("%w: %d bytes, where %d are allowed", ErrTooLong, total, r.max)
	}
	if headers+overhead > total {
		return Frame{}, fmt.Errorf("%w: %d bytes of headers in a frame of %d", ErrFormat, headers, total)
	}
	if err := r.read(int(total)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	end := int(total) - 4
	if crc32.ChecksumIEEE(r.buf[:end]) != binary.BigEndian.Uint32(r.buf[end:]) {
		return Frame{}, fmt.Errorf("%w of a frame", ErrChecksum)
	}
	h := r.buf[prelude : prelude+int(headers)]
	if err := scan(h, func([]byte, Type, []byte) bool { return true }); err != nil {
		return Frame{}, err
	}
	return Frame{Payload: r.buf[prelude+int(headers) : end : end], headers: h}, nil
}

// read fills the buffer up to n bytes, growing it as bytes come: a length that
// is a lie must not take memory.
func (r *Reader) read(n int) error {
	for len(r.buf) < n {
		have := len(r.buf)
		want := min(n, have+max(step, have))
		r.buf = slices.Grow(r.buf, want-have)[:want]
		got, err := io.ReadFull(r.r, r.buf[have:])
		if err != nil {
			r.buf = r.buf[:have+got]
			if err == io.EOF && have > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// AppendFrame appends a frame. It panics on a header that the encoding has no
// room for; frames are written by tests and by fakes of a provider.
func AppendFrame(dst []byte, payload []byte, headers ...Header) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, prelude)...)
	for _, h := range headers {
		if h.Name == "" || len(h.Name) > maxName || len(h.Value) > maxValue || int(h.Type) >= len(sizes) || sizes[h.Type] >= 0 && sizes[h.Type] != len(h.Value) {
			panic("eventstream: header " + h.Name + " cannot be written")
		}
		dst = append(append(append(dst, byte(len(h.Name))), h.Name...), byte(h.Type))
		if sizes[h.Type] < 0 {
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(h.Value)))
		}
		dst = append(dst, h.Value...)
	}
	b := dst[start:]
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-prelude))
	binary.BigEndian.PutUint32(b, uint32(len(b)+len(payload)+4))
	binary.BigEndian.PutUint32(b[crcAt:], crc32.ChecksumIEEE(b[:crcAt]))
	dst = append(dst, payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// AppendEvent appends a frame as Bedrock sends events: of the type that
// :event-type names, with JSON as its payload.
func AppendEvent(dst []byte, eventType string, payload []byte) []byte {
	return AppendFrame(dst, payload, StringHeader(":event-type", eventType), StringHeader(":content-type", "application/json"), StringHeader(":message-type", "event"))
}

// AppendException appends a frame as Bedrock reports failures inside a stream.
func AppendException(dst []byte, exceptionType string, payload []byte) []byte {
	return AppendFrame(dst, payload, StringHeader(":exception-type", exceptionType), StringHeader(":content-type", "application/json"), StringHeader(":message-type", "exception"))
}
