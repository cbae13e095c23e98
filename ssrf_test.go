package llmproxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// reached records what a transport is sent, and refuses it.
type reached struct {
	mu  sync.Mutex
	got []*http.Request
}

func (r *reached) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.got = append(r.got, req)
	r.mu.Unlock()
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	return &http.Response{StatusCode: 400, ProtoMajor: 1, ProtoMinor: 1, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"error":{"message":"no"}}`)), ContentLength: -1}, nil
}

// send has the proxy serve a request, and returns what went upstream for it.
func (r *reached) send(p http.Handler, method, target, body string) []*http.Request {
	req := httptest.NewRequest(method, "/", strings.NewReader(body))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil // a server would refuse it
	}
	req.URL, req.RequestURI = u, target
	req.Header.Set("Authorization", "Bearer "+clientKey)
	r.mu.Lock()
	r.got = nil
	r.mu.Unlock()
	func() {
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			}
		}()
		p.ServeHTTP(httptest.NewRecorder(), req)
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// everyProvider is all that can be configured, each with a key that names it.
func everyProvider(t *testing.T, r http.RoundTripper, opts ...llmproxy.Option) *llmproxy.Proxy {
	t.Helper()
	env := map[string]string{
		"PROXY_API_KEY": clientKey, "AZURE_OPENAI_BASE_URL": "https://res.openai.azure.com", "AZURE_OPENAI_API_VERSION": "2024-10-21",
		"GOOGLE_VERTEX_ACCESS_TOKEN": "key-of-vertex", "GOOGLE_VERTEX_PROJECT": "proj", "GOOGLE_VERTEX_LOCATION": "us-central1",
		"AWS_BEARER_TOKEN_BEDROCK": "key-of-bedrock", "AWS_REGION": "us-east-1", "CLOUDFLARE_ACCOUNT_ID": "acct",
		"OLLAMA_BASE_URL":         "http://ollama.example:11434",
		"CUSTOM_OPENAI_ENDPOINTS": `[{"name":"mine","baseUrl":"https://mine.example/v1","apiKeys":["key-of-mine"]}]`,
	}
	for _, name := range []string{"OPENAI", "GEMINI", "ANTHROPIC", "CEREBRAS", "COHERE", "DEEPSEEK", "GROK", "GROQ", "MISTRAL", "PERPLEXITY", "AZURE_OPENAI", "OPENROUTER", "CLOUDFLARE", "HUGGINGFACE", "REPLICATE"} {
		env[name+"_API_KEY"] = "key-of-" + strings.ToLower(name)
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	p, err := llmproxy.New(append([]llmproxy.Option{llmproxy.FromEnv(lookup), llmproxy.WithTransport(r), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1, Streak: -1})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Providers()); n != 19 {
		t.Fatalf("%d providers: %v", n, p.Providers())
	}
	return p
}

// hostileModels would mean another host, path, query or header to somebody who
// put them into an address as they are.
var hostileModels = []string{
	"//evil.example/m", "http://evil.example/m", "https:evil.example", "@evil.example/m", "m@evil.example", ":80@evil.example", ".evil.example", "evil.example", "evil.example/m", "evil.example#",
	"../m", "../../../../m", "..", ".", "m/..", "m/../../../m", "..%2f..%2fm", "%2e%2e/m", "%252e%252e%252fm", `..\..\m`, "..;/m", "./m", "m/./m",
	"m?host=evil.example", "m?key=evil&alt=sse", "m#evil", "m%3fa=b", "m&a=b", "m:generateContent?a=b#", "m:x/../..",
	"m\r\nHost: evil.example", "m\nX-Evil: 1", "m\x00.evil.example", "m HTTP/1.1", "m\tm", "\u2025/m", "．．/m", "。evil.example", "m\u2028m", "[::1]", "169.254.169.254/latest", "localhost:22/m",
	"arn:aws:bedrock:eu-west-1:1:inference-profile/../../m", "arn:aws:bedrock:evil.example:1:inference-profile/m", "us.anthropic.claude/../../m", "claude-x@evil.example", "publishers/evil/../../m",
	"projects/other/locations/evil/publishers/google/models/m", "models/../m", "deployments/../m", "@cf/../../m", "owner/name:version/../..", "owner/name:evil.example", "default", "dynamic/evil",
}

// harmlessModels are of every kind that some provider has an address of its own
// for.
var harmlessModels = []string{"plain", "plain/name", "plain:version", "plain/name:version", "claude-plain", "anthropic.claude-plain", "gemini-plain", "google/plain", "text-embedding-plain", "cohere.embed-plain", "amazon.titan-embed-plain", "embed-plain", "@cf/plain/name"}

// modelRoutes are the routes that take a model: in the path, where %s stands
// for it, or in the body.
func modelRoutes() [][2]string {
	const gemini = `{"contents":[{"role":"user","parts":[{"text":"q"},{"fileData":{"mimeType":"image/png","fileUri":"http://evil.example/i.png"}}]}]}`
	return [][2]string{
		{"/v1/chat/completions", `{"model":%q,"messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"image_url","image_url":{"url":"http://evil.example/i.png"}}]}]}`},
		{"/v1/chat/completions", `{"model":%q,"messages":[{"role":"user","content":"q"}]}`},
		{"/v1/responses", `{"model":%q,"input":[{"role":"user","content":[{"type":"input_image","image_url":"http://evil.example/i.png"},{"type":"input_file","file_url":"http://evil.example/f.pdf"}]}]}`},
		{"/v1/messages", `{"model":%q,"max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"http://evil.example/i.png"}},{"type":"document","source":{"type":"url","url":"http://evil.example/f.pdf"}}]}]}`},
		{"/v1/messages", `{"model":%q,"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"q"}]}`},
		{"/v1/messages/count_tokens", `{"model":%q,"messages":[{"role":"user","content":"q"}]}`},
		{"/v1beta/models/%s:generateContent", gemini},
		{"/v1beta/models/%s:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`},
		{"/v1beta/models/%s:countTokens", `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`},
		{"/v1beta/models/%s:embedContent", `{"content":{"parts":[{"text":"q"}]}}`},
		{"/v1/embeddings", `{"model":%q,"input":"q"}`},
		{"/v1/moderations", `{"model":%q,"input":"q"}`},
		{"/v1/images/generations", `{"model":%q,"prompt":"q","image":"http://evil.example/i.png"}`},
		{"/v1/rerank", `{"model":%q,"query":"q","documents":["d"]}`},
		{"/compat/chat/completions", `{"model":%q,"messages":[]}`},
	}
}

