package openai

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// decoder turns a provider's values into events: the chunks of a stream, or a
// whole answer, which it reads as a stream of one chunk whose delta is called
// message. It takes every dialect's words at once.
type decoder struct {
	o     Outbound
	queue []translate.Event // what the last value gave

	id, model string
	created   int64
	tier      string
	started   bool
	finished  bool // a finish_reason was read
	bare      bool // Workers AI's own format, which knows no reasons
	brief     bool // content is not wanted
	called    bool // a tool call was seen
	native    string
	reason    string // native_finish_reason
	usage     *translate.Usage

	next      int // index of the next block
	text      textBlock
	calls     []*call
	byIndex   map[int64]*call  // the last of each
	byID      map[string]*call // the last of each
	complete  []*call          // whose arguments became so
	openCalls int
	lastCall  *call
	cites     []translate.Citation // Perplexity's, which stand beside the choices
	logprobs  []byte
	losses    translate.Losses
	body      bool          // it is a whole answer, not a stream
	outer     jsonx.Decoder // of the value
	chunk     chunk
	inner     jsonx.Decoder // of its tool calls

	likeKind translate.PartKind // of the last chunk of nothing but text
}

// value reads one JSON value. Its events are in d.queue.
func (d *decoder) value(raw []byte, failed bool) error {
	d.queue = d.queue[:0]
	if d.openCalls > translate.MaxOpenBlocks {
		return translate.Malformed(nil)
	}
	if err := d.read(raw, failed); err != nil {
		return err
	}
	v := &d.chunk
	if v.content && !d.started {
		d.start()
	}
	if v.hasDelta {
		d.delta(&v.delta)
	}
	if d.started && len(d.queue) == 0 {
		ping := translate.Event{Type: translate.EventPing}
		if d.finished && d.usage != nil { // [DONE] may never come
			ping.Finish, ping.Usage = d.finishOf(), d.usage
		}
		d.queue = append(d.queue, ping)
	}
	return nil
}

// read reads one JSON value into d.chunk.
func (d *decoder) read(raw []byte, failed bool) error {
	d.chunk = chunk{} // in d, to save an allocation
	v := &d.chunk
	dec := &d.outer
	dec.Reset(raw)
	if dec.Kind() == jsonx.Array { // Gemini wraps errors so
		failed = true
		dec.Skip()
	} else {
		d.members(dec, v)
	}
	if err := dec.End(); err != nil {
		return translate.Malformed(err)
	}
	if v.fault != nil && !failed {
		raw = v.fault
	}
	if failed || v.failed || v.suspect && !v.content {
		return translate.ParseErrorBody(http.StatusOK, nil, bytes.Clone(raw))
	}
	if v.finish != "" {
		d.finished, d.native = true, v.finish
	}
	if d.native == "error" {
		// OpenRouter and Workers AI say so where the model broke off.
		return &translate.Error{Kind: translate.Upstream, Message: "the provider failed while it was answering", Body: bytes.Clone(raw)}
	}
	return nil
}

// chunk is what one value says, in the order in which it is acted on.
type chunk struct {
	failed   bool // an error member
	suspect  bool // a member that only errors have
	content  bool // choices, or what Workers AI has for them
	hasDelta bool
	delta    delta
	finish   string
	fault    []byte // the error of a choice, which ParseErrorBody would not find
}

func (d *decoder) members(dec *jsonx.Decoder, v *chunk) {
	for key := range dec.Members() {
		switch string(key) {
		case "id":
			if d.id == "" {
				d.id = scalar(dec)
			}
		case "model":
			if d.model == "" && dec.Kind() == jsonx.String {
				d.model = dec.String()
			}
		case "created":
			if d.created == 0 && !d.brief && dec.Kind() == jsonx.Number {
				d.created = int64(dec.Float()) // some send fractions
			}
		case "service_tier":
			if d.tier == "" {
				d.tier = scalar(dec)
			}
		case "choices":
			for i := range dec.Elements() {
				v.content = true
				d.choice(dec, v, i)
			}
		case "usage":
			d.readUsage(dec)
		case "x_groq":
			for k := range dec.Members() {
				switch string(k) {
				case "usage":
					d.readUsage(dec)
				case "error":
					v.fail(dec)
				}
			}
		case "citations":
			if len(d.cites) == 0 {
				for range dec.Elements() {
					if dec.Kind() == jsonx.String && len(d.cites) < translate.MaxSources {
						d.cites = append(d.cites, translate.Citation{URL: dec.String()})
					}
				}
			}
		case "search_results":
			d.searchResults(dec)
		case "error":
			v.failed = v.failed || !dec.Null()
		case "errors":
			v.failed = v.failed || dec.Kind() == jsonx.Array && string(bytes.TrimSpace(dec.Raw())) != "[]"
		case "object":
			if dec.Kind() == jsonx.String {
				v.failed = string(dec.StringBytes()) == "error" || v.failed
			}
		case "message", "detail", "code":
			v.suspect = v.suspect || !dec.Null()
		// Workers AI's own format has the delta at the top, and its answers
		// inside an envelope.
		case "response":
			if k := dec.Kind(); k != jsonx.Null {
				d.bare = true
				v.content, v.hasDelta = true, true
				if k == jsonx.String {
					v.delta.content = dec.StringBytes()
				} else {
					v.delta.content = dec.Raw()
				}
			}
		case "tool_calls":
			if dec.Kind() == jsonx.Array {
				v.content, v.hasDelta = true, true
				v.delta.calls = dec.Raw()
			}
		case "finish_reason":
			if dec.Kind() == jsonx.String {
				v.content = true
				v.finish = dec.String()
			}
		case "result":
			if dec.Kind() == jsonx.Object {
				d.members(dec, v)
			}
		}
	}
}

