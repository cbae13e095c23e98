package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/openai/openai-go/v3"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// What the comment says: the demo without a key, pooled keys, and another
// format than the SDK's.
func TestComment(t *testing.T) {
	e := exampletest.New(t)
	if out := e.Run(e.Blocks[0]); !strings.HasSuffix(out, "Hello, world.\n") {
		t.Errorf("the demo said %q", out)
	}
	first := providertest.Check(func(q *providertest.Request) {
		if q.Credential() != "sk-first" {
			t.Errorf("the first attempt has the key %s", q.Credential())
		}
	}, providertest.RateLimited(0))
	up := providertest.NewServer(t, first, providertest.Text("Served by OpenAI."), providertest.Text("Served by Anthropic."))
	up.RequireKey("sk-first", "sk-second", "sk-ant-first")
	e.Env = []string{"OPENAI_BASE_URL=" + up.URL, "ANTHROPIC_BASE_URL=" + up.URL}
	if out := e.Run("{\n" + e.Blocks[1] + "} 2>attempts; cat attempts"); !strings.HasPrefix(out, "Served by OpenAI.\nServed by Anthropic.\n[openai gpt-5.6, key ") ||
		!strings.Contains(out, ": 429]\n[openai gpt-5.6, key ") || strings.Count(out, ": 200]\n") != 2 {
		t.Errorf("the keys' providers said %q", out)
	}
	if up.Count() == 3 && (up.Requests()[1].Credential() != "sk-second" || up.Requests()[2].Format != "anthropic") {
		t.Errorf("the second key was %s, the last request's format %s", up.Requests()[1].Credential(), up.Requests()[2].Format)
	}
	if up.Count() != 3 {
		t.Errorf("%d requests", up.Count())
	}
	e.Env = []string{"OPENAI_API_KEY=sk-first"}
	if out := e.Run("go run ./examples/roundtripper -model nobody/x q 2>&1 || true"); !strings.Contains(out, "404") {
		t.Errorf("of a provider that does not exist it said %q", out)
	}
}

// An error reaches the SDK as its own, also in the midst of a stream.
func TestErrors(t *testing.T) {
	up := providertest.NewServer(t, providertest.Fail(400, "too long"), providertest.Text("one two three four").With(providertest.CutAfterEvents(3)))
	p := provider.OpenAI()
	p.BaseURL = up.URL
	proxy, err := llmproxy.New(llmproxy.WithProvider(p), llmproxy.WithKeys("openai", rotate.Secrets("sk")...), llmproxy.WithoutAuth())
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(proxy)
	var said *openai.Error
	if err := chat(t.Context(), io.Discard, client, "openai/m", "q"); !errors.As(err, &said) || said.StatusCode != 400 || !strings.Contains(said.Message, "too long") {
		t.Errorf("the refusal is %v", err)
	}
	var out strings.Builder
	if err := chat(t.Context(), &out, client, "openai/m", "q"); err == nil || !strings.HasPrefix(out.String(), "one") || strings.Contains(out.String(), "four") {
		t.Errorf("of the cut stream came %q and %v", out.String(), err)
	}
}

func ask(ctx context.Context, h http.HandlerFunc) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", "http://host.invalid/a%2Fb?c=d", strings.NewReader("question"))
	if err != nil {
		return nil, err
	}
	return inProcess{h}.RoundTrip(r)
}

// The handler sees what a server's would, and its answer is read while it
// writes.
func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		resp, err := ask(t.Context(), func(w http.ResponseWriter, r *http.Request) {
			if b, err := io.ReadAll(r.Body); string(b) != "question" || err != nil || r.RequestURI != "/a%2Fb?c=d" || r.URL.String() != "/a%2Fb?c=d" || r.Host != "host.invalid" {
				t.Errorf("the handler got %q %v %s %s %s", b, err, r.RequestURI, r.URL, r.Host)
			}
			w.Header().Set("A", "b")
			w.WriteHeader(103)
			w.WriteHeader(201)
			w.Header().Set("A", "too late")
			io.WriteString(w, "one")
			<-next
			io.WriteString(w, "two")
		})
		if err != nil || resp.StatusCode != 201 || resp.Header.Get("A") != "b" || resp.ContentLength != -1 {
			t.Fatalf("%+v %v", resp, err)
		}
		b := make([]byte, 10)
		if n, err := resp.Body.Read(b); string(b[:n]) != "one" || err != nil {
			t.Errorf("first %q %v", b[:n], err)
		}
		close(next)
		if rest, err := io.ReadAll(resp.Body); string(rest) != "two" || err != nil {
			t.Errorf("then %q %v", rest, err)
		}
		resp.Body.Close()
		resp, err = ask(t.Context(), func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") })
		if err != nil || resp.StatusCode != 200 || resp.ContentLength != 0 {
			t.Errorf("of a handler that writes nothing: %+v %v", resp, err)
		}
		resp.Body.Close()
	})
}

// Neither a handler that writes nor one that waits outlives the answer's body.
func TestCloseEndsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, wait := range map[string]func(http.ResponseWriter, *http.Request){
			"waits": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			"writes": func(w http.ResponseWriter, _ *http.Request) {
				for {
					if _, err := io.WriteString(w, "more"); err != nil {
						return
					}
				}
			},
		} {
			ended := false
			resp, err := ask(t.Context(), func(w http.ResponseWriter, r *http.Request) {
				w.(http.Flusher).Flush()
				wait(w, r)
				ended = true
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil || !ended {
				t.Errorf("%s: after Close the handler has ended: %t, %v", name, ended, err)
			}
			if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s: a closed body reads %v", name, err)
			}
		}
	})
}

// A failure is never an answer that looks whole.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, begin := range []bool{false, true} {
			for name, c := range map[string]struct {
				fail func(cancel func(), r *http.Request)
				want string
			}{
				"abort":  {func(func(), *http.Request) { panic(http.ErrAbortHandler) }, "unexpected EOF"},
				"panic":  {func(func(), *http.Request) { panic("oh") }, "the handler panicked: oh"},
				"cancel": {func(cancel func(), r *http.Request) { cancel(); <-r.Context().Done() }, "context canceled"},
			} {
				ctx, cancel := context.WithCancel(t.Context())
				resp, err := ask(ctx, func(w http.ResponseWriter, r *http.Request) {
					if begin {
						io.WriteString(w, "begun")
					}
					c.fail(cancel, r)
				})
				if begin {
					if err != nil {
						t.Fatal(name, err)
					}
					var b []byte
					if b, err = io.ReadAll(resp.Body); string(b) != "begun" {
						t.Errorf("%s: read %q", name, b)
					}
					resp.Body.Close()
				}
				if err == nil || err.Error() != c.want {
					t.Errorf("%s, begun %t: %v", name, begin, err)
				}
				cancel()
			}
		}
	})
}
