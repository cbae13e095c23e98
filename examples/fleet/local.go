package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// local is a provider that answers its own requests.
type local struct{ *provider.HTTP }

func newLocal() local {
	p := provider.Compatible("local", "http://local.invalid/v1")
	p.NoKey = false
	return local{p}
}

func localKeys() (keys []rotate.Key) {
	for _, name := range []string{"one", "two", "three"} {
		keys = append(keys, rotate.Key{ID: name, Secret: rotate.NewSecret("sk-local-" + name)})
	}
	return keys
}

// RoundTrip answers with the name of the request's key, or says that it is at
// its limit where the request's text asks for that.
func (local) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer sk-local-")
	resp := &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: -1,
	}
	text, err := json.Marshal("You have asked with the key " + name + ".")
	answer := `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":` +
		string(text) + `},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":8,"total_tokens":9}}`
	if strings.Contains(string(body), "limit "+name) {
		resp.StatusCode = http.StatusTooManyRequests
		resp.Header.Set("Retry-After", "60")
		answer = `{"error":{"type":"rate_limit_error","message":"the key has asked too often"}}`
	}
	resp.Body = io.NopCloser(strings.NewReader(answer))
	return resp, err
}
