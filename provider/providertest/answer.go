package providertest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// Answer is what a model says, in no format's terms.
type Answer struct {
	ID       string // empty: "test-1"
	Model    string // empty: the request's
	Thinking string
	// Signature is the state of the thinking, where the format has a place.
	Signature string
	Text      string
	Tools     []ToolCall
	Length    bool // the answer was cut at max tokens
	Filtered  bool // … or by the provider's filter of content
	// Input, Cached and Output count tokens; Input contains Cached. Zeros are
	// 10, 0 and 5.
	Input, Cached, Output int
	// Usage has streams of the OpenAI format tell it unasked.
	Usage bool
	// Whole streams each block in one delta instead of word by word.
	Whole bool
	// Interleave mixes the deltas of parallel tool calls, where the format
	// numbers them: those of OpenAI and Anthropic.
	Interleave bool
	// Reverse has the last of parallel tool calls come first, there too.
	Reverse bool
}

// ToolCall is a call of a tool. Empty arguments stand for {}.
type ToolCall struct{ ID, Name, Arguments string }

// Text answers with a text.
func Text(text string) Step { return Say(Answer{Text: text}) }

// Say answers chat in the format and the manner that it was asked in, and
// requests for a model list, embeddings and token counts with something that
// fits.
func Say(a Answer) Step {
	return Step{Reply: func(q *Request) *Reply {
		a := a
		a.fill(q)
		switch {
		case q.Count:
			return countReply(q, a)
		case q.Format == replicate.Format:
			return a.replicate(q)
		case q.Format == "":
			return otherReply(q)
		case q.Stream:
			return a.stream(q)
		}
		return jsonReply(a.whole(q.Format))
	}}
}

func (a *Answer) fill(q *Request) {
	if a.ID == "" {
		a.ID = "test-1"
	}
	if a.Model == "" {
		a.Model = q.Model
	}
	if a.Input == 0 && a.Output == 0 && a.Cached == 0 {
		a.Input, a.Output = 10, 5
	}
}

func jsonReply(v any) *Reply {
	return &Reply{Header: http.Header{"Content-Type": {"application/json"}}, Chunks: [][]byte{marshal(v)}}
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// object and list shorten what follows.
type (
	object map[string]any
	list   []any
)

// words splits a text as it is streamed. Every byte is in exactly one piece.
func (a *Answer) words(s string) []string {
	if s == "" {
		return nil
	}
	if a.Whole {
		return []string{s}
	}
	return strings.SplitAfter(s, " ")
}

// halves splits arguments into the fragments they are streamed in.
func (a *Answer) halves(s string) []string {
	if a.Whole || len(s) < 2 {
		return []string{s}
	}
	return []string{s[:len(s)/2], s[len(s)/2:]}
}

func (c ToolCall) arguments() string {
	if c.Arguments == "" {
		return "{}"
	}
	return c.Arguments
}

func (c ToolCall) input() json.RawMessage { return json.RawMessage(c.arguments()) }

// order runs what streams each of several tool calls, in the order asked for.
func (a *Answer) order(calls [][]func()) {
	if a.Reverse {
		slices.Reverse(calls)
	}
	for i := 0; a.Interleave && i < longest(calls); i++ {
		for _, c := range calls {
			if i < len(c) {
				c[i]()
			}
		}
	}
	for i := 0; !a.Interleave && i < len(calls); i++ {
		for _, f := range calls[i] {
			f()
		}
	}
}

func longest(calls [][]func()) (n int) {
	for _, c := range calls {
		n = max(n, len(c))
	}
	return n
}

// finish picks the word for why the answer ended.
func (a *Answer) finish(stop, length, tools, filtered string) string {
	switch {
	case a.Filtered:
		return filtered
	case a.Length:
		return length
	case len(a.Tools) > 0:
		return tools
	}
	return stop
}

func (a *Answer) whole(f translate.Format) any {
	switch f {
	case translate.Responses:
		return a.response("completed", a.responseItems())
	case translate.Anthropic:
		return a.message()
	case translate.Gemini:
		return a.candidate(a.geminiParts(), true)
	case translate.Cohere:
		return a.cohere()
	case translate.Bedrock:
		return a.converse()
	}
	return a.completion()
}

func (a *Answer) stream(q *Request) *Reply {
	r := &Reply{Header: http.Header{"Content-Type": {"text/event-stream"}}}
	switch q.Format {
	case translate.Responses:
		a.streamResponse(r)
	case translate.Anthropic:
		a.streamMessage(r)
		if strings.HasSuffix(q.Path, "/invoke-with-response-stream") {
			r.frames()
		}
	case translate.Gemini:
		a.streamGemini(r, q.http.URL.Query().Get("alt") != "sse")
	case translate.Cohere:
		a.streamCohere(r)
	case translate.Bedrock:
		a.streamConverse(r)
	default:
		a.streamCompletion(r, q)
	}
	return r
}

// event appends a server-sent event; an empty name is left out.
func (r *Reply) event(name string, v any) {
	head := ""
	if name != "" {
		head = "event: " + name + "\n"
	}
	r.Chunks = append(r.Chunks, []byte(head+"data: "+string(marshal(v))+"\n\n"))
}

func countReply(q *Request, a Answer) *Reply {
	if q.Format == translate.Gemini {
		return jsonReply(object{"totalTokens": a.Input})
	}
	if strings.HasSuffix(q.Path, "/count-tokens") {
		return jsonReply(object{"inputTokens": a.Input})
	}
	return jsonReply(object{"input_tokens": a.Input})
}

// otherReply answers what is not chat, by the end of the path.
func otherReply(q *Request) *Reply {
	path := strings.TrimSuffix(q.Path, "/")
	last := path[strings.LastIndexAny(path, "/:")+1:]
	switch last {
	case "models", "tags", "language-models", "search", "foundation-models":
		return ModelList("model-a", "model-b").Reply(q)
	case "embeddings", "embed":
		return embeddings(q, last)
	case "embedContent":
		return jsonReply(object{"embedding": object{"values": vector(0)}})
	case "batchEmbedContents":
		var in struct{ Requests []any }
		_ = json.Unmarshal(q.Body, &in)
		out := list{}
		for i := range in.Requests {
			out = append(out, object{"values": vector(i)})
		}
		return jsonReply(object{"embeddings": out})
	case "predict":
		var in struct{ Instances []any }
		_ = json.Unmarshal(q.Body, &in)
		out := list{}
		for i := range in.Instances {
			out = append(out, object{"embeddings": object{"values": vector(i), "statistics": object{"token_count": 3}}})
		}
		return jsonReply(object{"predictions": out})
	case "feature-extraction":
		var in struct{ Inputs []string }
		_ = json.Unmarshal(q.Body, &in)
		out := list{}
		for i := range in.Inputs {
			out = append(out, vector(i))
		}
		return jsonReply(out)
	}
	return jsonReply(object{"path": q.Path, "bytes": len(q.Body)})
}

func embeddings(q *Request, kind string) *Reply {
	var in struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"`
		Texts          []string        `json:"texts"`
		EncodingFormat string          `json:"encoding_format"`
	}
	_ = json.Unmarshal(q.Body, &in)
	if kind == "embed" {
		out := list{}
		for i := range in.Texts {
			out = append(out, vector(i))
		}
		return jsonReply(object{"id": "e", "embeddings": object{"float": out}, "texts": in.Texts, "meta": object{"billed_units": object{"input_tokens": 3}}})
	}
	var many []json.RawMessage
	n := 1
	if json.Unmarshal(in.Input, &many) == nil && len(many) > 0 && many[0][0] != '-' && (many[0][0] < '0' || many[0][0] > '9') {
		n = len(many)
	}
	data := list{}
	for i := range n {
		var v any = vector(i)
		switch in.EncodingFormat {
		case "base64":
			v = translate.EncodeBase64Vector(vector(i))
		case "base64_int8":
			v = "AQL+" // 1, 2, -2
		}
		data = append(data, object{"object": "embedding", "index": i, "embedding": v})
	}
	return jsonReply(object{"object": "list", "data": data, "model": in.Model, "usage": object{"prompt_tokens": 3, "total_tokens": 3}})
}

