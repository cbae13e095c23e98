package gemini

import (
	"bufio"
	"bytes"
	"io"
	"iter"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseResponse implements translate.Outbound.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) {
	var events []translate.Event
	a := answer{o: o, emit: func(e translate.Event) { events = append(events, e) }}
	if err := a.chunk(body); err != nil {
		return nil, err
	}
	if err := a.end(nil); err != nil {
		return nil, err
	}
	resp, err := translate.Collect(func(yield func(*translate.Event, error) bool) {
		for i := range events {
			if !yield(&events[i], nil) {
				return
			}
		}
	})
	return resp, err
}

// Events implements translate.Outbound. The stream is SSE, or one JSON array
// that grows, as the API answers without alt=sse; a lone object is an answer
// that came whole, or an error.
func (o Outbound) Events(body io.Reader) iter.Seq2[*translate.Event, error] {
	return func(yield func(*translate.Event, error) bool) {
		var queue []translate.Event
		a := answer{o: o, emit: func(e translate.Event) { queue = append(queue, e) }}
		next, release := frames(body)
		defer release()
		for {
			data, err := next()
			if err == nil {
				err = a.chunk(data)
			} else {
				if err = a.end(err); err == nil {
					err = io.EOF
				}
			}
			for i := range queue {
				if !yield(&queue[i], nil) {
					return
				}
			}
			queue = queue[:0]
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// frames returns a function that returns one JSON value after the other, and
// one that must be called after.
func frames(body io.Reader) (next func() ([]byte, error), release func()) {
	r, limit := bufio.NewReader(body), sse.MaxEvent(body)
	for {
		c, err := r.ReadByte()
		if err != nil {
			return func() ([]byte, error) { return nil, err }, func() {}
		}
		switch c {
		case ' ', '\r', '\n', '\t', 0xef, 0xbb, 0xbf:
			continue
		}
		_ = r.UnreadByte() // a byte was read just now
		if c == '[' || c == '{' {
			return (&arrayReader{r: r, max: limit}).next, func() {}
		}
		break
	}
	s := sse.NewScanner(r, limit)
	return func() ([]byte, error) {
		e, err := s.Next()
		return e.Data, err
	}, s.Release
}

// arrayReader takes the objects out of an array while it grows.
type arrayReader struct {
	r   *bufio.Reader
	max int // bytes of one object
	buf []byte
}

func (a *arrayReader) next() ([]byte, error) {
	a.buf = a.buf[:0]
	depth, inString, escaped := 0, false, false
	for {
		c, err := a.r.ReadByte()
		if err != nil {
			if depth > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if depth == 0 && c != '{' {
			continue // the array's own punctuation
		}
		if a.buf = append(a.buf, c); len(a.buf) > a.max {
			return nil, sse.ErrTooLong
		}
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped, inString = c == '\\', c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return a.buf, nil
			}
		}
	}
}

// answer turns the values of an answer, of which a whole answer has one, into
// events.
type answer struct {
	o    Outbound
	emit func(translate.Event)

	started bool
	id      string
	model   string
	created int64
	usage   *translate.Usage
	losses  translate.Losses

	open  translate.PartKind // the block under way: text or thinking; 0: none
	state *translate.State   // of that block
	next  int                // index of the next block
	calls int
	text  []byte // of the text block under way, for citations' offsets

	partial *partialCall // a call whose arguments come in pieces (Vertex AI)

	finish, message string
	blocked         bool
}

func (a *answer) chunk(data []byte) error {
	var (
		d          = jsonx.NewDecoder(data)
		candidates jsonx.Decoder
		failed     bool
	)
	for k := range d.Members() {
		switch camel(k) {
		case "candidates":
			candidates = *d
		case "promptFeedback":
			for k := range d.Members() {
				switch camel(k) {
				case "blockReason":
					if v := d.String(); v != "" && v != "BLOCK_REASON_UNSPECIFIED" {
						a.blocked, a.finish = true, v
					}
				case "blockReasonMessage":
					a.message = d.String()
				}
			}
		case "usageMetadata":
			if u := readUsage(d); u != nil {
				a.usage = u
			}
		case "modelVersion":
			keep(&a.model, d)
		case "responseId":
			keep(&a.id, d)
		case "createTime":
			if t, err := time.Parse(time.RFC3339Nano, d.String()); err == nil {
				a.created = t.Unix()
			}
		case "error":
			failed = failed || !d.Null()
		}
	}
	if err := d.End(); err != nil {
		return translate.Malformed(err)
	}
	if failed {
		return a.o.ParseError(200, nil, bytes.Clone(data))
	}
	if !a.started {
		a.started = true
		a.emit(translate.Event{Type: translate.EventStart, ID: a.id, Model: a.model, Created: a.created, Usage: a.usage})
	}
	if candidates.Kind() != jsonx.Array {
		return nil
	}
	for i := range candidates.Elements() {
		if n := candidateIndex(candidates, int64(i)); n != 0 {
			a.losses.AddOnce("candidates["+strconv.FormatInt(n, 10)+"]", "one answer only is translated")
			continue
		}
		a.candidate(&candidates)
	}
	if err := candidates.Err(); err != nil {
		return translate.Malformed(err)
	}
	return nil
}

// candidateIndex returns the number of the candidate at d, whose place in a
// chunk is another: a chunk of a stream may hold the second one alone.
func candidateIndex(d jsonx.Decoder, place int64) int64 {
	if d.Kind() != jsonx.Object {
		return place
	}
	for k := range d.Members() {
		if string(k) == "index" && d.Kind() == jsonx.Number {
			return d.Int()
		}
	}
	return place
}

func (a *answer) candidate(d *jsonx.Decoder) {
	var cited []translate.Citation
	for k := range d.Members() {
		switch key := camel(k); key {
		case "content":
			for k := range d.Members() {
				if string(k) != "parts" {
					continue
				}
				for range d.Elements() {
					a.part(d.Raw(), d)
				}
			}
		case "finishReason":
			if v := d.String(); v != "" && v != "FINISH_REASON_UNSPECIFIED" {
				a.finish = v
			}
		case "finishMessage":
			a.message = d.String()
		case "logprobsResult":
			if !d.Null() {
				a.losses.AddOnce("candidates[0].logprobsResult", "in another shape than OpenAI's")
			}
		case "groundingMetadata":
			cited = append(cited, grounding(d)...)
		case "citationMetadata":
			cited = append(cited, citations(d)...)
		}
	}
	a.cite(cited)
}

// part handles one part; problems go to d.
func (a *answer) part(raw []byte, d *jsonx.Decoder) {
	if d.Err() != nil {
		return
	}
	var w wirePart
	in := jsonx.NewDecoder(raw)
	w.read(in)
	if err := in.End(); err != nil {
		d.Fail(err)
		return
	}
	var state *translate.State
	if w.signature != "" {
		state = &translate.State{Origin: a.o.origin(), Data: w.signature}
	}
	switch {
	case w.call != nil:
		a.call(&w, state)
	case w.media != nil:
		a.whole(translate.KindMedia, w.media)
	case w.opaque != "":
		a.whole(translate.KindOpaque, &translate.Opaque{Format: translate.Gemini, Type: w.opaque, Raw: bytes.Clone(raw)})
	case w.thought:
		a.words(translate.KindThinking, w.text, state)
	case w.text == "" && state != nil && a.open != 0:
		a.state = state // the last chunk's empty text carries the block's signature
	case w.text != "" || state != nil:
		a.words(translate.KindText, w.text, state)
	}
}

// words continues the block under way or opens one. A signature belongs to the
// part that it stands on, so it ends the block.
func (a *answer) words(kind translate.PartKind, text string, state *translate.State) {
	if a.open != kind || a.state != nil {
		a.close()
		a.open = kind
		a.emit(translate.Event{Type: translate.EventBlockStart, Index: a.next, Kind: kind})
	}
	if text != "" {
		if kind == translate.KindText {
			a.text = append(a.text, text...)
		}
		a.emit(translate.Event{Type: translate.EventBlockDelta, Index: a.next, Kind: kind, Text: []byte(text)})
	}
	a.state = state
}

// close ends the text or thinking under way.
func (a *answer) close() {
	if a.open == 0 {
		return
	}
	a.emit(translate.Event{Type: translate.EventBlockStop, Index: a.next, Kind: a.open, State: a.state})
	a.open, a.state, a.text = 0, nil, a.text[:0]
	a.next++
}

func (a *answer) whole(kind translate.PartKind, part translate.Part) {
	a.close()
	a.emit(translate.Event{Type: translate.EventBlockStart, Index: a.next, Kind: kind, Part: part})
	a.emit(translate.Event{Type: translate.EventBlockStop, Index: a.next, Kind: kind})
	a.next++
}

func (a *answer) call(w *wirePart, state *translate.State) {
	if w.partial != nil || w.more || a.partial != nil {
		a.partialCall(w, state)
		return
	}
	a.close()
	a.calls++
	id := w.call.ID
	if id == "" {
		id = translate.FitID("call_"+a.id+"_"+strconv.Itoa(a.calls), 40)
	}
	a.emit(translate.Event{Type: translate.EventBlockStart, Index: a.next, Kind: translate.KindToolUse, ID: id, Name: w.call.Name, State: state})
	if args := string(w.call.Input); args != "{}" {
		a.emit(translate.Event{Type: translate.EventBlockDelta, Index: a.next, Kind: translate.KindToolUse, Text: []byte(args)})
	}
	a.emit(translate.Event{Type: translate.EventBlockStop, Index: a.next, Kind: translate.KindToolUse})
	a.next++
}

// cite adds citations to the text under way. They come late, with offsets in
// bytes of UTF-8.
func (a *answer) cite(list []translate.Citation) {
	if len(list) == 0 {
		return
	}
	if a.open != translate.KindText {
		a.losses.AddOnce("candidates[0].groundingMetadata", "cites no text")
		return
	}
	for i := range list {
		c := &list[i]
		c.Start, c.End = a.points(c.Start), a.points(c.End)
		a.emit(translate.Event{Type: translate.EventBlockDelta, Index: a.next, Kind: translate.KindText, Citation: c})
	}
}

func (a *answer) points(offset int) int {
	return utf8.RuneCount(a.text[:max(0, min(offset, len(a.text)))])
}

// keep reads a string that every chunk repeats.
func keep(s *string, d *jsonx.Decoder) {
	if b := d.StringBytes(); string(b) != *s {
		*s = string(b)
	}
}

// end ends the answer; err is the reader's, nil for a whole answer.
func (a *answer) end(err error) error {
	if !a.started || a.finish == "" || a.partial != nil {
		return translate.Truncated(err)
	}
	a.close()
	a.emit(translate.Event{Type: translate.EventStop, Finish: a.reason(), Usage: a.usage, Losses: a.losses})
	return nil
}
