package llmproxy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const gatewayToken = "token-of-the-gateway"

// atGateway are the paths that may be asked for at the gateway: of the
// account, and of a provider with a key or the gateway's own.
var atGateway = regexp.MustCompile(`^/v1/acct/[A-Za-z0-9_-]+(/(openai|anthropic|google-ai-studio|workers-ai|compat)(/(?s:.*))?)?$`)

// FuzzGatewayRouter is FuzzRouter with a gateway. Nothing leaves the account,
// reaches a host other than the gateway and the provider that it does not
// know, or carries one provider's key to another.
func FuzzGatewayRouter(f *testing.F) {
	const chat = `{"model":"openai/m","messages":[{"role":"user","content":"hi"}]}`
	for _, s := range [][4]string{
		{"POST", "/v1/chat/completions", "", chat},
		{"POST", "/v1/chat/completions", "Cf-Aig-Authorization: Bearer stolen\r\nCf-Aig-Metadata: {}", chat},
		{"POST", "/g/other/v1/chat/completions", "", chat},
		{"POST", "/key/0/g/other/v1/messages", "Anthropic-Version: 2023-06-01", `{"model":"anthropic/m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`},
		{"POST", "/g/other/key/-1/v1beta/models/gemini-m:generateContent", "", `{"contents":[{"parts":[{"text":"hi"}]}]}`},
		{"POST", "/g/..%2f..%2fevil/v1/chat/completions", "", chat},
		{"POST", "/g/a/g/b/v1/chat/completions", "", chat},
		{"POST", "/g//v1/chat/completions", "", chat},
		{"POST", "/key/0/key/1/v1/chat/completions", "", chat},
		{"POST", "/g/a%0d%0aX:%20y/openai/v1/files", "", chat},
		{"GET", "/g/a/openai/../../../evil/gw/x", "", ""},
		{"GET", "/g/a/openai/%2e%2e/%2e%2e/evil", "", ""},
		{"GET", "/key/0/g/a/anthropic//evil.example", "", ""},
		{"GET", "/openai/@evil.example", "", ""},
		{"GET", "/one/../x", "", ""},
		{"POST", "/compat/chat/completions", "", chat},
		{"POST", "/g/a/compat/../../../evil/gw/openai/x", "", chat},
		{"POST", "/compat/%2e%2e/%2e%2e/x", "", `{"model":"dynamic/x","messages":[]}`},
		{"POST", "/", "", `[{"provider":"openai","endpoint":"x","query":{}},{"provider":"anthropic","endpoint":"y","headers":{"x":"y"},"query":{}}]`},
		{"POST", "/g/a/", "", `{"provider":"openai","provider":"anthropic","endpoint":"../x","query":{}}`},
		{"POST", "/g/a/", "", `[{"provider":"one","endpoint":"//evil.example","headers":{"Host":"evil.example"},"query":{}}]`},
		{"POST", "/v1/embeddings", "", `{"model":"openai/../x","input":"hi"}`},
		{"POST", "/v1/chat/completions", "", `{"model":"workers-ai/@cf/../../x","messages":[]}`},
		{"POST", "/g/a/v1/chat/completions", "", `{"model":"one/m","messages":[]}`},
		{"GET", "/g/a/v1/models", "", ""},
		{"GET", "/g/a/openai/v1/realtime", "Upgrade: websocket\r\nConnection: upgrade", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	keys := map[string]string{"OPENAI_API_KEY": "key-of-openai", "ANTHROPIC_API_KEY": "key-of-anthropic", "GEMINI_API_KEY": "key-of-google-ai-studio", "CLOUDFLARE_API_KEY": "key-of-workers-ai"}
	env := map[string]string{"CLOUDFLARE_ACCOUNT_ID": "acct", "PROXY_API_KEY": clientKey}
	for name, key := range keys {
		env[name] = key
	}
	var now *testing.T // whose request is under way
	transport := roundTripper(func(up *http.Request) (*http.Response, error) {
		checkGatewayRequest(now, up, keys)
		return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Request: up, ContentLength: -1,
			Header: http.Header{"Content-Type": {"application/json"}, "Cf-Aig-Step": {"0"}}, Body: io.NopCloser(strings.NewReader(chatAnswer))}, nil
	})
	var proxies []http.Handler
	for _, universal := range []bool{false, true} {
		p, err := llmproxy.New(
			llmproxy.FromEnv(func(name string) (string, bool) { v, ok := env[name]; return v, ok }), compatible("one", "https://one.example/base", "key-of-one"), llmproxy.WithTransport(transport),
			llmproxy.WithGateway(&gateway.Gateway{Account: "acct", Name: "gw", Token: rotate.NewSecret(gatewayToken), Universal: universal, SharedCache: universal}))
		if err != nil {
			f.Fatal(err)
		}
		proxies = append(proxies, p)
	}
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		for _, p := range proxies {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: proxy.example\r\n%s\r\n\r\n", method, target, header))))
			if err != nil {
				return // the server answers it
			}
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(strings.NewReader(body)), int64(len(body)), nil
			r.Header.Set("Authorization", "Bearer "+clientKey)
			now = t
			w := httptest.NewRecorder()
			func() {
				defer func() {
					if v := recover(); v != nil && v != http.ErrAbortHandler {
						panic(v)
					}
				}()
				p.ServeHTTP(w, r)
			}()
			if w.Code == http.StatusInternalServerError {
				t.Errorf("%s %q: %d %s", method, target, w.Code, w.Body)
			}
			all := fmt.Sprint(w.Header()) + w.Body.String()
			if strings.Contains(all, gatewayToken) {
				t.Errorf("the gateway's token came back: %s", all)
			}
			for _, key := range keys {
				if strings.Contains(all, key) && !strings.Contains(header+body+target, key) {
					t.Errorf("a provider's key came back: %s", all)
				}
			}
		}
	})
}

