package llmproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const (
	providerCanary = "sk-provider-canary-4f1b9c"
	clientCanary   = "sk-client-canary-77aa10"
	gatewayCanary  = "cf-gateway-canary-0d3e55"
)

// lookout collects all that is said anywhere.
type lookout struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lookout) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lookout) find(t *testing.T, where string, never ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, secret := range never {
		for _, form := range []string{secret, url.QueryEscape(secret), secret[:len(secret)-2]} {
			if i := bytes.Index(l.b.Bytes(), []byte(form)); i >= 0 {
				t.Errorf("%s: a credential is told: …%s…", where, l.b.Bytes()[max(0, i-200):min(l.b.Len(), i+80)])
				return
			}
		}
	}
}

// No key, of a provider or of a client, is told anywhere: in no answer, header,
// log, record, status or print, whatever fails, also where a provider quotes it.
func TestCanaries(t *testing.T) {
	quoted := "Incorrect API key provided: " + providerCanary
	answer := providertest.Answer{Text: "one two three four"}
	steps := map[string]providertest.Step{
		"good":         providertest.Say(answer),
		"quoted, 401":  providertest.Fail(401, quoted),
		"quoted, 403":  providertest.Fail(403, quoted),
		"limited":      providertest.RateLimited(time.Second),
		"broken":       providertest.Fail(500, "no"),
		"inside":       providertest.FailInside(2, answer, 401, quoted),
		"cut":          providertest.Say(answer).With(providertest.CutAfterEvents(2)),
		"reset":        providertest.Reset(),
		"no format":    providertest.Raw(200, "text/html", []byte("<html>")),
		"its own echo": providertest.Say(answer).With(providertest.Header("X-Request-Id", "r1")),
	}
	for name, step := range steps {
		for _, through := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, gateway %v", name, through), func(t *testing.T) {
				up := providertest.NewServer(t, providertest.Forever(step))
				var logs, told, seen lookout
				openai, anthropic := provider.OpenAI(), provider.Anthropic()
				openai.BaseURL, anthropic.BaseURL = up.URL+"/v1", up.URL
				keys := rotate.Secrets(providerCanary)
				options := []llmproxy.Option{
					llmproxy.WithProvider(openai, anthropic), llmproxy.WithKeys("openai", keys...), llmproxy.WithKeys("anthropic", keys...),
					llmproxy.WithProxyKeys(clientCanary), llmproxy.WithLogger(slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))),
					llmproxy.WithObserver(llmproxy.Observer{
						Attempt: func(_ context.Context, x *llmproxy.Exchange, a *llmproxy.Attempt) {
							fmt.Fprintf(&seen, "%+v %#v %v\n", *a, a.Model, x.Provider)
						},
						Exchange: func(_ context.Context, x *llmproxy.Exchange) {
							fmt.Fprintf(&seen, "%+v\n", *x)
							if x.Err != nil {
								fmt.Fprintf(&seen, "%v\n", x.Err)
							}
						},
					}),
				}
				if through {
					options = append(options, llmproxy.WithGateway(&gateway.Gateway{Account: "a", Name: "g", Token: rotate.NewSecret(gatewayCanary), BaseURL: up.URL}))
				}
				p, err := llmproxy.New(options...)
				if err != nil {
					t.Fatal(err)
				}
				s := httptest.NewServer(p)
				defer s.Close()
				bodies := map[string]string{
					"/v1/chat/completions":                    `{"model":"%s","stream":%v,"messages":[{"role":"user","content":"q"}]}`,
					"/v1/responses":                           `{"model":"%s","stream":%v,"input":"q"}`,
					"/v1/messages":                            `{"model":"%s","stream":%v,"max_tokens":9,"messages":[{"role":"user","content":"q"}]}`,
					"/v1beta/models/%s:generateContent":       `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`,
					"/key/0/v1beta/models/%s:generateContent": `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`,
					"/openai/v1/chat/completions?x=1":         `{"model":"m","messages":[]}`,
					"/anthropic/v1/messages":                  `{"model":"m","messages":[]}`,
					"/v1/embeddings":                          `{"model":"%s","input":"q"}`,
					"/v1/moderations":                         `{"model":"%s","input":"q"}`,
					"/key/nonsense/v1/chat/completions":       `{}`,
					"/status":                                 ``,
					"/v1/models":                              ``,
				}
				for path, body := range bodies {
					for _, model := range []string{"openai/gpt-4.1", "anthropic/claude-sonnet-4-5"} {
						for _, stream := range []bool{false, true} {
							req, _ := http.NewRequest("POST", s.URL+strings.ReplaceAll(path, "%s", model), strings.NewReader(strings.ReplaceAll(strings.ReplaceAll(body, "%s", model), "%v", fmt.Sprint(stream))))
							if body == "" {
								req, _ = http.NewRequest("GET", s.URL+path, nil)
								req.Header.Set("Accept", map[bool]string{true: "text/html", false: "*/*"}[stream])
							}
							switch len(path) % 3 { // the places that a client's key may stand in
							case 0:
								req.Header.Set("Authorization", "Bearer "+clientCanary)
							case 1:
								req.Header.Set("X-Api-Key", clientCanary)
							default:
								q := req.URL.Query()
								q.Set("key", clientCanary)
								req.URL.RawQuery = q.Encode()
							}
							resp, err := http.DefaultClient.Do(req)
							if err != nil {
								continue // broken off, as it should be
							}
							b, _ := io.ReadAll(resp.Body)
							resp.Body.Close()
							h, _ := json.Marshal(resp.Header)
							fmt.Fprintf(&told, "%s\n%s\n", h, b)
						}
					}
				}
				fmt.Fprintf(&seen, "%v %+v %s %q %#v", keys, keys[0], keys[0].Secret, keys[0].Secret, keys[0].Secret)
				told.find(t, "answers", providerCanary, clientCanary, gatewayCanary)
				logs.find(t, "logs", providerCanary, clientCanary, gatewayCanary)
				seen.find(t, "records", providerCanary, clientCanary, gatewayCanary)
			})
		}
	}
}

