package llmproxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// Servers of one's own, each with the list, the extras and the errors that it
// has: set up by CUSTOM_OPENAI_ENDPOINTS, or as Ollama.
func TestLocalServers(t *testing.T) {
	for name, tt := range map[string]struct {
		env          func(base string) map[string]string
		key          string // empty: none is sent
		list         string
		models       []string // without the provider's name
		chat, listAt string
		failure      string
		message      string
	}{
		"vllm": {
			custom("vllm", "/v1", `"apiKeys":"token-abc"`), "token-abc",
			`{"object":"list","data":[{"id":"Qwen/Qwen3-8B","object":"model","created":1,"owned_by":"vllm","root":"Qwen/Qwen3-8B","parent":null,"max_model_len":40960,"permission":[{"id":"modelperm-1","object":"model_permission"}]}]}`,
			[]string{"Qwen/Qwen3-8B"}, "/v1/chat/completions", "/v1/models",
			`{"object":"error","message":"context too long","type":"BadRequestError","param":null,"code":400}`, "context too long",
		},
		"llama-cpp": {
			custom("llama-cpp", "/v1", `"apiKeys":[]`), "",
			`{"models":[{"name":"qwen.gguf","model":"qwen.gguf","modified_at":"","size":"","type":"model"}],"object":"list","data":[{"id":"qwen.gguf","object":"model","created":1,"owned_by":"llamacpp","meta":{"n_ctx_train":40960}}]}`,
			[]string{"qwen.gguf"}, "/v1/chat/completions", "/v1/models",
			`{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9}}`, "the request exceeds the available context size",
		},
		"lm-studio": {
			custom("lm-studio", "/v1", `"models":[]`), "",
			`{"data":[{"id":"qwen3-8b","object":"model","owned_by":"organization_owner"},{"id":"text-embedding-nomic","object":"model","owned_by":"organization_owner"}],"object":"list"}`,
			[]string{"qwen3-8b", "text-embedding-nomic"}, "/v1/chat/completions", "/v1/models",
			`{"error":"'messages' field is required"}`, "'messages' field is required",
		},
		"ollama": {
			func(base string) map[string]string { return map[string]string{"OLLAMA_BASE_URL": base} }, "",
			`{"object":"list","data":[{"id":"qwen3:8b","object":"model","created":1,"owned_by":"library"}]}`,
			[]string{"qwen3:8b"}, "/v1/chat/completions", "/v1/models",
			`{"error":{"message":"model not found","type":"api_error","param":null,"code":null}}`, "model not found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			up := providertest.NewServer(t)
			vars := tt.env(up.URL)
			vars["PROXY_API_KEY"] = clientKey
			s := proxy(t, llmproxy.FromEnv(lookup(vars)))
			up.Then(providertest.Raw(200, "application/json", []byte(tt.list)))
			a := do(t, s, "GET", "/v1/models", "")
			for _, m := range tt.models {
				if strings.Count(a.body, `"id":"`+name+"/"+m+`"`) != 1 || strings.Count(a.body, `"id":`) != len(tt.models) {
					t.Errorf("list: %s", a.body)
				}
			}
			model := `{"model":"` + name + "/" + tt.models[0] + `","messages":[{"role":"user","content":"hi"}]`
			up.Then(providertest.Text("Hello"), providertest.Text("Hello"), providertest.Text("Hello"), providertest.Raw(400, "application/json", []byte(tt.failure)))
			if got := completionOf(t, do(t, s, "POST", "/v1/chat/completions", model+`}`)); got != `"Hello" [] stop 10+5` {
				t.Error(got)
			}
			if got := chunksOf(t, do(t, s, "POST", "/v1/chat/completions", model+`,"stream":true,"stream_options":{"include_usage":true}}`)); got != `"Hello" [] stop 10+5` {
				t.Error(got)
			}
			if a := do(t, s, "POST", "/v1/messages", model+`,"max_tokens":9,"system":"be brief"}`); !strings.Contains(a.body, `"text":"Hello"`) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if a := do(t, s, "POST", "/v1/chat/completions", model+`}`); a.StatusCode != 400 || !strings.HasSuffix(errorOf(t, a), " "+tt.message) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			for i, q := range up.Requests() {
				want := tt.chat
				switch {
				case i == 0:
					want = tt.listAt
				case i == 3 && q.Format == "anthropic": // Ollama speaks it
					want = "/v1/messages"
				}
				if q.Path != want || q.Credential() != tt.key || i > 0 && q.Model != tt.models[0] {
					t.Errorf("%s %q %s", q.Path, q.Credential(), q.Model)
				}
				if err := q.Invalid(); err != nil {
					t.Errorf("%v: %s", err, q.Body)
				}
			}
		})
	}
}

