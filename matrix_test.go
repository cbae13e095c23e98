package llmproxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// upstreamRow is a provider, or one of its surfaces, and what a chat with it
// must look like on the wire.
type upstreamRow struct {
	p            *provider.HTTP
	model        string // as clients name it, behind the provider's name
	format       translate.Format
	sent         string   // the model upstream; empty: model
	chat, stream string   // addresses; an empty stream is chat's
	list         string   // empty: its models are known without asking
	header       []string // credential first
	// gateway says what of the addresses the gateway has in place of what;
	// empty: the gateway does not know the provider, which is reached
	// directly. Lists always are.
	gateway [2]string
}

const gatewayRoot = "https://gateway.ai.cloudflare.com/v1/acct/gw/"

const matrixKey = "sk-upstream"

func matrix() []upstreamRow {
	const (
		bearer  = "Authorization: Bearer " + matrixKey
		version = "Anthropic-Version: 2023-06-01"
		vertex  = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"
		lists   = "https://us-central1-aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=200"
		aws     = "https://bedrock-runtime.us-east-1.amazonaws.com"
		awsList = "https://bedrock.us-east-1.amazonaws.com/foundation-models?byOutputModality=TEXT"
		workers = "https://api.cloudflare.com/client/v4/accounts/acct/ai"
	)
	const o, r, a, g, c, b = translate.OpenAI, translate.Responses, translate.Anthropic, translate.Gemini, translate.Cohere, translate.Bedrock
	cloud := provider.VertexAI(provider.VertexConfig{Project: "p", Location: "us-central1"})
	amazon := provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"})
	toAWS := [2]string{aws, "aws-bedrock/bedrock-runtime/us-east-1"}
	toVertex := [2]string{"https://us-central1-aiplatform.googleapis.com", "google-vertex-ai"}
	return []upstreamRow{
		{p: provider.OpenAI(), model: "gpt-4o", format: o, chat: "https://api.openai.com/v1/chat/completions",
			list: "https://api.openai.com/v1/models", header: []string{bearer}, gateway: [2]string{"https://api.openai.com/v1", "openai"}},
		{p: provider.OpenAI(), model: "gpt-5-codex", format: r, chat: "https://api.openai.com/v1/responses",
			list: "https://api.openai.com/v1/models", header: []string{bearer}, gateway: [2]string{"https://api.openai.com/v1", "openai"}},
		{p: provider.GoogleAIStudio(), model: "gemini-3-pro", format: g, chat: "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:generateContent",
			stream: "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse", list: "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000",
			header: []string{"X-Goog-Api-Key: " + matrixKey}, gateway: [2]string{"https://generativelanguage.googleapis.com", "google-ai-studio"}},
		{p: provider.Anthropic(), model: "claude-sonnet-4-5", format: a, chat: "https://api.anthropic.com/v1/messages", list: "https://api.anthropic.com/v1/models?limit=1000",
			header: []string{"X-Api-Key: " + matrixKey, version}, gateway: [2]string{"https://api.anthropic.com", "anthropic"}},
		{p: provider.Cerebras(), model: "llama-4", format: o, chat: "https://api.cerebras.ai/v1/chat/completions", list: "https://api.cerebras.ai/v1/models",
			header: []string{bearer}, gateway: [2]string{"https://api.cerebras.ai/v1", "cerebras"}},
		{p: provider.Cohere(), model: "command-a", format: c, chat: "https://api.cohere.com/v2/chat", list: "https://api.cohere.com/v1/models?endpoint=chat&page_size=1000",
			header: []string{bearer}, gateway: [2]string{"https://api.cohere.com", "cohere"}},
		{p: provider.DeepSeek(), model: "deepseek-chat", format: o, chat: "https://api.deepseek.com/chat/completions", list: "https://api.deepseek.com/models",
			header: []string{bearer}, gateway: [2]string{"https://api.deepseek.com", "deepseek"}},
		{p: provider.Grok(), model: "grok-4.7", format: o, chat: "https://api.x.ai/v1/chat/completions", list: "https://api.x.ai/v1/models",
			header: []string{bearer}, gateway: [2]string{"https://api.x.ai", "grok"}},
		{p: provider.Groq(), model: "llama-3.3", format: o, chat: "https://api.groq.com/openai/v1/chat/completions", list: "https://api.groq.com/openai/v1/models",
			header: []string{bearer}, gateway: [2]string{"https://api.groq.com/openai/v1", "groq"}},
		{p: provider.Mistral(), model: "mistral-large", format: o, chat: "https://api.mistral.ai/v1/chat/completions", list: "https://api.mistral.ai/v1/models",
			header: []string{bearer}, gateway: [2]string{"https://api.mistral.ai", "mistral"}},
		{p: provider.Perplexity(), model: "sonar", sent: "perplexity/sonar", format: r, chat: "https://api.perplexity.ai/v1/responses", // it has no list
			header: []string{bearer}, gateway: [2]string{"https://api.perplexity.ai", "perplexity-ai"}},
		{p: provider.AzureOpenAI(provider.AzureConfig{Resource: "res"}), model: "my-4o", format: o, chat: "https://res.openai.azure.com/openai/v1/chat/completions",
			list: "https://res.openai.azure.com/openai/v1/models", header: []string{"Api-Key: " + matrixKey}}, // the v1 surface has no place at the gateway
		{p: provider.AzureOpenAI(provider.AzureConfig{Resource: "res", APIVersion: "2024-10-21"}), model: "my 4o", format: o, sent: "my 4o",
			chat: "https://res.openai.azure.com/openai/deployments/my%204o/chat/completions?api-version=2024-10-21", list: "https://res.openai.azure.com/openai/models?api-version=2024-10-21",
			header: []string{"Api-Key: " + matrixKey}, gateway: [2]string{"https://res.openai.azure.com/openai/deployments", "azure-openai/res"}},
		{p: cloud, model: "gemini-3-pro", format: g, chat: vertex + "/publishers/google/models/gemini-3-pro:generateContent",
			stream: vertex + "/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse", list: lists, header: []string{bearer}, gateway: toVertex},
		{p: cloud, model: "claude-opus-4@20250514", format: a, chat: vertex + "/publishers/anthropic/models/claude-opus-4@20250514:rawPredict",
			stream: vertex + "/publishers/anthropic/models/claude-opus-4@20250514:streamRawPredict", list: lists, header: []string{bearer}, gateway: toVertex},
		{p: cloud, model: "meta/llama-4", format: o, chat: vertex + "/endpoints/openapi/chat/completions", list: lists, header: []string{bearer}, gateway: toVertex},
		{p: provider.VertexAI(provider.VertexConfig{Project: "p"}), model: "gemini-3-pro", format: g, // global has no place at the gateway
			chat:   "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/gemini-3-pro:generateContent",
			stream: "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse",
			list:   "https://aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=200", header: []string{bearer}},
		{p: amazon, model: "amazon.nova-lite-v1:0", format: b, chat: aws + "/model/amazon.nova-lite-v1%3A0/converse", stream: aws + "/model/amazon.nova-lite-v1%3A0/converse-stream",
			list: awsList, header: []string{bearer}, gateway: toAWS},
		{p: amazon, model: "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x-v1:0", format: b,
			chat:   aws + "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-x-v1%3A0/converse",
			stream: aws + "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-x-v1%3A0/converse-stream",
			list:   awsList, header: []string{bearer}, gateway: toAWS},
		{p: amazon, model: "openai.gpt-oss-120b-1:0", format: o, chat: aws + "/openai/v1/chat/completions", list: awsList, header: []string{bearer}}, // Bedrock's OpenAI surface neither
		{p: provider.OpenRouter(), model: "anthropic/claude-sonnet-4.5", format: o, chat: "https://openrouter.ai/api/v1/chat/completions", list: "https://openrouter.ai/api/v1/models",
			header: []string{bearer}, gateway: [2]string{"https://openrouter.ai/api", "openrouter"}},
		{p: provider.WorkersAI("acct"), model: "@cf/meta/llama-4", format: o, chat: workers + "/v1/chat/completions", list: workers + "/models/search?task=Text%20Generation&per_page=100",
			header: []string{bearer}, gateway: [2]string{workers, "workers-ai"}},
		{p: provider.HuggingFace(), model: "o/m:groq", format: o, chat: "https://router.huggingface.co/v1/chat/completions", list: "https://router.huggingface.co/v1/models", header: []string{bearer}},
		{p: provider.Replicate(), model: "meta/llama", format: replicate.Format, chat: "https://api.replicate.com/v1/models/meta/llama/predictions",
			list: "https://api.replicate.com/v1/collections/language-models", header: []string{bearer}, gateway: [2]string{"https://api.replicate.com/v1", "replicate"}},
		{p: provider.Ollama(""), model: "qwen3:8b", format: o, chat: "https://ollama.com/v1/chat/completions", list: "https://ollama.com/v1/models", header: []string{bearer}},
	}
}

