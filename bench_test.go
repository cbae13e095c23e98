package llmproxy_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
)

// canned is a provider without a network, that answers always the same.
type canned struct {
	header http.Header
	body   string
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: c.header.Clone(), Request: r,
		Body: io.NopCloser(strings.NewReader(c.body)), ContentLength: int64(len(c.body)),
	}, nil
}

// forgetful is a ResponseWriter that keeps nothing.
type forgetful struct{ header http.Header }

func (w *forgetful) Header() http.Header         { return w.header }
func (w *forgetful) WriteHeader(int)             {}
func (w *forgetful) Write(b []byte) (int, error) { return len(b), nil }
func (w *forgetful) Flush()                      {}

// BenchmarkExchange is what the proxy does by itself for one request, without
// net/http and the kernel: internal/bench has all of it.
func BenchmarkExchange(b *testing.B) {
	env := map[string]string{"PROXY_API_KEY": clientKey, "OPENAI_API_KEY": "sk-provider-1,sk-provider-2", "ANTHROPIC_API_KEY": "sk-ant-provider-1,sk-ant-provider-2"}
	const prose = `She asked: \"What does a proxy cost?\" It depends on what it reads.\nA naïve one decodes everything — twice. `
	text := strings.Repeat(prose, 8)
	chat := func(model, more string) string {
		return `{"model":"` + model + `","max_tokens":512,"temperature":0.7,` + more + `"messages":[{"role":"system","content":"Answer plainly."},{"role":"user","content":"` + text + `"}]}`
	}
	const streamed, counted = `"stream":true,`, `"stream_options":{"include_usage":true},`
	common := `data: {"id":"c","object":"chat.completion.chunk","created":1764000000,"model":"gpt-5.5","service_tier":"default","system_fingerprint":"fp",`
	stream := strings.Repeat(common+`"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n", 50) +
		common + `"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}` + "\n\n" +
		common + `"choices":[],"usage":{"prompt_tokens":211,"completion_tokens":57,"total_tokens":268}}` + "\n\ndata: [DONE]\n\n"
	messages := `event: message_start` + "\n" + `data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":211,"output_tokens":1}}}` + "\n\n" +
		`event: content_block_start` + "\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
		strings.Repeat(`event: content_block_delta`+"\n"+`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}`+"\n\n", 50) +
		`event: content_block_stop` + "\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n" +
		`event: message_delta` + "\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":57}}` + "\n\n" +
		`event: message_stop` + "\n" + `data: {"type":"message_stop"}` + "\n\n"
	for _, c := range []struct{ name, path, body, answer string }{
		{"same", "/v1/chat/completions", chat("openai/gpt-5.5", ""),
			`{"id":"c","object":"chat.completion","created":1764000000,"model":"gpt-5.5","choices":[{"index":0,"message":{"role":"assistant","content":"` + text + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":211,"completion_tokens":57,"total_tokens":268,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default","system_fingerprint":"fp"}`},
		{"translated", "/v1/chat/completions", chat("anthropic/claude-sonnet-5-5", ""),
			`{"id":"m","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"` + text + `"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":211,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":57,"service_tier":"standard"}}`},
		{"pass", "/openai/v1/chat/completions", chat("gpt-5.5", ""), `{"id":"c","text":"` + text + `"}`},
		{"same stream", "/v1/chat/completions", chat("openai/gpt-5.5", streamed+counted), stream},
		{"same stream, unasked", "/v1/chat/completions", chat("openai/gpt-5.5", streamed), stream},
		{"translated stream", "/v1/chat/completions", chat("anthropic/claude-sonnet-5-5", streamed), messages},
	} {
		b.Run(c.name, func(b *testing.B) {
			up := &canned{header: manyHeaders.Clone(), body: c.answer}
			up.header.Set("Content-Type", "application/json")
			if strings.Contains(c.name, "stream") {
				up.header.Set("Content-Type", "text/event-stream")
			}
			p, err := llmproxy.New(llmproxy.FromEnv(lookup(env)), llmproxy.WithTransport(up))
			if err != nil {
				b.Fatal(err)
			}
			body := []byte(c.body)
			r := httptest.NewRequest("POST", c.path, nil)
			r.Header.Set("Authorization", "Bearer "+clientKey)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("User-Agent", "bench")
			w := httptest.NewRecorder()
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			if p.ServeHTTP(w, r); w.Code != http.StatusOK {
				b.Fatalf("status %d: %s", w.Code, w.Body)
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(bytes.NewReader(body))
				p.ServeHTTP(&forgetful{http.Header{}}, r)
			}
		})
	}
}

// manyHeaders are those of an answer of api.openai.com.
var manyHeaders = http.Header{
	"Access-Control-Expose-Headers": {"X-Request-ID, CF-Ray, CF-Ray"}, "Alt-Svc": {`h3=":443"; ma=86400`}, "Cf-Cache-Status": {"DYNAMIC"},
	"Cf-Ray": {"9a2f1c0b7d3e4f5a-FRA"}, "Date": {"Sun, 29 Nov 2026 12:00:00 GMT"}, "Openai-Organization": {"user-0123456789abcdefghijklmn"}, "Openai-Processing-Ms": {"412"},
	"Openai-Project": {"proj_0123456789abcdefghijklmn"}, "Openai-Version": {"2020-10-01"}, "Server": {"cloudflare"},
	"Strict-Transport-Security": {"max-age=31536000; includeSubDomains; preload"}, "X-Content-Type-Options": {"nosniff"},
	"X-Envoy-Upstream-Service-Time": {"431"}, "X-Openai-Proxy-Wasm": {"v0.1"}, "X-Ratelimit-Limit-Requests": {"10000"},
	"X-Ratelimit-Limit-Tokens": {"2000000"}, "X-Ratelimit-Remaining-Requests": {"9999"}, "X-Ratelimit-Remaining-Tokens": {"1999712"},
	"X-Ratelimit-Reset-Requests": {"6ms"}, "X-Ratelimit-Reset-Tokens": {"8ms"}, "X-Request-Id": {"req_0123456789abcdef0123456789abcdef"},
}