// fill puts a model into a route.
func fill(route [2]string, model string) (target, body string) {
	name, _ := json.Marshal(model)
	return strings.ReplaceAll(route[0], "%s", url.PathEscape(model)), strings.ReplaceAll(route[1], "%q", string(name))
}

// address is what of a request's address no client may choose.
func address(r *http.Request) string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	return fmt.Sprintf("%s://%s, Host %s, user %v, fragment %q, parameters %v", r.URL.Scheme, r.URL.Host, host, r.URL.User, r.URL.Fragment, slices.Sorted(maps.Keys(r.URL.Query())))
}

// The provider that a request names is the one that is asked, at its own
// address and below its own path, whatever stands in the model's name or in the
// URLs of images.
func TestModelsChooseNoHost(t *testing.T) {
	for _, through := range []bool{false, true} {
		var r reached
		var opts []llmproxy.Option
		if through {
			opts = append(opts, llmproxy.WithGateway(&gateway.Gateway{Account: "acct", Name: "gw", Token: rotate.NewSecret("key-of-gateway")}))
		}
		p := everyProvider(t, &r, opts...)
		asked := 0
		for _, name := range p.Providers() {
			// Where its models are asked for that mean no harm.
			addresses, paths := map[string]bool{}, map[string]bool{}
			for _, route := range modelRoutes() {
				for _, model := range harmlessModels {
					target, body := fill(route, name+"/"+model)
					for _, got := range r.send(p, "POST", target, body) {
						before, _, _ := strings.Cut(got.URL.EscapedPath(), provider.EscapeSegment(model))
						before, _, _ = strings.Cut(before, model)
						addresses[address(got)], paths[before] = true, true
					}
				}
			}
			for _, route := range modelRoutes() {
				for _, model := range hostileModels {
					target, body := fill(route, name+"/"+model)
					for _, got := range r.send(p, "POST", target, body) {
						asked++
						where := fmt.Sprintf("%s, %s, %q, gateway %v: %s", name, route[0], model, through, got.URL)
						if a := address(got); !addresses[a] {
							t.Errorf("%s\n%s, not %v", where, a, addresses)
						}
						below := func(before string) bool {
							return strings.HasPrefix(got.URL.EscapedPath(), before) && strings.HasPrefix(path.Clean(got.URL.Path), strings.TrimSuffix(before, "/"))
						}
						if !slices.ContainsFunc(slices.Collect(maps.Keys(paths)), below) {
							t.Errorf("%s: the path is below none of %v", where, paths)
						}
						if got.Header.Get("X-Evil") != "" || strings.ContainsAny(got.URL.String(), "\r\n\x00 ") {
							t.Errorf("%s: %v", where, got.Header)
						}
					}
				}
			}
		}
		if asked < 1000 {
			t.Errorf("only %d requests went upstream", asked)
		}
	}
}

