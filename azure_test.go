package llmproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// Azure's answers, as it gives them: a first chunk without choices, and what
// its filters say beside each piece.
const (
	azureFilters = `{"hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"low"}}`
	azureHead    = `"id":"c1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-11-20"`
	azureStream  = `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":` + azureFilters + `}]}` + "\n\n" +
		`data: {` + azureHead + `,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"content_filter_results":{},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
		`data: {` + azureHead + `,"choices":[{"index":0,"delta":{"content":"Hello"},"content_filter_results":` + azureFilters + `,"logprobs":null,"finish_reason":null}]}` + "\n\n" +
		`data: {"id":"","object":"","created":0,"model":"","choices":[{"index":0,"finish_reason":null,"content_filter_results":` + azureFilters + `,"content_filter_offsets":{"check_offset":1,"start_offset":1,"end_offset":5}}]}` + "\n\n" +
		`data: {` + azureHead + `,"choices":[{"index":0,"delta":{},"content_filter_results":{},"logprobs":null,"finish_reason":"%s"}]}` + "\n\n" +
		`data: {` + azureHead + `,"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}` + "\n\n" + "data: [DONE]\n\n"
	azureWhole = `{"id":"c1","object":"chat.completion","created":1700000000,"model":"gpt-4o-2024-11-20","prompt_filter_results":[{"prompt_index":0,"content_filter_results":` + azureFilters + `}],` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"Hello","refusal":null},"content_filter_results":` + azureFilters + `,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
	azureBlocked = `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,` +
		`"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"violence":{"filtered":true,"severity":"medium"}}}}}`
)

// A dated deployment for clients of two formats: what Azure adds passes to
// OpenAI's as it is and disturbs Anthropic's not, whole, streamed and blocked.
// pitfall 32: the first chunk has no choice.
func TestAzureDeployment(t *testing.T) {
	up := providertest.NewServer(t)
	p := provider.AzureOpenAI(provider.AzureConfig{Resource: "res", APIVersion: "2024-10-21", Deployments: map[string]string{"gpt-4o": "my 4o"}})
	s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("azure-openai", rotate.Secrets("k1")...), llmproxy.WithTransport(up.Everywhere()))
	ask := func(path, model, more string, status int, contentType, answer string) answer {
		t.Helper()
		up.Then(providertest.Raw(status, contentType, []byte(answer)))
		before := up.Count()
		a := do(t, s, "POST", path, `{"model":"azure-openai/`+model+`","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`+more+`}`)
		deployment := map[string]string{"gpt-4o": "my%204o", "other": "other"}[model]
		q := up.Requests()[before]
		if got := q.Host + q.Path + "?" + q.Query; got != "res.openai.azure.com/openai/deployments/"+deployment+"/chat/completions?api-version=2024-10-21" || q.Header.Get("Api-Key") != "k1" || q.Header.Get("Authorization") != "" {
			t.Errorf("%s %v", got, q.Header)
		}
		if err := q.Invalid(); err != nil {
			t.Errorf("%v: %s", err, q.Body)
		}
		if up.Count() != before+1 {
			t.Errorf("%s was asked %d times", path, up.Count()-before)
		}
		return a
	}
	const chat, messages = "/v1/chat/completions", "/v1/messages"
	if a := ask(chat, "gpt-4o", "", 200, "application/json", azureWhole); a.body != azureWhole {
		t.Errorf("%s", a.body)
	}
	if a := ask(messages, "other", "", 200, "application/json", azureWhole); !strings.Contains(a.body, `"content":[{"type":"text","text":"Hello"}]`) || !strings.Contains(a.body, `"stop_reason":"end_turn"`) || strings.Contains(a.body, "filter") {
		t.Errorf("%s", a.body)
	}
	// What is blocked on its way in is the client's own affair: it is not tried
	// again, and the key serves on. pitfall 11
	for range 2 {
		if a := ask(chat, "gpt-4o", "", 400, "application/json", azureBlocked); a.StatusCode != 400 || a.body != azureBlocked {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a := ask(messages, "gpt-4o", "", 400, "application/json", azureBlocked); a.StatusCode != 400 || !strings.HasPrefix(a.body, `{"type":"error","error":{"type":"invalid_request_error","message":"The response was filtered`) {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	for reason, stop := range map[string]string{"stop": "end_turn", "content_filter": "refusal"} {
		stream := fmt.Sprintf(azureStream, reason)
		if a := ask(chat, "gpt-4o", `,"stream":true,"stream_options":{"include_usage":true}`, 200, "text/event-stream", stream); a.body != stream {
			t.Errorf("%s", a.body)
		}
		a := ask(messages, "gpt-4o", `,"stream":true`, 200, "text/event-stream", stream)
		if strings.Count(a.body, "event: message_start\n") != 1 || strings.Count(a.body, "event: message_stop\n") != 1 || strings.Count(a.body, "event: content_block_start\n") != 1 ||
			!strings.Contains(a.body, `"text":"Hello"`) || !strings.Contains(a.body, `"stop_reason":"`+stop+`"`) || !strings.Contains(a.body, `"output_tokens":2`) || !strings.Contains(a.body, `"id":"msg_c1"`) {
			t.Errorf("%s: %s", reason, a.body)
		}
	}
}

// The v1 surface names the deployment in the body.
func TestAzureV1(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("x"), providertest.Text("x"))
	p := provider.AzureOpenAI(provider.AzureConfig{Resource: "res", Deployments: map[string]string{"gpt-4o": "my 4o"}})
	s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("azure-openai", rotate.Secrets("k1")...), llmproxy.WithTransport(up.Everywhere()))
	do(t, s, "POST", "/v1/chat/completions", `{"model":"azure-openai/gpt-4o","messages":[{"role":"user","content":"hi"}]}`)
	do(t, s, "POST", "/v1/messages", messagesTo("azure-openai/gpt-4o", ""))
	for _, q := range up.Requests() {
		if q.Model != "my 4o" || q.Path != "/openai/v1/chat/completions" || q.Query != "" {
			t.Errorf("%s?%s %s", q.Path, q.Query, q.Body)
		}
	}
	if a := do(t, s, "GET", "/v1/models", ""); !strings.Contains(a.body, `"azure-openai/gpt-4o"`) || strings.Contains(a.body, "my 4o") {
		t.Errorf("%s", a.body)
	}
}

