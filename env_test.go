package llmproxy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
)

func lookup(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

// Every fault is reported at once, naming the variable, never the secret.
func TestFromEnvReportsEveryFault(t *testing.T) {
	_, err := llmproxy.New(llmproxy.FromEnv(lookup(map[string]string{
		"PROXY_API_KEY":           `["canary-1", 5]`,
		"DEV":                     "maybe",
		"OPENAI_API_KEY":          `["canary-2"`,
		"GROQ_API_KEY":            "canary 3",
		"OPENAI_BASE_URL":         "ftp://x",
		"AZURE_OPENAI_API_KEY":    "canary-4",
		"CLOUDFLARE_API_KEY":      "canary-5",
		"CUSTOM_OPENAI_ENDPOINTS": `[{"name":"Bad Name","baseUrl":"http://x"},{"name":"x"},{"name":"y","baseUrl":"nope","apiKeys":["canary-6"]}]`,
	})))
	if err == nil {
		t.Fatal("New took it all")
	}
	for _, want := range []string{"PROXY_API_KEY", "DEV", "OPENAI_API_KEY", "GROQ_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_BASE_URL", "CLOUDFLARE_ACCOUNT_ID",
		"CUSTOM_OPENAI_ENDPOINTS[0].Name", "CUSTOM_OPENAI_ENDPOINTS[1].BaseURL", "CUSTOM_OPENAI_ENDPOINTS[2].BaseURL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("a secret is told:\n%v", err)
	}
}

// Each form of a key list, the alias, and a custom endpoint with its own paths.
func TestFromEnv(t *testing.T) {
	var seen []string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path+" "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+r.Header.Get("X-Goog-Api-Key")+r.Header.Get("X-Api-Key"))
		w.WriteHeader(204)
	})
	p, err := llmproxy.New(llmproxy.FromEnv(lookup(map[string]string{
		"PROXY_API_KEY":           "one, " + clientKey,
		"OPENAI_API_KEY":          `["o1","o2"]`,
		"OPENAI_BASE_URL":         up.URL + "/openai/v9/",
		"GEMINI_API_KEY":          "g1",
		"GEMINI_BASE_URL":         up.URL + "/g",
		"ANTHROPIC_API_KEY":       "a1",
		"ANTHROPIC_BASE_URL":      up.URL + "/a",
		"PERPLEXITYAI_API_KEY":    "p1,",
		"PERPLEXITY_BASE_URL":     up.URL + "/p",
		"OLLAMA_BASE_URL":         up.URL + "/ol",
		"CUSTOM_OPENAI_ENDPOINTS": `[{"name":"mine","baseUrl":"` + up.URL + `/c","apiKeys":"c1","models":["x"],"chatCompletionPath":"/chat","modelsPath":"/list"}]`,
	})))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.StripPrefix("/api/llm", p))
	defer s.Close()
	for _, c := range [][2]string{
		{"/openai/files", "/openai/v9/files o1"}, {"/openai/files", "/openai/v9/files o2"}, {"/google-ai-studio/v1beta/files", "/g/v1beta/files g1"}, {"/anthropic/v1/files", "/a/v1/files a1"},
		{"/perplexity-ai/search", "/p/search p1"}, {"/perplexity/search", "/p/search p1"}, {"/ollama/api/tags", "/ol/api/tags "}, {"/mine/x", "/c/x c1"},
	} {
		seen = nil
		if a := do(t, s, "GET", c[0], ""); a.StatusCode != 204 || len(seen) != 1 || seen[0] != c[1] {
			t.Errorf("%s reached %q (%d %s), want %q", c[0], seen, a.StatusCode, a.body, c[1])
		}
	}
	seen = nil
	do(t, s, "POST", "/v1/chat/completions", `{"model":"mine/x","messages":[]}`)
	if len(seen) == 0 || seen[0] != "/c/chat c1" {
		t.Errorf("custom chat path: %q", seen)
	}
}

// Without PROXY_API_KEY requests are refused, unless DEV=true.
func TestFromEnvWithoutProxyKey(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	for dev, want := range map[string]int{"": 401, "false": 401, "true": 204} {
		p, err := llmproxy.New(llmproxy.FromEnv(lookup(map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": up.URL, "DEV": dev})))
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(http.StripPrefix("/api/llm", p))
		if a := do(t, s, "GET", "/openai/x", "", "Authorization", "Bearer other"); a.StatusCode != want {
			t.Errorf("DEV=%s: %d", dev, a.StatusCode)
		}
		s.Close()
	}
}

// The clouds' and the gateway's own variables.
func TestFromEnvClouds(t *testing.T) {
	var path, credential, token string
	gw := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		path, token = r.URL.EscapedPath(), r.Header.Get("Cf-Aig-Authorization")
		credential = strings.TrimPrefix(r.Header.Get("Authorization")+r.Header.Get("Api-Key"), "Bearer ")
		if r.URL.RawQuery != "" {
			path += "?" + r.URL.RawQuery
		}
		w.WriteHeader(400)
	})
	s := proxy(t, llmproxy.FromEnv(lookup(map[string]string{
		"PROXY_API_KEY": clientKey, "CLOUDFLARE_ACCOUNT_ID": "acct", "AI_GATEWAY_NAME": "gw", "CF_AIG_TOKEN": "cf-token", "AI_GATEWAY_BASE_URL": gw.URL,
		"AZURE_OPENAI_API_KEY": "az", "AZURE_OPENAI_BASE_URL": "https://res.openai.azure.com", "AZURE_OPENAI_API_VERSION": "2024-10-21",
		"GOOGLE_VERTEX_ACCESS_TOKEN": "gv", "GOOGLE_VERTEX_PROJECT": "p", "GOOGLE_VERTEX_LOCATION": "europe-west4",
		"AWS_BEARER_TOKEN_BEDROCK": "aws", "AWS_REGION": "eu-west-1", "CLOUDFLARE_API_KEY": "cf",
	})))
	for model, want := range map[string]string{
		"azure-openai/dep":                  "/acct/gw/azure-openai/res/dep/chat/completions?api-version=2024-10-21 az",
		"google-vertex-ai/meta/llama":       "/acct/gw/google-vertex-ai/v1/projects/p/locations/europe-west4/endpoints/openapi/chat/completions gv",
		"aws-bedrock/amazon.nova-lite-v1:0": "/acct/gw/aws-bedrock/bedrock-runtime/eu-west-1/model/amazon.nova-lite-v1%3A0/converse aws",
		"workers-ai/@cf/meta/llama":         "/acct/gw/workers-ai/v1/chat/completions cf",
	} {
		path, credential, token = "", "", ""
		a := do(t, s, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`)
		if got := path + " " + credential; got != want || token != "Bearer cf-token" || a.StatusCode != 400 {
			t.Errorf("%s: %s %q (%d %s), want %s", model, got, token, a.StatusCode, a.body, want)
		}
	}
}
