// Package sse reads and writes server-sent events as the HTML standard has
// them (https://html.spec.whatwg.org/multipage/server-sent-events.html), with
// the tolerance that real LLM streams need: any of LF, CR and CRLF ends a
// line, lines may be megabytes long, and the last event counts even where the
// blank line after it is missing.
package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// DefaultMaxEvent bounds one event when the caller names no bound. Encrypted
// reasoning and images make single events of several megabytes.
const DefaultMaxEvent = 16 << 20

// ErrTooLong is returned for an event that is longer than the bound.
var ErrTooLong = errors.New("sse: event too long")

// Event is one event. Its slices are valid until the next call of Next.
type Event struct {
	Name []byte // the event field; empty where the stream has none
	Data []byte // the data lines, joined by "\n"
	ID   []byte // the id field of this event
	Text []byte // of an event that Like tells, unless it is empty; Data may be empty then
}

// Scanner reads events from a stream. It reads no further than it must to
// return the next event, and keeps one event in memory at a time.
type Scanner struct {
	r        io.Reader
	frames   FrameReader // r, if it is one
	max      int
	buf      []byte
	memory   Memory // of buf
	start    int    // buf[:start] is consumed
	data     []byte
	name, id []byte
	hasData  bool
	first    bool // nothing consumed yet: a byte order mark may come
	skipLF   bool // the last line ended in CR, so an LF right after belongs to it
	framed   bool // like is of events as they stand in the stream, not of their data
	current  Event
	begin    int // where it stands in buf; below 0: general has read it
	err      error
	like     jsonx.Template
}

// FrameReader is a reader that knows where events end. A Scanner takes frames
// from it instead of copying bytes: each is one or more whole events, blank
// lines included, or what the stream's end left of one. A frame is valid until
// the next call; the Scanner does not change it. At the end the error is io.EOF.
type FrameReader interface {
	io.Reader
	NextFrame() ([]byte, error)
}

// MaxEvent returns the bound of r's events: what r says itself, by a method
// MaxEvent, or DefaultMaxEvent.
func MaxEvent(r io.Reader) int {
	if b, ok := r.(interface{ MaxEvent() int }); ok {
		return b.MaxEvent()
	}
	return DefaultMaxEvent
}

// NewScanner returns a Scanner that reads r, with events of at most max bytes;
// MaxEvent(r) if max is 0 or less.
func NewScanner(r io.Reader, max int) *Scanner {
	if max <= 0 {
		max = MaxEvent(r)
	}
	f, _ := r.(FrameReader)
	s := scanners.Get().(*Scanner)
	s.r, s.frames, s.max, s.first = r, f, max, true
	return s
}

// Next returns the next event that has data. It returns io.EOF at the end of
// the stream, ErrTooLong, or the reader's error, and with these an empty event.
func (s *Scanner) Next() (*Event, error) {
	for {
		ok, more := s.simple()
		if ok {
			return &s.current, nil
		}
		if !more || s.err != nil {
			s.current, s.begin = Event{}, -1
			return &s.current, s.general()
		}
		s.fill()
	}
}

// Like has Next tell events that differ from the last one in one string alone, as
// nearly all of a stream do, by their Text: comparing costs a fraction of reading.
// The string's literal ends at end of the last event's Data, which a
// jsonx.Decoder has read; 0 for no more of it.
func (s *Scanner) Like(end int) {
	switch s.framed = s.begin >= 0; {
	case end == 0:
		s.like.Forget()
	case s.framed:
		frame := s.buf[s.begin:s.start]
		s.like.Learn(frame, len(frame)-len("\n\n")-len(s.current.Data)+end)
	default:
		s.like.Learn(s.current.Data, end)
	}
}

var scanners = sync.Pool{New: func() any { return new(Scanner) }}

// Release gives the Scanner's memory to the next one. Neither the Scanner nor
// an event of it may be used after.
func (s *Scanner) Release() {
	s.memory.Release()
	s.like.Forget()
	*s = Scanner{like: s.like}
	scanners.Put(s)
}

// simple reads the next event where it is as nearly all are: in the buffer,
// one line of data after at most one of event, and LF for line ends. Nothing
// is copied then. more says that it may become so when more is read.
func (s *Scanner) simple() (ok, more bool) {
	var name []byte
	b := s.buf[s.start:]
	if s.skipLF || len(b) > maxSimple {
		return false, false
	}
	if len(b) == 0 {
		return false, true
	}
	if s.framed {
		if text, n := s.like.Next(b); len(text) > 0 && n <= s.max {
			s.current = Event{Text: text}
			s.start += n
			return true, false
		}
	}
	rest := b
	if len(rest) >= len(eventField) && string(rest[:len(eventField)]) == eventField {
		line := rest[len(eventField):]
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			return false, bytes.IndexByte(line, '\r') < 0
		}
		name, rest = line[:i:i], line[i+1:]
	}
	if len(rest) < len(dataField) || string(rest[:len(dataField)]) != dataField {
		return false, len(rest) == 0
	}
	data := rest[len(dataField):]
	i := bytes.IndexByte(data, '\n')
	switch {
	case i < 0:
		return false, bytes.IndexByte(data, '\r') < 0
	case i+1 == len(data):
		return false, data[max(i-1, 0)] != '\r'
	case data[i+1] != '\n' || max(i, len(name)) > s.max || bytes.IndexByte(b[:len(b)-len(data)+i], '\r') >= 0:
		return false, false
	}
	s.current, s.begin = Event{Name: name, Data: data[:i:i]}, s.start
	s.start, s.first = len(s.buf)-len(data)+i+2, false
	return true, false
}

