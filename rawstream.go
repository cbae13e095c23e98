package llmproxy

import (
	"bytes"
	"io"
	"net/http"
	"sync"

	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// rawStream reads a stream of frames, sends the whole ones to the client as
// they are once the exchange is committed, and lets a decoder read along.
// Until then it holds them back; half a frame it holds back always, so that an
// error event can follow at any time. After the commit the decoder sees only
// the frames that skim leaves it: decoding each delta would cost more than
// passing it on.
type rawStream struct {
	a    *attempt
	resp *http.Response
	r    io.Reader
	skim func(frame []byte) bool // reports a frame of nothing but content; nil: none is
	find textFinder

	like    frameShape // of the frames that skim passed over
	buf     []byte
	sent    int        // buf[:sent] is at the client
	seen    int        // buf[:seen] was offered to the decoder
	whole   int        // buf[:whole] is whole frames
	memory  sse.Memory // of buf
	pending []byte     // for the decoder; aliases buf
	partial bool       // the stream ended in half a frame
	ended   bool
	broken  error // of the last read, which had bytes, too
	failed  error // the stream, as the decoder sees it
	err     error // of writing to the client
}

var rawStreams = sync.Pool{New: func() any { return new(rawStream) }}

func newRawStream(a *attempt, resp *http.Response, r io.Reader) *rawStream {
	s := rawStreams.Get().(*rawStream)
	s.a, s.resp, s.r, s.skim, s.find = a, resp, r, skimmer(a.format), textFinder{keys: contentKeys[a.format]}
	s.like.begin(a.format)
	return s
}

// event takes what the decoder makes of the stream.
func (s *rawStream) event(e *translate.Event, err error) bool {
	if err != nil {
		s.failed = err
		return false
	}
	s.a.observeEvent(e)
	s.count(e)
	if s.a.committed || !e.IsContent() {
		return true
	}
	s.a.streamHeader(s.resp, "text/event-stream", true)
	s.a.forget()
	return s.send() == nil
}

// NextFrame gives the decoder its next frame.
func (s *rawStream) NextFrame() ([]byte, error) {
	for !s.offer() {
		if s.ended {
			return nil, io.EOF
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
	return s.pending, nil
}

// Read is NextFrame for decoders that take bytes.
func (s *rawStream) Read(p []byte) (int, error) {
	if len(s.pending) == 0 {
		if _, err := s.NextFrame(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// fill reads once, and sends what has become whole.
func (s *rawStream) fill() error {
	if s.broken != nil {
		return s.broken
	}
	done := 0
	if s.a.committed && s.sent == min(s.seen, s.whole) {
		done = s.sent
	}
	buf, n, err := s.memory.Read(s.r, s.buf, done)
	s.buf, s.sent, s.seen, s.whole = buf, s.sent-done, s.seen-done, s.whole-done
	from := max(len(s.buf)-n-3, s.whole)
	if i := lastFrameEnd(s.buf[from:]); i > 0 {
		s.whole = from + i
	}
	switch {
	case err == io.EOF:
		s.ended = true
		s.partial = s.whole < len(s.buf)
		err = nil
	case n > 0:
		s.broken, err = err, nil
	}
	if err == nil && s.a.committed {
		err = s.send()
	}
	if err == nil && !s.ended {
		err = s.bounded()
	}
	return err
}

// bounded reports what is held back too long: half a frame always, whole ones
// until the first content.
func (s *rawStream) bounded() error {
	if limit := s.a.p.Limits.Event; int64(len(s.buf)-s.whole) > limit {
		return &limitError{eventTooLong, limit}
	}
	if limit := s.a.p.Limits.ResponseBody; !s.a.committed && int64(len(s.buf)) > limit {
		return &limitError{noContent, limit}
	}
	return nil
}

// MaxEvent is the bound for the decoder that reads along.
func (s *rawStream) MaxEvent() int { return int(s.a.p.Limits.Event) }

// offer gives the decoder the next frames that concern it. It reports whether
// there are any.
func (s *rawStream) offer() bool {
	// One frame at a time: the first one with content commits, and the rest may
	// then be skimmed.
	skims := s.a.committed && s.skim != nil
	for s.seen < s.whole {
		rest := s.buf[s.seen:s.whole]
		if skims {
			if n, text := s.like.next(rest); n > 0 {
				s.pass(n, text)
				continue
			}
		}
		end := s.seen + firstFrameEnd(rest)
		frame := s.buf[s.seen:end]
		if skims {
			text, ok := s.like.learn(frame)
			if !ok && s.skim(frame) {
				text, ok = s.find.len(frame), true
				s.like.set(frame, text)
			}
			if ok {
				s.pass(len(frame), text)
				continue
			}
		}
		if s.repeats() {
			s.a.text += int64(s.find.len(frame))
		}
		s.pending, s.seen = s.buf[s.seen:end], end
		return true
	}
	if s.ended && s.seen < len(s.buf) {
		s.pending, s.seen = s.buf[s.seen:], len(s.buf)
		return true
	}
	return false
}

// pass passes over a frame of nothing but content.
func (s *rawStream) pass(n, text int) {
	s.a.text += int64(text)
	s.seen += n
}

// repeats reports a format that repeats its text at the end, which a decoder
// takes for new where it has not seen it before.
func (s *rawStream) repeats() bool { return s.a.format == translate.Responses }

// count counts the text of an event from frames that were not skimmed.
func (s *rawStream) count(e *translate.Event) {
	if !s.repeats() {
		s.a.text += int64(len(e.Text))
	}
}

// send sends the whole frames.
func (s *rawStream) send() error {
	if s.sent == s.whole {
		return nil
	}
	out := s.buf[s.sent:s.whole]
	s.sent = s.whole
	if s.a.unasked {
		return s.sendWithoutUsage(out)
	}
	return s.write(out)
}

func (s *rawStream) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if s.err = s.a.write(b); s.err == nil && !s.ended {
		s.a.flush() // or the end of the answer is sent with it
	}
	return s.err
}

// sendWithoutUsage sends frames as a client is sent them that asked for no usage.
func (s *rawStream) sendWithoutUsage(frames []byte) error {
	buf := sse.Buffers.Get().(*sse.Buffer)
	out := buf[:0]
	for len(frames) > 0 {
		end := firstFrameEnd(frames)
		out = appendWithoutUsage(out, frames[:end])
		frames = frames[end:]
	}
	err := s.write(out)
	sse.Buffers.Put(buf)
	return err
}

// release gives back what the stream has used. What it has learnt of frames stays
// for the next one.
func (s *rawStream) release() {
	s.memory.Release()
	*s = rawStream{like: s.like}
	rawStreams.Put(s)
}

// drain passes on what is left, half a frame included.
func (s *rawStream) drain() error {
	for !s.ended {
		s.seen, s.pending = s.whole, nil
		if err := s.fill(); err != nil {
			return err
		}
	}
	s.whole = len(s.buf)
	return s.send()
}

// lastFrameEnd returns where the last blank line ends; 0 if there is none.
func lastFrameEnd(b []byte) int {
	for i := len(b); ; {
		if i = bytes.LastIndexByte(b[:i], '\n'); i <= 0 {
			break
		}
		if b[i-1] == '\n' || b[i-1] == '\r' && i >= 2 && b[i-2] == '\n' {
			return i + 1
		}
	}
	if i := bytes.LastIndex(b, []byte("\r\r")); i >= 0 && bytes.IndexByte(b, '\n') < 0 {
		return i + 2
	}
	return 0
}

// firstFrameEnd returns where the first blank line ends; all of b if there is
// none.
func firstFrameEnd(b []byte) int {
	for i := 0; i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
	return len(b)
}

// skimmer returns a test for frames of a format that carry content and nothing
// else: no usage, no end, no error. The words that it looks for cannot stand
// in content, where their quotes would be escaped.
func skimmer(f translate.Format) func([]byte) bool {
	switch f {
	case translate.OpenAI:
		return func(b []byte) bool {
			return bytes.HasPrefix(b, []byte("data: {")) && // not [DONE], not event: error
				!given(b, `"finish_reason"`) && !given(b, `"usage"`) && !bytes.Contains(b, []byte(`"error"`))
		}
	case translate.Anthropic:
		return func(b []byte) bool {
			return bytes.HasPrefix(b, []byte("event: content_block_delta\n")) || bytes.HasPrefix(b, []byte("event: content_block_delta\r\n"))
		}
	case translate.Responses:
		return func(b []byte) bool {
			line, _, _ := bytes.Cut(b, []byte("\n"))
			return bytes.HasPrefix(line, []byte("event: response.")) && bytes.HasSuffix(bytes.TrimSuffix(line, []byte("\r")), []byte(".delta"))
		}
	case translate.Gemini:
		return func(b []byte) bool {
			return !bytes.Contains(b, []byte(`"finishReason"`)) && !bytes.Contains(b, []byte(`"error"`)) && !bytes.Contains(b, []byte(`"promptFeedback"`))
		}
	}
	return nil
}

// given reports whether a member stands in a frame with a value other than
// null.
func given(b []byte, key string) bool {
	for {
		i := bytes.Index(b, []byte(key))
		if i < 0 {
			return false
		}
		if b = bytes.TrimLeft(b[i+len(key):], " :"); !bytes.HasPrefix(b, []byte("null")) {
			return true
		}
	}
}