func custom(name, path, more string) func(base string) map[string]string {
	return func(base string) map[string]string {
		return map[string]string{"CUSTOM_OPENAI_ENDPOINTS": `[{"name":"` + name + `","baseUrl":"` + base + path + `",` + more + `}]`}
	}
}

// What a provider speaks beside its formats passes through as it is: Workers
// AI's /run, also by the gateway's own path for it, and Ollama's lines of JSON.
func TestNativeSurfaces(t *testing.T) {
	const image, lines = "\x89PNG\r\n\x00\xff", "{\"message\":{\"content\":\"Hel\"},\"done\":false}\n{\"message\":{\"content\":\"lo\"},\"done\":true}\n"
	g := &gateway.Gateway{Account: "acct", Name: "gw", Token: rotate.NewSecret("cf-token")}
	for _, tt := range []struct {
		p                          *provider.HTTP
		g                          *gateway.Gateway
		method, path, body         string
		address, contentType, said string
	}{
		{provider.WorkersAI("acct"), nil, "POST", "/workers-ai/run/@cf/bfl/flux?x=%20y", `{ "prompt": "a cat" }`, "https://api.cloudflare.com/client/v4/accounts/acct/ai/run/@cf/bfl/flux?x=%20y", "image/png", image},
		{provider.WorkersAI("acct"), g, "POST", "/workers-ai/run/@cf/bfl/flux", `{ "prompt": "a cat" }`, "https://gateway.ai.cloudflare.com/v1/acct/gw/workers-ai/@cf/bfl/flux", "image/png", image},
		{provider.WorkersAI("acct"), g, "GET", "/workers-ai/models/search", "", "https://api.cloudflare.com/client/v4/accounts/acct/ai/models/search", "application/json", `{"success":true}`},
		{provider.Ollama(""), g, "POST", "/ollama/api/chat", `{"model":"qwen3:8b","messages":[]}`, "https://ollama.com/api/chat", "application/x-ndjson", lines},
		{provider.Ollama(""), nil, "GET", "/ollama/api/tags", "", "https://ollama.com/api/tags", "application/json", `{"models":[]}`},
		{provider.Replicate(), g, "POST", "/replicate/v1/predictions", `{"version":"v","input":{}}`, "https://gateway.ai.cloudflare.com/v1/acct/gw/replicate/predictions", "application/json", `{"id":"p1","status":"starting"}`},
		{provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}), nil, "POST", "/aws-bedrock/model/anthropic.claude-x/invoke-with-response-stream", `{"a":1}`,
			"https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-x/invoke-with-response-stream", "application/vnd.amazon.eventstream", "\x00\x00\x00"},
	} {
		up := providertest.NewServer(t, providertest.Raw(http.StatusOK, tt.contentType, []byte(tt.said)))
		opts := []llmproxy.Option{llmproxy.WithProvider(tt.p), llmproxy.WithKeys(tt.p.ID, rotate.Secrets("key")...), llmproxy.WithTransport(up.Everywhere())}
		if tt.g != nil {
			opts = append(opts, llmproxy.WithGateway(tt.g))
		}
		a := do(t, proxy(t, opts...), tt.method, tt.path, tt.body)
		if a.StatusCode != 200 || a.body != tt.said || a.Header.Get("Content-Type") != tt.contentType {
			t.Errorf("%s: %d %v %q", tt.path, a.StatusCode, a.Header, a.body)
		}
		q := up.Requests()[0]
		got := "https://" + q.Host + q.Path
		if q.Query != "" {
			got += "?" + q.Query
		}
		if got != tt.address || q.Method != tt.method || string(q.Body) != tt.body || q.Credential() != "key" || (q.Header.Get("Cf-Aig-Authorization") != "") != strings.Contains(tt.address, "gateway.ai") {
			t.Errorf("%s: %s %s %q %v", tt.path, q.Method, got, q.Body, q.Header)
		}
	}
}