// Nor is a provider's key told where the answer is a success, stands in a
// header or a trailer, comes byte by byte or refuses a WebSocket.
func TestCanariesInEchoes(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if key != providerCanary {
			t.Errorf("asked with %q", key)
		}
		w.Header().Set("X-Echo", "Bearer "+key)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Ratelimit-Key", key)
		body := strings.Replace(chatAnswer, "hi <b>", "your key is "+key, 1)
		switch {
		case r.Header.Get("Upgrade") != "":
			w.WriteHeader(401)
			body = "Incorrect API key provided: " + key
		case strings.Contains(r.URL.Path, "stream") || r.URL.Query().Get("stream") != "":
			w.Header().Set("Content-Type", "text/event-stream")
			body = chunk(`{"content":"`+key+`"}`, "") + chunk(`{}`, `"stop"`) + "data: [DONE]\n\n"
		case strings.HasSuffix(r.URL.Path, "/embeddings"):
			body = `{"object":"list","model":"` + key + `","data":[],"usage":{"prompt_tokens":1,"total_tokens":1}}`
		}
		if r.URL.Query().Get("slow") == "" {
			io.WriteString(w, body)
			return
		}
		w.Header().Set("Trailer", "X-Told")
		for i := range len(body) {
			io.WriteString(w, body[i:i+1])
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Told", key)
	}))
	t.Cleanup(up.Close)
	s := proxy(t, compatible("up", up.URL, providerCanary))
	var told lookout
	asked := 0
	tell := func(a answer) {
		asked++
		fmt.Fprintln(&told, a.Header, a.body, a.Trailer)
		if a.StatusCode >= 500 || !strings.Contains(fmt.Sprint(a.Header)+a.body, "****") {
			t.Errorf("nothing is masked: %d %v %s", a.StatusCode, a.Header, a.body)
		}
	}
	for _, q := range chatRequests(false) {
		tell(do(t, s, "POST", q.path, q.body))
	}
	for _, target := range []string{"/up/x", "/up/x?slow=1", "/up/stream", "/up/stream?slow=1", "/up/embeddings?slow=1"} {
		a := do(t, s, "GET", target, "")
		tell(a)
		if slow := strings.Contains(target, "slow"); slow != strings.HasPrefix(a.Trailer.Get("X-Told"), "****") {
			t.Errorf("%s: the trailer is %v", target, a.Trailer)
		}
	}
	tell(do(t, s, "POST", "/v1/embeddings", `{"model":"up/m","input":"q"}`))
	tell(do(t, s, "POST", "/v1/moderations", `{"model":"up/m","input":"q"}`))
	tell(do(t, s, "GET", "/up/realtime", "", "Connection", "Upgrade", "Upgrade", "websocket"))
	told.find(t, "answers", providerCanary)
	if asked != 12 {
		t.Errorf("%d requests", asked)
	}
}
