package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// format is a wire format, spoken by clients and upstream.
type format string

const (
	openAI    format = "openai"
	anthropic format = "anthropic"
)

func (f format) path() string {
	if f == anthropic {
		return "/v1/messages"
	}
	return "/v1/chat/completions"
}

// The keys of clients, and how those of upstream begin.
const (
	clientKey   = "sk-client"
	upstreamKey = "sk-upstream"
)

// header is what a client sends that has key.
func (f format) header(key string) string {
	if f == anthropic {
		return "X-Api-Key: " + key + "\r\nAnthropic-Version: 2023-06-01\r\n"
	}
	return "Authorization: Bearer " + key + "\r\n"
}

// key is a request's key.
func (f format) key(h http.Header) string {
	if f == anthropic {
		return h.Get("X-Api-Key")
	}
	return strings.TrimPrefix(h.Get("Authorization"), "Bearer ")
}

// streamEnd is what a whole stream has near its end.
func (f format) streamEnd() string {
	if f == anthropic {
		return `{"type":"message_stop"}`
	}
	return "data: [DONE]"
}

// prose is text as conversations have it: lines, quotes and letters beyond
// ASCII.
const prose = `She asked: \"What does a proxy cost?\" It depends on what it reads, what it copies and how often it wakes.\nA naïve one decodes everything — twice. `

// requestBody returns what a client in format f sends.
func requestBody(f format, modelPrefix string, w *work) []byte {
	model := modelPrefix + "gpt-5.5"
	if w.upstream == anthropic {
		model = modelPrefix + "claude-sonnet-5-5"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"model":%q,"max_tokens":512,"temperature":0.7,`, model)
	if w.stream {
		b.WriteString(`"stream":true,`)
		if w.askUsage && f == openAI {
			b.WriteString(`"stream_options":{"include_usage":true},`)
		}
	}
	const system = "Answer in one paragraph, plainly."
	if f == anthropic {
		fmt.Fprintf(&b, `"system":%q,"messages":[`, system)
	} else {
		fmt.Fprintf(&b, `"messages":[{"role":"system","content":%q},`, system)
	}
	switch {
	case w.image:
		writeImage(&b, f, w.size)
	default:
		size := max(w.size, kb)
		const turn = 2 * kb
		for b.Len()+2*turn < size {
			for _, role := range []string{"user", "assistant"} {
				fmt.Fprintf(&b, `{"role":%q,"content":"%s"},`, role, strings.Repeat(prose, turn/len(prose)))
			}
		}
		fmt.Fprintf(&b, `{"role":"user","content":"%s"}`, strings.Repeat(prose, max(1, (size-b.Len())/len(prose))))
	}
	b.WriteString("]}")
	return []byte(b.String())
}

// writeImage writes a message with an image whose base64 has n bytes.
func writeImage(b *strings.Builder, f format, n int) {
	raw := make([]byte, n/4*3)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(raw)
	data := base64.StdEncoding.EncodeToString(raw)
	if f == anthropic {
		fmt.Fprintf(b, `{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}]}`, data)
	} else {
		fmt.Fprintf(b, `{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}`, data)
	}
}

// A stamp, "@" nanoseconds ";", stands in the content of every chunk and of
// every whole answer: it tells the load generator that the content arrived and
// how long it was on its way. It survives every translation.
const stampLen = 1 + 19 + 1

func appendStamp(dst []byte, t time.Time) []byte {
	dst = append(dst, '@')
	dst = strconv.AppendInt(dst, t.UnixNano(), 10)
	return append(dst, ';')
}

// nextStamp finds the first stamp in b. n is how much of b need not be looked
// at again; t is 0 where there is no stamp.
func nextStamp(b []byte) (t int64, n int) {
	i := bytes.IndexByte(b, '@')
	if i < 0 {
		return 0, len(b)
	}
	if len(b)-i < stampLen {
		return 0, i
	}
	end := i + stampLen
	t, err := strconv.ParseInt(string(b[i+1:end-1]), 10, 64)
	if err != nil || b[end-1] != ';' {
		return 0, i + 1
	}
	return t, end
}

// outputTokens is the usage that upstream tells, and that the proxy has to
// have counted.
const outputTokens = 57

// answer is a format's answer around its stamps.
type answer struct {
	whole            [2]string // before and after the stamp
	head, tail       string    // of a stream
	chunk            [2]string // before and after the stamp
	nulls, tailUsage string    // where an OpenAI client asked for usage: in each chunk, in front of the end
}

func (f format) answer() answer {
	text := strings.Repeat(prose, 5)
	if f == anthropic {
		event := func(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }
		start, end, _ := strings.Cut(event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word|"}}`), "|")
		return answer{
			whole: [2]string{`{"id":"msg_bench","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"`,
				text + fmt.Sprintf(`"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":211,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":%d,"service_tier":"standard"}}`, outputTokens)},
			head: event("message_start", `{"type":"message_start","message":{"id":"msg_bench","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":211,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}`) +
				event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`) +
				event("ping", `{"type":"ping"}`),
			chunk: [2]string{start, end},
			tail: event("content_block_stop", `{"type":"content_block_stop","index":0}`) +
				event("message_delta", fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}}`, outputTokens)) +
				event("message_stop", `{"type":"message_stop"}`),
		}
	}
	usage := fmt.Sprintf(`{"prompt_tokens":211,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}`, outputTokens, 211+outputTokens)
	const common = `"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1764000000,"model":"gpt-5.5","service_tier":"default","system_fingerprint":"fp_bench",`
	return answer{
		whole: [2]string{`{"id":"chatcmpl-bench","object":"chat.completion","created":1764000000,"model":"gpt-5.5","choices":[{"index":0,"message":{"role":"assistant","content":"`,
			text + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":` + usage + `,"service_tier":"default","system_fingerprint":"fp_bench"}`},
		head:      `data: {` + common + `"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}` + "\n\n",
		chunk:     [2]string{`data: {` + common + `"choices":[{"index":0,"delta":{"content":" word`, `"},"logprobs":null,"finish_reason":null}]}` + "\n\n"},
		tail:      `data: {` + common + `"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\n" + "data: [DONE]\n\n",
		nulls:     `,"usage":null`,
		tailUsage: `data: {` + common + `"choices":[],"usage":` + usage + "}\n\n",
	}
}

// withUsage is the answer for a client that asked for its stream's usage: a
// null in every chunk, and a chunk of usage alone in front of the end.
func (a answer) withUsage() answer {
	null := func(s string) string { return strings.ReplaceAll(s, "]}\n", "]"+a.nulls+"}\n") }
	a.head, a.chunk[1] = null(a.head), null(a.chunk[1])
	finish, done, _ := strings.Cut(a.tail, "\n\n")
	a.tail = null(finish+"\n\n") + a.tailUsage + done
	return a
}
