package llmproxy

import (
	"bytes"

	"github.com/go-llmproxy/llmproxy/translate"
)

// bytesPerToken is what tokenizers of the time make of text, on average:
// English has a little more, code and other scripts have less.
const bytesPerToken = 4

// estimate fills in the usage of a stream that ended before its provider had
// told it: what was told so far holds, and the rest is reckoned from the text
// that came and, as an Admission's InputTokens, from the request's body.
func (x *exchange) estimate() {
	if x.told || x.rec.Err == nil && !x.rec.Aborted || x.text == 0 && x.rec.Usage == nil {
		return
	}
	var u translate.Usage
	if x.rec.Usage != nil {
		u = *x.rec.Usage
	}
	if u.TotalInput() == 0 {
		if u.Input = x.input; !x.forgotten {
			u.Input = inputTokens(x.body)
		}
	}
	u.Output = max(u.Output, tokens(x.text)-u.Reasoning)
	x.rec.Usage, x.rec.UsageFrom = &u, UsageEstimated
}

func tokens(bytes int64) int64 { return (bytes + bytesPerToken - 1) / bytesPerToken }

// contentKeys are the members that hold the text of a format's frames of
// content.
var contentKeys = map[translate.Format][][]byte{
	translate.OpenAI:    {[]byte(`"content":`), []byte(`"arguments":`), []byte(`"reasoning_content":`), []byte(`"reasoning":`), []byte(`"refusal":`)},
	translate.Anthropic: {[]byte(`"text":`), []byte(`"thinking":`), []byte(`"partial_json":`)},
	translate.Responses: {[]byte(`"delta":`)},
	translate.Gemini:    {[]byte(`"text":`), []byte(`"args":`)},
}

// textFinder finds the text in a stream's frames of content.
type textFinder struct {
	keys [][]byte // of the members that hold it
	key  []byte   // that which held the last frame's
	at   int      // where it stood
}

// len returns about how many bytes of text a frame has. The keys cannot stand in
// the text, where their quotes would be escaped. One stands where it stood in
// the frame before, nearly always.
func (f *textFinder) len(frame []byte) (n int) {
	if f.key != nil && f.at < len(frame) && bytes.HasPrefix(frame[f.at:], f.key) {
		return valueLen(frame[f.at+len(f.key):])
	}
	for _, k := range f.keys {
		i := bytes.Index(frame, k)
		if i < 0 {
			continue
		}
		if m := valueLen(frame[i+len(k):]); m > 0 {
			f.key, f.at, n = k, i, n+m
		}
	}
	return n
}

// valueLen returns the length of the string or the object that b begins with,
// without a string's quotes and with an escape for one byte.
func valueLen(b []byte) (n int) {
	b = bytes.TrimLeft(b, " ")
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			if i++; i < len(b) && b[i] == 'u' {
				i, n = i+4, n+2 // most are three bytes of UTF-8
			}
		case c == '"':
			if quoted = !quoted; depth == 0 && !quoted {
				return n
			} else if depth == 0 {
				continue
			}
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return n + 1
			}
		case depth == 0:
			return 0 // null, or a number
		}
		n++
	}
	return n
}