func reply(status int, body string) *http.Response {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
	return w.Result()
}

// Many requests at the moment when Entra's token is refreshed, and after its
// death: none fails, none goes with a token that is over, one alone asks. A
// sign-in service that fails early costs nobody anything.
func TestEntraUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 100
		var asked, served atomic.Int64
		var failing atomic.Bool
		var mu sync.Mutex
		over := map[string]time.Time{}
		entra := &provider.EntraClient{Tenant: "t", ClientID: "id", Secret: rotate.NewSecret("s"), Client: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			n := asked.Add(1)
			time.Sleep(time.Second) // of the bubble
			if failing.Load() {
				return reply(503, `{"error":"temporarily_unavailable"}`), nil
			}
			mu.Lock()
			defer mu.Unlock()
			tok := fmt.Sprintf("tok-%d", n)
			over[tok] = time.Now().Add(time.Hour - time.Second)
			return reply(200, `{"token_type":"Bearer","expires_in":3599,"access_token":"`+tok+`"}`), nil
		})}}
		h, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithProvider(provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Token: entra})),
			llmproxy.WithTransport(transport(func(r *http.Request) (*http.Response, error) {
				served.Add(1)
				mu.Lock()
				defer mu.Unlock()
				if until := over[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; !time.Now().Before(until) {
					t.Errorf("%q", r.Header.Get("Authorization"))
					return reply(401, `{"error":{"code":"401","message":"expired"}}`), nil
				}
				return reply(200, chatAnswer), nil
			})))
		if err != nil {
			t.Fatal(err)
		}
		for _, round := range []struct {
			wait    time.Duration
			failing bool
			asked   int64
		}{{0, false, 1}, {56 * time.Minute, false, 2}, {56 * time.Minute, true, 3}, {10 * time.Second, false, 4}, {3 * time.Hour, false, 5}} {
			time.Sleep(round.wait)
			failing.Store(round.failing)
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() { // waited for below
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"azure-openai/gpt-4o","messages":[]}`)))
					if w.Code != 200 {
						t.Errorf("%+v: %d %s", round, w.Code, w.Body)
					}
				})
			}
			wg.Wait()
			if n := asked.Load(); n != round.asked {
				t.Errorf("%+v: the source was asked %d times", round, n)
			}
		}
		if served.Load() != 5*clients {
			t.Errorf("%d served", served.Load())
		}
	})
}
