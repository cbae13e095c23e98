package provider_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
)

func TestModelLists(t *testing.T) {
	for _, tt := range []struct {
		provider, body string
		want           []provider.Model
		next           string
	}{
		{"openai", `{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"system"}]}`, []provider.Model{{ID: "gpt-4o", OwnedBy: "system", Created: 1715367049}}, ""},
		{"anthropic", `{"data":[{"id":"claude-x","type":"model","display_name":"Claude X","created_at":"2026-01-02T00:00:00Z","max_input_tokens":200000,"max_tokens":64000,"lifecycle":"active"},{"id":"old","lifecycle":"retired"}],"has_more":true,"first_id":"a","last_id":"b"}`,
			[]provider.Model{{ID: "claude-x", OwnedBy: "anthropic", DisplayName: "Claude X", Created: 1767312000, ContextWindow: 200000, MaxOutput: 64000}}, "b"},
		{"google-ai-studio", `{"models":[{"name":"models/gemini-3","version":"1","displayName":"Gemini 3","inputTokenLimit":1000000,"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens"]},{"name":"models/embed","supportedGenerationMethods":["embedContent"]}],"nextPageToken":"n"}`,
			[]provider.Model{{ID: "gemini-3", OwnedBy: "google", DisplayName: "Gemini 3", ContextWindow: 1000000, MaxOutput: 65536}}, "n"},
		{"cohere", `{"models":[{"name":"command-a","endpoints":["chat"],"context_length":256000,"is_deprecated":false},{"name":"old","endpoints":["chat"],"is_deprecated":true}],"next_page_token":"t"}`,
			[]provider.Model{{ID: "command-a", OwnedBy: "cohere", ContextWindow: 256000}}, "t"},
		{"groq", `{"object":"list","data":[{"id":"a","owned_by":"Meta","active":true,"context_window":131072,"max_completion_tokens":32768,"created":1},{"id":"b","active":false}]}`,
			[]provider.Model{{ID: "a", OwnedBy: "Meta", Created: 1, ContextWindow: 131072, MaxOutput: 32768}}, ""},
		{"mistral", `{"object":"list","data":[{"id":"m","object":"model","created":2,"owned_by":"mistralai","name":"m","capabilities":{"completion_chat":true},"max_context_length":131072,"aliases":["x"]}]}`,
			[]provider.Model{{ID: "m", OwnedBy: "mistralai", Created: 2, ContextWindow: 131072}}, ""},
		{"openrouter", `{"data":[{"id":"a/b","canonical_slug":"a/b-1","name":"A: B","created":3,"context_length":8192,"top_provider":{"context_length":8192,"max_completion_tokens":null}}]}`,
			[]provider.Model{{ID: "a/b", DisplayName: "A: B", Created: 3, ContextWindow: 8192}}, ""},
		{"workers-ai", `{"success":true,"result":[{"id":"7d9d-uuid","name":"@cf/meta/llama","description":"d","task":{"name":"Text Generation"}}],"result_info":{"page":1,"per_page":1,"count":1,"total_count":2}}`,
			[]provider.Model{{ID: "@cf/meta/llama", OwnedBy: "cloudflare"}}, "2"},
		{"workers-ai", `{"success":true,"result":[],"result_info":{"page":2,"per_page":1,"count":0,"total_count":1}}`, nil, ""},
		{"huggingface", `{"object":"list","data":[{"id":"o/m","object":"model","created":4,"owned_by":"o","providers":[{"provider":"groq","status":"live"}]}]}`, []provider.Model{{ID: "o/m", OwnedBy: "o", Created: 4}}, ""},
		{"replicate", `{"name":"Language models","slug":"language-models","models":[{"owner":"meta","name":"llama","description":"d","latest_version":{"id":"x"}}]}`, []provider.Model{{ID: "meta/llama", OwnedBy: "meta"}}, ""},
		{"ollama", `{"models":[{"name":"qwen3:8b","model":"qwen3:8b","modified_at":"2026-01-02T00:00:00Z","size":1}]}`, []provider.Model{{ID: "qwen3:8b", OwnedBy: "ollama", Created: 1767312000}}, ""},
		{"google-vertex-ai", `{"publisherModels":[{"name":"publishers/google/models/gemini-3","versionId":"default"}],"nextPageToken":"p"}`, []provider.Model{{ID: "gemini-3", OwnedBy: "google"}}, "p"},
		{"aws-bedrock", `{"modelSummaries":[{"modelId":"amazon.nova-pro-v1:0","modelName":"Nova Pro","providerName":"Amazon"}]}`, []provider.Model{{ID: "amazon.nova-pro-v1:0", OwnedBy: "Amazon", DisplayName: "Nova Pro"}}, ""},
		{"mine", `[{"id":"a"},{"id":"b","created":1.5}]`, []provider.Model{{ID: "a"}, {ID: "b", Created: 1}}, ""},
		{"mine", `{"models":[{"name":"a.gguf","model":"a.gguf"}],"object":"list","data":[{"id":"a.gguf","object":"model","created":5,"owned_by":"llamacpp","meta":{}}]}`, []provider.Model{{ID: "a.gguf", OwnedBy: "llamacpp", Created: 5}}, ""},
		{"mine", `{"models":[{"name":"a.gguf","model":"a.gguf"}],"object":"list","data":[]}`, []provider.Model{{ID: "a.gguf"}}, ""},
	} {
		got, next, err := all()[tt.provider].ParseModels([]byte(tt.body))
		if err != nil || !reflect.DeepEqual(got, tt.want) || next != tt.next {
			t.Errorf("%s: %+v, %q, %v; want %+v", tt.provider, got, next, err, tt.want)
		}
	}
	for _, bad := range []string{"", "{", "<html>", `{"data":[{"id":1}`, `"x"`} {
		for name, p := range all() {
			if _, _, err := p.ParseModels([]byte(bad)); err == nil {
				t.Errorf("%s took %q", name, bad)
			}
		}
	}
	if got := all()["perplexity"].StaticModels(); len(got) == 0 {
		t.Error("perplexity has no models")
	}
}

// A recorded list, of OpenAI's.
func TestRecordedModelList(t *testing.T) {
	files, _ := filepath.Glob("../../shared/recordings/models-list/*/response.json")
	if len(files) == 0 {
		t.Skip("no recordings here")
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Data []struct {
				ID      string
				Created int64
				Owner   string `json:"owned_by"`
			}
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		got, _, err := provider.ParseModelList(body)
		if err != nil || len(got) != len(want.Data) {
			t.Fatal(len(got), err)
		}
		for i, w := range want.Data {
			if got[i].ID != w.ID || got[i].Created != w.Created || got[i].OwnedBy != w.Owner {
				t.Errorf("%+v, want %+v", got[i], w)
			}
		}
	}
}

func FuzzModelList(f *testing.F) {
	for _, s := range []string{`{"data":[{"id":"a"}],"has_more":true,"last_id":"x"}`, `[{"name":"models/a"}]`, `{"result":[{"id":1,"name":"@cf/x"}],"result_info":{"page":1}}`, `{"models":null}`, `{"next":5}`} {
		f.Add([]byte(s))
	}
	providers := all()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range providers {
			list, _, err := p.ParseModels(body)
			if err != nil {
				continue
			}
			for _, m := range list {
				if m.ID == "" {
					t.Fatalf("a model without a name in %s", body)
				}
			}
		}
	})
}