// Nor does a selector, a path or a query, and every provider is sent its own
// key alone.
func TestPathsChooseNoHost(t *testing.T) {
	hosts := func(p http.Handler, r *reached) map[string]string { // by provider
		out := map[string]string{}
		for _, name := range p.(*llmproxy.Proxy).Providers() {
			for _, got := range r.send(p, "GET", "/"+name+"/x", "") {
				out[name] = got.URL.Scheme + "://" + got.URL.Host + strings.TrimSuffix(got.URL.Path, "/x")
			}
		}
		return out
	}
	for _, through := range []bool{false, true} {
		var r reached
		var opts []llmproxy.Option
		if through {
			opts = append(opts, llmproxy.WithGateway(&gateway.Gateway{Account: "acct", Name: "gw"}))
		}
		p := everyProvider(t, &r, opts...)
		homes := hosts(p, &r)
		if len(homes) != 19 {
			t.Fatalf("%d providers: %v", len(homes), homes)
		}
		for name, home := range homes {
			for _, prefix := range []string{"", "/key/0", "/key/-1", "/key/0-99999999999999999999", "/key/@evil.example", "/key/0%2f..", "/key/0?", "/key/..", "/g/gw", "/g/..", "/g/%2e%2e", "/g/..%2f..%2fother", "/g/gw%3f", "/g/gw%23", "/g/@evil.example", "/g/evil.example%2f", "/g/gw/key/0", "/key/0/g/gw/g/other", "/g/gw%0d%0a"} {
				for _, rest := range []string{"/x", "//evil.example/x", "/@evil.example", "/http://evil.example/", "/..", "/../x", "/..%2fx", "/%2e%2e/%2e%2e/x", "/%252e%252e/x", `/..%5c..%5cx`, "/x;/../..", "/..;/x", "/x?host=evil.example", "/x%3fa", "/x%23", "/x%00", "/x%0d%0aHost:%20evil.example", "/.%2e/x", "/%ff%fe", "/x/%2f%2fevil.example"} {
					target := prefix + "/" + name + rest
					for _, got := range r.send(p, "GET", target, "") {
						at := got.URL.Scheme + "://" + got.URL.Host + path.Clean(got.URL.Path)
						if got.URL.User != nil || got.URL.Fragment != "" || at != home && !strings.HasPrefix(at, home+"/") {
							t.Errorf("gateway %v: %s reached %s, not %s", through, target, got.URL, home)
						}
						if got.Host != "" && got.Host != got.URL.Host {
							t.Errorf("%s: Host %s", target, got.Host)
						}
					}
				}
			}
		}
	}
}

// The gateway's own routes stay at the gateway that they name.
func TestGatewayRoutesStay(t *testing.T) {
	var r reached
	p := everyProvider(t, &r, llmproxy.WithGateway(&gateway.Gateway{Account: "acct", Name: "gw", Token: rotate.NewSecret("key-of-gateway")}))
	for _, prefix := range []string{"", "/g/other", "/g/compat"} {
		name := strings.TrimPrefix(prefix, "/g/")
		if name == "" {
			name = "gw"
		}
		base := "https://gateway.ai.cloudflare.com/v1/acct/" + name + "/compat/"
		got := r.send(p, "POST", prefix+"/compat/chat/completions", `{"model":"openai/gpt-4o","messages":[]}`)
		if len(got) != 1 || got[0].URL.String() != base+"chat/completions" {
			t.Fatalf("%s: %v", prefix, got)
		}
		for _, rest := range []string{"..", "../other/openai/x", "../../../evil/gw/openai/x", "%2e%2e/%2e%2e/evil/x", "..%2f..%2fevil", `..%5cx`, "%252e%252e/x", "x/../../../../x", "..;/x", "@evil.example", "/evil.example", "x%3fa=b", "x%23", "http://evil.example/"} {
			for _, model := range []string{"openai/gpt-4o", "dynamic/route", "../x"} {
				for _, got := range r.send(p, "POST", prefix+"/compat/"+rest, fmt.Sprintf(`{"model":%q,"messages":[]}`, model)) {
					u := *got.URL
					u.Path, u.RawPath = path.Clean(u.Path), ""
					if !strings.HasPrefix(u.String()+"/", base) || got.URL.RawQuery != "" {
						t.Errorf("%s/compat/%s reached %s", prefix, rest, got.URL)
					}
				}
			}
		}
		for _, body := range []string{
			`[{"provider":"openai","endpoint":"//evil.example","query":{}}]`, `[{"provider":"//evil.example","endpoint":"x","query":{}}]`, `[{"provider":"openai","endpoint":"../../../evil","headers":{"Host":"evil.example"},"query":{}}]`,
			`{"provider":"openai","endpoint":"http://evil.example/","query":{}}`, `[{"provider":"../evil","endpoint":"x","query":{}}]`,
		} {
			for _, got := range r.send(p, "POST", prefix+"/", body) {
				if got.URL.String() != strings.TrimSuffix(base, "/compat/") || got.Host != "" && got.Host != got.URL.Host {
					t.Errorf("%s%s reached %s", prefix, body, got.URL)
				}
			}
		}
	}
}
