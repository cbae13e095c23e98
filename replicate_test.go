package llmproxy_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const predicting = `{"id":"p1","status":"processing","output":null,"error":null,"urls":{"get":"https://api.replicate.com/v1/predictions/p1","cancel":"https://api.replicate.com/v1/predictions/p1/cancel"}}`

// pitfall 6: a client that goes away stops its prediction, while it streams
// and while it is waited for, directly and where a gateway brought it.
func TestReplicateAbort(t *testing.T) {
	for _, g := range []*gateway.Gateway{nil, {Account: "acct", Name: "gw", Token: rotate.NewSecret("cf-token")}} {
		for _, stream := range []bool{true, false} {
			canceled, polled := make(chan *providertest.Request, 1), make(chan struct{}, 1)
			cancelStep := providertest.Check(func(q *providertest.Request) { canceled <- q }, providertest.Raw(200, "application/json", []byte(`{}`)))
			script := []providertest.Step{providertest.Text("one two three"), providertest.Text("one two three").With(providertest.StallAfterEvents(2)), cancelStep}
			if !stream {
				waiting := providertest.Raw(200, "application/json", []byte(predicting))
				script = []providertest.Step{waiting, providertest.Check(func(*providertest.Request) { polled <- struct{}{} }, providertest.Hang()), cancelStep}
			}
			up := providertest.NewServer(t, script...)
			opts := []llmproxy.Option{llmproxy.WithProvider(provider.Replicate()), llmproxy.WithKeys("replicate", rotate.Secrets("r8")...), llmproxy.WithTransport(up.Everywhere())}
			if g != nil {
				opts = append(opts, llmproxy.WithGateway(g))
			}
			s := proxy(t, opts...)
			ctx, goAway := context.WithCancel(t.Context())
			body := `{"model":"replicate/meta/llama","messages":[{"role":"user","content":"hi"}]`
			if stream {
				body += `,"stream":true`
			}
			r, _ := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/llm/v1/chat/completions", strings.NewReader(body+"}"))
			r.Header.Set("Authorization", "Bearer "+clientKey)
			if stream {
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				for b := bufio.NewScanner(resp.Body); b.Scan() && !strings.Contains(b.Text(), "two"); {
				}
				goAway()
			} else {
				context.AfterFunc(t.Context(), goAway)
				gone := make(chan error, 1)
				go func() { // ends when the client goes away; waited for below
					_, err := http.DefaultClient.Do(r)
					gone <- err
				}()
				<-polled
				goAway()
				if err := <-gone; err == nil {
					t.Error("an answer although the client went away")
				}
			}
			select {
			case q := <-canceled:
				if q.Method != "POST" || q.Host != "api.replicate.com" || !strings.HasSuffix(q.Path, "/cancel") || q.Header.Get("Authorization") != "Bearer r8" || q.Header.Get("Cf-Aig-Authorization") != "" {
					t.Errorf("%s %s%s %v", q.Method, q.Host, q.Path, q.Header)
				}
			case <-time.After(10 * time.Second):
				t.Errorf("stream %v: the prediction was not canceled", stream)
			}
		}
	}
}

// A model is named by owner and name, by the hash of a version, or as a
// deployment; an answer is waited for, asked for again while it is not done,
// or streamed from the address that the prediction names.
func TestReplicateModels(t *testing.T) {
	const hash = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
	up := providertest.NewServer(t)
	s := proxy(t, llmproxy.WithProvider(provider.Replicate()), llmproxy.WithKeys("replicate", rotate.Secrets("r8")...), llmproxy.WithTransport(up.Everywhere()))
	for _, tt := range []struct{ model, path, body string }{
		{"meta/llama", "/v1/models/meta/llama/predictions", `{"input":{"prompt":"hi"}`},
		{"meta/llama:" + hash, "/v1/predictions", `{"input":{"prompt":"hi"}`},
		{"deployments/acme/mine", "/v1/deployments/acme/mine/predictions", `{"input":{"prompt":"hi"}`},
	} {
		version := ""
		if strings.Contains(tt.model, ":") {
			version = `,"version":"` + hash + `"`
		}
		ask := func(more string, script ...providertest.Step) (answer, []*providertest.Request) {
			up.Then(script...)
			before := up.Count()
			return do(t, s, "POST", "/v1/chat/completions", `{"model":"replicate/`+tt.model+`","messages":[{"role":"user","content":"hi"}]`+more+`}`), up.Requests()[before:]
		}
		a, q := ask("", providertest.Text("Hello, you"))
		if !strings.Contains(a.body, `"content":"Hello, you"`) || q[0].Path != tt.path || string(q[0].Body) != tt.body+version+"}" || q[0].Header.Get("Prefer") != "wait=5" {
			t.Errorf("%s: %s %s %v: %s", tt.model, q[0].Path, q[0].Body, q[0].Header, a.body)
		}
		done := strings.NewReplacer(`"processing"`, `"succeeded"`, `"output":null`, `"output":["Hello,"," you"]`).Replace(predicting)
		a, q = ask("", providertest.Raw(201, "application/json", []byte(predicting)), providertest.Raw(200, "application/json", []byte(done)))
		if !strings.Contains(a.body, `"content":"Hello, you"`) || q[1].Method != "GET" || q[1].Host+q[1].Path != "api.replicate.com/v1/predictions/p1" {
			t.Errorf("%s: %s %s: %s", tt.model, q[1].Method, q[1].Path, a.body)
		}
		a, q = ask(`,"stream":true`, providertest.Text("Hello, you"), providertest.Text("Hello, you"))
		if got := chunksOf(t, a); got != `"Hello, you" [] stop 0+0` || string(q[0].Body) != tt.body+`,"stream":true`+version+"}" || q[0].Header.Get("Prefer") != "" || q[1].Host != "stream.replicate.com" {
			t.Errorf("%s: %s %s", tt.model, got, q[0].Body)
		}
	}
}
