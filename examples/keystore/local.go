package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// fake is a provider that sends its own requests, nowhere.
type fake struct {
	*provider.HTTP
	http.RoundTripper
}

func newFake(send http.RoundTripper) fake {
	p := provider.Compatible("local", "http://local.invalid/v1")
	p.NoKey = false
	return fake{p, send}
}

// local answers every chat with a hint of the key that it was asked with.
func local() http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		key := rotate.NewSecret(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		text, err := json.Marshal("You reached me with a key of " + key.Hint())
		return answer(r, http.StatusOK, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":`+
			string(text)+`},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`), err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}