func (d *decoder) choice(dec *jsonx.Decoder, v *chunk, i int) {
	var other bool
	begin := *dec
	for key := range dec.Members() { // the index may come last
		if string(key) == "index" && dec.Kind() == jsonx.Number {
			other = dec.Int() != 0
			break
		}
	}
	*dec = begin
	if other {
		d.losses.AddOnce("choices["+strconv.Itoa(i)+"]", "only the first answer is kept")
		dec.Skip()
		return
	}
	for key := range dec.Members() {
		switch string(key) {
		case "delta", "message":
			if d.brief {
				d.skim(dec)
				break
			}
			// Perplexity sends both, message being all so far.
			if string(key) == "message" && !d.body {
				break
			}
			v.hasDelta = true
			d.readDelta(dec, &v.delta)
		case "text": // the old completions format
			if dec.Kind() == jsonx.String {
				v.hasDelta = true
				v.delta.content = dec.StringBytes()
			}
		case "finish_reason":
			v.finish = scalar(dec)
		case "native_finish_reason":
			if s := scalar(dec); s != "" {
				d.reason = s
			}
		case "logprobs":
			if dec.Kind() != jsonx.Object {
				break
			}
			if d.body {
				d.logprobs = dec.Raw()
			} else {
				d.losses.AddOnce("choices[0].logprobs", "log probabilities are not translated in streams")
			}
		case "error":
			v.fail(dec)
		}
	}
}

// skim looks for tool calls alone in a message.
func (d *decoder) skim(dec *jsonx.Decoder) {
	if dec.Kind() != jsonx.Object {
		return
	}
	for key := range dec.Members() {
		if string(key) == "tool_calls" && dec.Kind() == jsonx.Array {
			for range dec.Elements() {
				d.called = true
			}
		}
	}
}

// fail reads the error of a choice.
func (v *chunk) fail(dec *jsonx.Decoder) {
	if !dec.Null() {
		v.failed, v.fault = true, dec.Raw()
	}
}

// scalar reads a string or a number as text, and anything else as nothing.
func scalar(dec *jsonx.Decoder) string {
	switch dec.Kind() {
	case jsonx.String:
		return dec.String()
	case jsonx.Number:
		return string(dec.Number())
	}
	dec.Skip()
	return ""
}

// scalarText is scalar for text, which may alias the document.
func scalarText(dec *jsonx.Decoder) []byte {
	switch dec.Kind() {
	case jsonx.String:
		return dec.StringBytes()
	case jsonx.Number:
		return dec.Number()
	}
	dec.Skip()
	return nil
}

// searchResults reads Perplexity's sources, which citations has without titles.
func (d *decoder) searchResults(dec *jsonx.Decoder) {
	var found []translate.Citation
	for range dec.Elements() {
		if len(d.cites) > 0 && d.cites[0].Title != "" {
			continue // every chunk repeats them
		}
		var c translate.Citation
		for k := range dec.Members() {
			switch string(k) {
			case "url":
				c.URL = scalar(dec)
			case "title":
				c.Title = scalar(dec)
			}
		}
		if c.URL != "" && len(found) < translate.MaxSources {
			found = append(found, c)
		}
	}
	if len(found) > 0 && len(found) >= len(d.cites) {
		d.cites = found
		return
	}
	for _, c := range found {
		for i := range d.cites {
			if d.cites[i].URL == c.URL {
				d.cites[i].Title = c.Title
			}
		}
	}
}

func (d *decoder) readUsage(dec *jsonx.Decoder) {
	if u := parseUsage(dec); u != nil {
		d.usage = u
	}
}

// parseUsage reads usage; nil where nothing in it is known.
func parseUsage(dec *jsonx.Decoder) *translate.Usage {
	var prompt, completion, total, cached, written, reasoning, searches int64
	known := false
	count := func(dst *int64) {
		if dec.Kind() != jsonx.Number {
			dec.Skip()
			return
		}
		*dst, known = int64(dec.Float()), true
	}
	if dec.Kind() != jsonx.Object {
		dec.Skip()
		return nil
	}
	for key := range dec.Members() {
		switch string(key) {
		case "prompt_tokens", "input_tokens":
			count(&prompt)
		case "completion_tokens", "output_tokens":
			count(&completion)
		case "total_tokens":
			count(&total)
		case "prompt_cache_hit_tokens": // DeepSeek before it had details
			count(&cached)
		case "reasoning_tokens": // Perplexity
			count(&reasoning)
		case "num_search_queries":
			count(&searches)
		case "prompt_tokens_details", "completion_tokens_details", "server_tool_use":
			if dec.Kind() != jsonx.Object {
				dec.Skip()
				break
			}
			for k := range dec.Members() {
				switch string(k) {
				case "cached_tokens":
					count(&cached)
				case "cache_write_tokens":
					count(&written)
				case "reasoning_tokens":
					count(&reasoning)
				case "web_search_requests":
					count(&searches)
				}
			}
		}
	}
	if !known {
		return nil
	}
	if reasoning > 0 && total == prompt+completion+reasoning {
		completion += reasoning // xAI counts reasoning beside the completion
	}
	u := translate.InclusiveUsage(prompt, cached, written, completion, reasoning)
	u.ServerTools = searches
	return u
}