func vector(i int) []float32 { return []float32{float32(i), 0.5, -0.25} }

// ModelList answers with a list of models in the shape that the path and the
// headers ask for.
func ModelList(ids ...string) Step {
	return Step{Reply: func(q *Request) *Reply {
		rows := list{}
		add := func(row func(id string) object) list {
			for _, id := range ids {
				rows = append(rows, row(id))
			}
			return rows
		}
		switch {
		case strings.HasSuffix(q.Path, "/publishers/google/models"):
			return jsonReply(object{"publisherModels": add(func(id string) object { return object{"name": "publishers/google/models/" + id} })})
		case strings.Contains(q.Path, "/v1beta/models"):
			return jsonReply(object{"models": add(func(id string) object {
				return object{"name": "models/" + id, "displayName": id, "inputTokenLimit": 1000, "supportedGenerationMethods": list{"generateContent"}}
			})})
		case strings.HasSuffix(q.Path, "/foundation-models"):
			return jsonReply(object{"modelSummaries": add(func(id string) object { return object{"modelId": id, "providerName": "test"} })})
		case strings.HasSuffix(q.Path, "/models/search"):
			return jsonReply(object{"success": true, "result": add(func(id string) object { return object{"id": "7d9d", "name": "@cf/" + id} })})
		case strings.HasSuffix(q.Path, "/language-models"):
			return jsonReply(object{"name": "Language models", "slug": "language-models", "models": add(func(id string) object { return object{"owner": "test", "name": id} })})
		case strings.Contains(q.Query, "endpoint=chat"):
			return jsonReply(object{"models": add(func(id string) object { return object{"name": id, "endpoints": list{"chat"}, "context_length": 1000} })})
		case q.Header.Get("Anthropic-Version") != "":
			return jsonReply(object{"has_more": false, "data": add(func(id string) object {
				return object{"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"}
			})})
		}
		return jsonReply(object{"object": "list", "data": add(func(id string) object {
			return object{"id": id, "object": "model", "created": 1700000000, "owned_by": "test"}
		})})
	}}
}

func itoa(i int) string { return strconv.Itoa(i) }
