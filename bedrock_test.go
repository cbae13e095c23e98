package llmproxy_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const bedrockClaude = "aws-bedrock/us.anthropic.claude-sonnet-4-5-v1:0"

// bedrockProxy serves Bedrock from a fake, with keys enough for every retry.
func bedrockProxy(t *testing.T, script ...providertest.Step) (*httptest.Server, *providertest.Server) {
	up := providertest.NewServer(t, script...)
	p := provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"})
	p.BaseURL = up.URL
	return proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("aws-bedrock", rotate.Secrets("b1", "b2", "b3")...)), up
}

func messagesTo(model, more string) string {
	return `{"model":"` + model + `","max_tokens":100,"messages":[{"role":"user","content":"hi"}]` + more + `}`
}

// Claude is invoked in its own format: what differs is where the model, the
// stream and the versions stand.
func TestBedrockMessages(t *testing.T) {
	say := providertest.Say(providertest.Answer{Thinking: "hm", Signature: "c2ln", Text: "Hello, wörld", Tools: []providertest.ToolCall{{ID: "t1", Name: "f", Arguments: `{"x":1}`}}})
	s, up := bedrockProxy(t, say, say)
	a := do(t, s, "POST", "/v1/messages", messagesTo(bedrockClaude, `,"x-unknown":12345678901234567890`), "Anthropic-Beta", "one,two", "Anthropic-Version", "2023-06-01")
	if a.StatusCode != 200 || !strings.Contains(a.body, `"Hello, wörld"`) || !strings.Contains(a.body, `"signature":"c2ln"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	b := do(t, s, "POST", "/v1/messages", messagesTo(bedrockClaude, `,"stream":true`))
	if b.StatusCode != 200 || b.Header.Get("Content-Type") != "text/event-stream" || !strings.Contains(b.body, "event: content_block_delta\ndata: {") || strings.Count(b.body, "event: message_stop\n") != 1 ||
		!strings.Contains(b.body, `"wörld"`) || !strings.Contains(b.body, `"signature_delta"`) || !strings.Contains(b.body, "input_json_delta") || strings.Contains(b.body, "event: error") {
		t.Errorf("%d %v %s", b.StatusCode, b.Header, b.body)
	}
	q := up.Requests()
	const model = "/model/us.anthropic.claude-sonnet-4-5-v1%3A0/"
	if q[0].Path != model+"invoke" || q[1].Path != model+"invoke-with-response-stream" {
		t.Errorf("%s, %s", q[0].Path, q[1].Path)
	}
	const common = `{"max_tokens":100,"messages":[{"role":"user","content":"hi"}],`
	if want := common + `"x-unknown":12345678901234567890,"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["one","two"]}`; string(q[0].Body) != want {
		t.Errorf("%s", q[0].Body)
	}
	if want := common + `"anthropic_version":"bedrock-2023-05-31"}`; string(q[1].Body) != want {
		t.Errorf("%s", q[1].Body)
	}
}

// What fails at AWS fails in Anthropic's shape, before the stream and in it,
// and is tried again with another key while nothing has been said.
func TestBedrockMessagesFail(t *testing.T) {
	text := providertest.Answer{Text: "one two three"}
	exception := func(n int) func(*providertest.Reply) {
		return func(r *providertest.Reply) {
			r.Chunks = append(r.Chunks[:n:n], eventstream.AppendException(nil, "throttlingException", []byte(`{"message":"slow down"}`)))
		}
	}
	s, _ := bedrockProxy(t, providertest.Fail(400, "bad thing"))
	a := do(t, s, "POST", "/v1/messages", messagesTo(bedrockClaude, ""))
	if want := `{"type":"error","error":{"type":"invalid_request_error","message":"bad thing"}`; a.StatusCode != 400 || !strings.HasPrefix(a.body, want) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	s, up := bedrockProxy(t, providertest.Fail(429, "slow down"), providertest.Say(text).With(exception(1)), providertest.Say(text))
	a = do(t, s, "POST", "/v1/messages", messagesTo(bedrockClaude, `,"stream":true`))
	if a.StatusCode != 200 || up.Count() != 3 || strings.Contains(a.body, "event: error") || strings.Count(a.body, "event: message_start\n") != 1 {
		t.Errorf("%d after %d: %s", a.StatusCode, up.Count(), a.body)
	}
	s, _ = bedrockProxy(t, providertest.Say(text).With(exception(4)))
	a = do(t, s, "POST", "/v1/messages", messagesTo(bedrockClaude, `,"stream":true`))
	if !strings.Contains(a.body, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow down\"}") || strings.Contains(a.body, "message_stop") {
		t.Errorf("%s", a.body)
	}
	for name, fault := range map[string]func(*providertest.Reply){
		"cut": providertest.CutAfterEvents(4), "ended": providertest.EndAfterEvents(4), // pitfall 2
		"checksum": func(r *providertest.Reply) { r.Chunks[4][len(r.Chunks[4])-1] ^= 1 },
	} {
		s, _ = bedrockProxy(t, providertest.Say(text).With(fault))
		a = do(t, s, "POST", "/v1/messages", messagesTo(bedrockClaude, `,"stream":true`))
		if !strings.Contains(a.body, "event: error\n") || strings.Contains(a.body, "message_stop") {
			t.Errorf("%s: %d %v %q", name, a.StatusCode, a.Header, a.body)
		}
	}
}

// Tokens are counted by CountTokens, which knows no inference profiles, takes
// InvokeModel's body and wants it whole.
func TestBedrockCountTokens(t *testing.T) {
	say := providertest.Say(providertest.Answer{Input: 42})
	s, up := bedrockProxy(t, say, say, say)
	const messages = `"messages":[{"role":"user","content":"hi"}]`
	if a := do(t, s, "POST", "/v1/messages/count_tokens", `{"model":"`+bedrockClaude+`",`+messages+`,"thinking":{"type":"enabled","budget_tokens":30000}}`); a.StatusCode != 200 || a.body != `{"input_tokens":42}` {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := do(t, s, "POST", "/v1/messages/count_tokens", `{"model":"`+bedrockClaude+`",`+messages+`}`, "Anthropic-Beta", "b"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := do(t, s, "POST", "/v1beta/models/"+bedrockClaude+":countTokens", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`); a.StatusCode != 200 || a.body != `{"totalTokens":42}` {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for i, want := range []string{
		`{` + messages + `,"thinking":{"type":"enabled","budget_tokens":1024},"anthropic_version":"bedrock-2023-05-31","max_tokens":2048}`,
		`{` + messages + `,"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["b"],"max_tokens":1}`,
		`{"anthropic_version":"bedrock-2023-05-31","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"max_tokens":1}`,
	} {
		q := up.Requests()[i]
		var in struct {
			Input struct{ InvokeModel struct{ Body string } }
		}
		if err := json.Unmarshal(q.Body, &in); err != nil || q.Path != "/model/anthropic.claude-sonnet-4-5-v1%3A0/count-tokens" {
			t.Errorf("%s %v", q.Path, err)
		}
		if body, err := base64.StdEncoding.DecodeString(in.Input.InvokeModel.Body); err != nil || string(body) != want {
			t.Errorf("%v %s, want %s", err, body, want)
		}
	}
	if a := do(t, s, "POST", "/v1/messages/count_tokens", `{"model":"aws-bedrock/amazon.nova-lite-v1:0",`+messages+`}`); a.StatusCode != 501 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// pitfall 20: cache marks become cache points where the model has them, from
// either format, and are left out where it has none.
func TestBedrockCachePoints(t *testing.T) {
	s, up := bedrockProxy(t, providertest.Text("x"), providertest.Text("x"), providertest.Text("x"))
	const mark = `"cache_control":{"type":"ephemeral"}`
	do(t, s, "POST", "/v1/messages", messagesTo("aws-bedrock/amazon.nova-pro-v1:0", `,"system":[{"type":"text","text":"long",`+mark+`}]`))
	do(t, s, "POST", "/v1/chat/completions", `{"model":"`+bedrockClaude+`","messages":[{"role":"user","content":[{"type":"text","text":"long",`+mark+`},{"type":"text","text":"hi"}]}]}`)
	a := do(t, s, "POST", "/v1/messages", messagesTo("aws-bedrock/mistral.mistral-large-v1:0", `,"system":[{"type":"text","text":"long",`+mark+`}]`))
	q := up.Requests()
	if !strings.Contains(string(q[0].Body), `"system":[{"text":"long"},{"cachePoint":{"type":"default"}}]`) {
		t.Errorf("%s", q[0].Body)
	}
	if !strings.Contains(string(q[1].Body), `[{"text":"long"},{"cachePoint":{"type":"default"}},{"text":"hi"}]`) {
		t.Errorf("%s", q[1].Body)
	}
	if strings.Contains(string(q[2].Body), "cachePoint") || !strings.Contains(a.Header.Get("Llmproxy-Loss"), "does not cache") {
		t.Errorf("%s %v", q[2].Body, a.Header)
	}
}