// maxSimple bounds what simple looks at again and again while a line comes in.
const maxSimple = 64 << 10

const eventField, dataField = "event: ", "data: "

// general reads the next event whatever it looks like.
func (s *Scanner) general() error {
	s.data, s.name, s.id, s.hasData = s.data[:0], s.name[:0], s.id[:0], false
	for {
		line, err := s.line()
		if err != nil {
			if err == io.EOF && s.hasData {
				return s.event() // the final blank line is missing
			}
			return err
		}
		if len(line) == 0 {
			if s.hasData {
				return s.event()
			}
			s.name, s.id = s.name[:0], s.id[:0]
			continue
		}
		field, value, _ := bytes.Cut(line, colon)
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		switch string(field) {
		case "data":
			if len(s.data)+len(value) > s.max {
				return s.tooLong()
			}
			if s.hasData {
				s.data = append(s.data, '\n')
			}
			s.data = append(s.data, value...)
			s.hasData = true
		case "event":
			s.name = append(s.name[:0], value...)
		case "id":
			s.id = append(s.id[:0], value...)
		}
	}
}

var (
	colon = []byte(":")
	bom   = []byte("\xef\xbb\xbf")
)

func (s *Scanner) event() error {
	s.current = Event{Name: s.name, Data: s.data, ID: s.id}
	if !s.framed {
		s.current.Text, _ = s.like.Match(s.data)
	}
	return nil
}

func (s *Scanner) tooLong() error {
	s.err, s.start, s.hasData = fmt.Errorf("%w: more than %d bytes", ErrTooLong, s.max), len(s.buf), false
	return s.err
}

// line returns the next line without its end. It is valid until the next call.
func (s *Scanner) line() ([]byte, error) {
	scanned := 0 // so many bytes hold no line end
	for {
		if s.skipLF && s.start < len(s.buf) {
			if s.buf[s.start] == '\n' {
				s.start++
			}
			s.skipLF = false
		}
		rest := s.buf[s.start:]
		if i := lineEnd(rest[scanned:]); i >= 0 {
			end := scanned + i
			line := rest[:end]
			if len(line) > s.max+len(dataField) {
				return nil, s.tooLong()
			}
			s.skipLF = rest[end] == '\r'
			s.start += end + 1
			return s.trimBOM(line), nil
		}
		scanned = len(rest)
		if len(rest) > s.max+len(dataField) {
			return nil, s.tooLong()
		}
		if s.err != nil {
			if len(rest) > 0 && s.err == io.EOF {
				s.start = len(s.buf)
				return s.trimBOM(rest), nil
			}
			return nil, s.err
		}
		s.fill()
	}
}

func (s *Scanner) trimBOM(line []byte) []byte {
	if s.first {
		s.first = false
		return bytes.TrimPrefix(line, bom)
	}
	return line
}

func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// fill reads once, behind what is left.
func (s *Scanner) fill() {
	if s.frames != nil {
		s.nextFrame()
		return
	}
	done := 0
	if s.start == len(s.buf) || len(s.buf) == cap(s.buf) {
		done = s.start
	}
	for range 100 {
		var n int
		s.buf, n, s.err = s.memory.Read(s.r, s.buf, done)
		s.start, done = s.start-done, 0
		if n > 0 || s.err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// nextFrame makes the next frame the buffer, after what is left in it.
func (s *Scanner) nextFrame() {
	left := bytes.Clone(s.buf[s.start:]) // whose memory is the reader's
	frame, err := s.frames.NextFrame()
	if len(left) > 0 {
		frame = append(left, frame...)
	}
	s.buf, s.start, s.err = frame, 0, err
}

// AppendEvent appends one event whose data has no line ends, as JSON has not.
// An empty name is left out.
func AppendEvent(dst []byte, name string, data []byte) []byte {
	if name != "" {
		dst = append(append(append(dst, "event: "...), name...), '\n')
	}
	dst = append(append(dst, "data: "...), data...)
	return append(dst, '\n', '\n')
}

// OneLine makes line ends in JSON spaces, in place: in a frame they would end
// it. Strings hold none.
func OneLine(json []byte) {
	for i, c := range json {
		if c == '\n' || c == '\r' {
			json[i] = ' '
		}
	}
}

// AppendComment appends a comment, which readers ignore; proxies send them to
// keep idle connections alive.
func AppendComment(dst []byte, text string) []byte {
	return append(append(append(dst, ": "...), text...), '\n', '\n')
}