// TestEveryProvider has an OpenAI client chat with each provider, stream, call
// tools, fail and list models, directly and through the gateway, against a
// fake that holds every request to the provider's own terms.
// pitfall 46: each is reached at the gateway by its own path and with its own
// credential, and directly where the gateway does not know it.
func TestEveryProvider(t *testing.T) {
	var tested []string
	for _, row := range matrix() {
		tested = append(tested, row.p.ID)
		for _, g := range []*gateway.Gateway{nil, {Account: "acct", Name: "gw", Token: rotate.NewSecret("cf-token")}} {
			name := row.p.ID + "/" + strings.ReplaceAll(row.model, "/", "|") + "/direct"
			if g != nil {
				name = strings.TrimSuffix(name, "direct") + "gateway"
			}
			t.Run(name, func(t *testing.T) { row.test(t, g) })
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "<!-- providers -->")
	table, _, _ = strings.Cut(table, "<!-- /providers -->")
	for line := range strings.Lines(strings.TrimSpace(table)) {
		if id := strings.Split(line, "`")[1]; !slices.Contains(tested, id) {
			t.Errorf("%s stands in README, and is not tested here", id)
		}
	}
}

// serve starts a proxy in front of a row's provider.
func (row *upstreamRow) serve(t *testing.T, g *gateway.Gateway, script ...providertest.Step) (*httptest.Server, *providertest.Server) {
	t.Helper()
	up := providertest.NewServer(t, script...)
	opts := []llmproxy.Option{llmproxy.WithProvider(row.p), llmproxy.WithKeys(row.p.ID, rotate.Secrets(matrixKey)...), llmproxy.WithTransport(up.Everywhere())}
	if g != nil {
		opts = append(opts, llmproxy.WithGateway(g))
	}
	return proxy(t, opts...), up
}

// address turns one of the row's addresses into the gateway's.
func (row *upstreamRow) address(g *gateway.Gateway, direct string) (address string, through bool) {
	if rest, ok := strings.CutPrefix(direct, row.gateway[0]); ok && g != nil && row.gateway[0] != "" {
		return gatewayRoot + row.gateway[1] + rest, true
	}
	return direct, false
}

const (
	matrixChat  = `"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}],"max_tokens":100,"temperature":0.5`
	matrixTools = `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"callzzzzz","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},` +
		`{"role":"tool","tool_call_id":"callzzzzz","content":"42"}],"max_tokens":100,` +
		`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"type":"integer"}}}}}],"tool_choice":"auto"`
)

func (row *upstreamRow) test(t *testing.T, g *gateway.Gateway) {
	unasked := row.p.ID == "mistral" // tells usage in every stream, and refuses to be asked
	text := providertest.Answer{ID: "id-1", Text: "Hello, wörld", Input: 10, Output: 5, Usage: unasked}
	call := providertest.Answer{ID: "id-2", Tools: []providertest.ToolCall{{ID: "callaaaaa", Name: "f", Arguments: `{"x":1}`}}, Usage: unasked}
	s, up := row.serve(t, g)
	ask := func(members string, script ...providertest.Step) answer {
		t.Helper()
		up.Then(script...)
		before := up.Count()
		model, _ := json.Marshal(row.p.ID + "/" + row.model)
		a := do(t, s, "POST", "/v1/chat/completions", `{"model":`+string(model)+`,`+members+`}`, "Cf-Aig-Metadata", `{"a":1}`)
		for i, q := range up.Requests()[before:] {
			if q.Method == http.MethodGet { // of a prediction's own stream
				row.checkStream(t, q, script)
				continue
			}
			if i > 0 && len(script) < 2 {
				t.Errorf("asked again: %s %s", q.Method, q.Path)
			}
			row.check(t, g, q, strings.Contains(members, `"stream":true`))
		}
		return a
	}
	streams := []providertest.Step{providertest.Say(text)}
	if row.format == replicate.Format {
		streams = append(streams, providertest.Say(text)) // a stream is two exchanges
	}
	t.Run("chat", func(t *testing.T) {
		if got := completionOf(t, ask(matrixChat, providertest.Say(text))); got != `"Hello, wörld" [] stop 10+5` {
			t.Error(got)
		}
	})
	t.Run("stream", func(t *testing.T) {
		want := `"Hello, wörld" [] stop 10+5`
		if row.format == replicate.Format {
			want = `"Hello, wörld" [] stop 0+0` // its streams tell no usage
		}
		if got := chunksOf(t, ask(matrixChat+`,"stream":true,"stream_options":{"include_usage":true}`, streams...)); got != want {
			t.Error(got)
		}
	})
	t.Run("tools", func(t *testing.T) {
		if row.format == replicate.Format {
			if a := ask(matrixTools); a.StatusCode != 400 || !strings.Contains(a.body, "no tools") {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			return
		}
		const want = `"" [f{"x":1}] tool_calls 10+5`
		if got := completionOf(t, ask(matrixTools, providertest.Say(call))); got != want {
			t.Error(got)
		}
		if got := chunksOf(t, ask(matrixTools+`,"stream":true,"stream_options":{"include_usage":true}`, providertest.Say(call))); got != want {
			t.Error(got)
		}
	})
	t.Run("error", func(t *testing.T) {
		for _, stream := range []string{"", `,"stream":true`} {
			a := ask(matrixChat+stream, providertest.Fail(400, "no such thing"))
			if kind := errorOf(t, a); a.StatusCode != 400 || kind != "invalid_request_error no such thing" {
				t.Errorf("%d %s: %s", a.StatusCode, kind, a.body)
			}
		}
	})
	t.Run("list", func(t *testing.T) {
		var list struct{ Data []struct{ ID string } }
		if row.list == "" {
			if a := do(t, s, "GET", "/v1/models", ""); json.Unmarshal([]byte(a.body), &list) != nil || len(list.Data) == 0 {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			return
		}
		up.Then(providertest.Say(text))
		before := up.Count()
		a := do(t, s, "GET", "/v1/models", "")
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list.Data) != 2 || !strings.HasSuffix(list.Data[0].ID, "model-a") || !strings.HasPrefix(list.Data[0].ID, row.p.ID+"/") {
			t.Errorf("%v %s", err, a.body)
		}
		q := up.Requests()[before]
		if got := "https://" + q.Host + q.Path; q.Query != "" && got+"?"+q.Query != row.list || q.Query == "" && got != row.list || q.Method != "GET" || len(q.Body) != 0 {
			t.Errorf("%s %s?%s, want %s", q.Method, got, q.Query, row.list)
		}
		row.credential(t, q)
	})
	t.Run("limit", func(t *testing.T) { // last, as the key cools
		a := ask(matrixChat, providertest.RateLimited(2e9))
		if kind := errorOf(t, a); a.StatusCode != 429 || !strings.HasPrefix(kind, "rate_limit_error") && !strings.HasPrefix(kind, "requests") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s %v: %s", a.StatusCode, kind, a.Header, a.body)
		}
	})
}

// check holds a request for chat to the row.
func (row *upstreamRow) check(t *testing.T, g *gateway.Gateway, q *providertest.Request, stream bool) {
	t.Helper()
	want := row.chat
	if stream && row.stream != "" {
		want = row.stream
	}
	want, through := row.address(g, want)
	got := "https://" + q.Host + q.Path
	if q.Query != "" {
		got += "?" + q.Query
	}
	if strings.ReplaceAll(got, "%3Agenerate", ":generate") != want || q.Method != http.MethodPost {
		t.Errorf("%s %s, want %s", q.Method, got, want)
	}
	if q.Format != row.format || q.Stream != stream {
		t.Errorf("format %s, stream %v", q.Format, q.Stream)
	}
	model := row.sent
	if model == "" {
		model = row.model
	}
	if q.Model != model && row.format != replicate.Format { // there it is in the address alone
		t.Errorf("model %q, want %q", q.Model, model)
	}
	if err := q.Invalid(); err != nil {
		t.Errorf("the body is not valid: %v\n%s", err, q.Body)
	}
	if !bytes.Contains(q.Body, []byte("hi")) {
		t.Errorf("what the client said is lost: %s", q.Body)
	}
	token, meta, attempts := q.Header.Get("Cf-Aig-Authorization"), q.Header.Get("Cf-Aig-Metadata"), q.Header.Get("Cf-Aig-Max-Attempts")
	if through != (token == "Bearer cf-token") || !through && token+meta+attempts != "" || through && (meta != `{"a":1}` || attempts != "1") {
		t.Errorf("the gateway's headers: %q %q %q", token, meta, attempts)
	}
	if v := q.Header.Get("Content-Type"); v != "application/json" {
		t.Errorf("content type %q", v)
	}
	row.credential(t, q)
}

// checkStream holds the request for a prediction's stream, whose address
// stands for itself and takes no key.
func (row *upstreamRow) checkStream(t *testing.T, q *providertest.Request, script []providertest.Step) {
	t.Helper()
	if len(script) < 2 || q.Host != "stream.replicate.com" || q.Header.Get("Accept") != "text/event-stream" || q.Credential() != "" || q.Header.Get("Cf-Aig-Authorization") != "" {
		t.Errorf("%s %s%s %v", q.Method, q.Host, q.Path, q.Header)
	}
}

// credential checks that the provider's key and its other headers are there,
// and that nobody else's are.
func (row *upstreamRow) credential(t *testing.T, q *providertest.Request) {
	t.Helper()
	for _, h := range row.header {
		name, want, _ := strings.Cut(h, ": ")
		if got := q.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	own, _, _ := strings.Cut(row.header[0], ":")
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Cookie"} {
		if name != own && q.Header[name] != nil {
			t.Errorf("%s: %q", name, q.Header[name])
		}
	}
	if all := fmt.Sprint(q.Host, q.Path, q.Query, q.Header); strings.Contains(all, clientKey) || strings.Contains(q.Path+q.Query+string(q.Body), matrixKey) {
		t.Errorf("a key where it must not be: %s %s", all, q.Body)
	}
}