// checkGatewayRequest looks at a request that FuzzGatewayRouter's proxy sends.
func checkGatewayRequest(t *testing.T, up *http.Request, keys map[string]string) {
	t.Helper()
	told := up.URL.String() + fmt.Sprint(up.Header)
	if strings.Contains(told, clientKey) {
		t.Errorf("the client's key went upstream: %s", told)
	}
	if up.URL.Scheme != "https" || up.URL.User != nil || up.Host != "" && up.Host != up.URL.Host {
		t.Errorf("reached %s, Host %s", up.URL, up.Host)
	}
	var body []byte
	if up.Body != nil {
		body, _ = io.ReadAll(up.Body)
		up.Body.Close()
	}
	switch up.URL.Host {
	case "one.example":
		if !strings.HasPrefix(path.Clean(up.URL.Path), "/base") || strings.Contains(told, gatewayToken) {
			t.Errorf("left the base, or has the gateway's token: %s", told)
		}
		return
	case "api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com", "api.cloudflare.com": // what the gateway does not take
		if strings.Contains(told, gatewayToken) {
			t.Errorf("the gateway's token went to a provider: %s", told)
		}
		return
	case "gateway.ai.cloudflare.com":
	default:
		t.Errorf("reached %s", up.URL)
		return
	}
	p := up.URL.Path
	for range 3 { // servers that decode once more than they should
		if !atGateway.MatchString(path.Clean(p)) {
			t.Errorf("left the account: %s", up.URL)
		}
		p, _ = url.PathUnescape(p)
	}
	if got := up.Header.Get("Cf-Aig-Authorization"); got != "Bearer "+gatewayToken {
		t.Errorf("Cf-Aig-Authorization is %q", got)
	}
	var steps []struct {
		Provider string
		Headers  map[string]string
	}
	slug := strings.SplitN(up.URL.Path+"////", "/", 6)[4]
	if slug == "" && json.Unmarshal(body, &steps) != nil {
		t.Errorf("no steps: %s", body)
	}
	for _, key := range keys {
		if slug != "" && slug != "compat" && key != "key-of-"+slug && strings.Contains(told, key) {
			t.Errorf("%s was sent %s", slug, key)
		}
		for _, s := range steps {
			if key != "key-of-"+s.Provider && strings.Contains(fmt.Sprint(s.Headers), key) {
				t.Errorf("%s was sent %s", s.Provider, key)
			}
		}
	}
}
