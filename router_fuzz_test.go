package llmproxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzRouter sends whatever a server's parser lets through. It must not panic,
// fail inside, reach a host other than the providers', or give a key away.
func FuzzRouter(f *testing.F) {
	const chat = `{"model":"one/m","messages":[{"role":"user","content":"hi"}]}`
	for _, s := range [][4]string{
		{"POST", "/v1/chat/completions", "", chat},
		{"POST", "/v1/chat/completions", "Connection: Authorization, X-Api-Key", chat},
		{"POST", "/v1/chat/completions", "", strings.Replace(chat, "one/m", "two/m", 1)},
		{"POST", "/v1/chat/completions", "", `{"model":"one/m","model":"two/m","messages":[]}`},
		{"POST", "/v1/chat/completions", "", strings.Replace(chat, "one/m", `one/\r\nHost: evil.example`, 1)},
		{"POST", "/v1/chat/completions", "", strings.Replace(chat, "one/m", "//evil.example/m", 1)},
		{"POST", "/v1/chat/completions", "", strings.Repeat("[", 20000)},
		{"POST", "/v1/messages", "Anthropic-Version: 2023-06-01", `{"model":"one/m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"http://169.254.169.254/"}}]}]}`},
		{"POST", "/v1/responses", "", `{"model":"one/m","input":"hi"}`},
		{"POST", "/v1beta/models/one%2F..%2F@evil.example:generateContent", "", `{"contents":[{"parts":[{"text":"hi"}]}]}`},
		{"POST", "/v1beta/models/one/m:streamGenerateContent?alt=sse", "", `{"contents":[{"parts":[{"text":"hi"}]}]}`},
		{"POST", "/key/1-99999999999999999999/v1/chat/completions", "", chat},
		{"POST", "/key/0/g/..%2f/v1/chat/completions", "", chat},
		{"POST", "/g/name/key/1-/v1/messages", "", chat},
		{"GET", "/one/%2e%2e/%2e%2e/admin?key=k", "", ""},
		{"GET", "/one//evil.example/", "X-Forwarded-Host: evil.example", ""},
		{"GET", "/one/@evil.example", "Upgrade: websocket\r\nConnection: upgrade", ""},
		{"GET", "http://evil.example/one/x", "", ""},
		{"CONNECT", "evil.example:443", "", ""},
		{"OPTIONS", "*", "Origin: null", ""},
		{"GET", "/v1/models", "", ""},
		{"GET", "/status", "Accept: text/html", ""},
		{"POST", "/", "", `[{"provider":"one","endpoint":"//evil.example","query":{}}]`},
		{"POST", "/v1/images/../../x", "", chat},
		{"POST", "/compat/chat/completions", "", chat},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	const providerKey = "sk-provider-canary"
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: proxy.example\r\n%s\r\n\r\n", method, target, header))))
		if err != nil {
			return // the server answers it
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(strings.NewReader(body)), int64(len(body)), nil
		r.Header.Set("Authorization", "Bearer "+clientKey)
		transport := roundTripper(func(up *http.Request) (*http.Response, error) {
			if h := up.URL.Host; h != "one.example" && h != "two.example" || up.URL.Scheme != "https" {
				t.Errorf("%s %q reached %s", method, target, up.URL)
			}
			if !strings.HasPrefix(up.URL.Path, "/base/v1") {
				t.Errorf("%s %q left the base: %s", method, target, up.URL)
			}
			if up.Host != "" && up.Host != up.URL.Host {
				t.Errorf("Host: %s", up.Host)
			}
			if got := up.Header.Get("Authorization"); got != "Bearer "+providerKey {
				t.Errorf("Authorization is not the provider's: %q", got)
			}
			if strings.Contains(up.URL.String()+fmt.Sprint(up.Header), clientKey) {
				t.Errorf("the client's key went upstream: %s %v", up.URL, up.Header)
			}
			if up.Body != nil {
				io.Copy(io.Discard, up.Body)
				up.Body.Close()
			}
			return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Request: up, ContentLength: -1,
				Header: http.Header{"Content-Type": {"application/json"}},
				Body:   io.NopCloser(strings.NewReader(`{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}`))}, nil
		})
		p, err := llmproxy.New(llmproxy.WithProxyKeys(clientKey), llmproxy.WithTransport(transport),
			compatible("one", "https://one.example/base/v1", providerKey), compatible("two", "https://two.example/base/v1", providerKey))
		if err != nil {
			t.Fatal(err)
		}
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
		if all := fmt.Sprint(w.Header()) + w.Body.String(); strings.Contains(all, providerKey) {
			t.Errorf("the provider's key came back: %s", all)
		}
	})
}
