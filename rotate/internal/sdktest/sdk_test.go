package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// provider refuses the keys it has an answer for, and serves the others.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	keys []string
}

func newProvider(t *testing.T, refused map[string]string, served, contentType string) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("X-Api-Key")
		p.mu.Lock()
		p.keys = append(p.keys, key)
		p.mu.Unlock()
		if !strings.Contains(string(body), `"model"`) {
			http.Error(w, "the body is lost", 400)
			return
		}
		if answer, ok := refused[key]; ok {
			status, text, _ := strings.Cut(answer, " ")
			var n int
			fmt.Sscan(status, &n)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(n)
			io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, served)
	}))
	t.Cleanup(p.Close)
	return p
}

func transport(name string) (*http.Client, *rotate.Pool) {
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{name: rotate.Secrets("key-a", "key-b", "key-c")}))
	return &http.Client{Transport: &rotate.Transport{Rotator: pool, Provider: name}}, pool
}

var openaiRefuses = map[string]string{
	"key-a": `429 {"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`,
	"key-b": `401 {"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}`,
}

func chat() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "gpt-4o", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")}}
}

func TestOpenAI(t *testing.T) {
	p := newProvider(t, openaiRefuses, `{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`, "application/json")
	hc, _ := transport("openai")
	client := openai.NewClient(option.WithAPIKey("unused"), option.WithBaseURL(p.URL), option.WithHTTPClient(hc))
	for range 2 {
		got, err := client.Chat.Completions.New(context.Background(), chat())
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Message.Content != "hello" {
			t.Errorf("got %+v", got)
		}
	}
	if want := []string{"key-a", "key-b", "key-c", "key-c"}; !slices.Equal(p.keys, want) {
		t.Errorf("keys %v, want %v", p.keys, want)
	}
}

func TestOpenAIStream(t *testing.T) {
	p := newProvider(t, openaiRefuses, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hel"},"finish_reason":null}]}

data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}

data: [DONE]

`, "text/event-stream")
	hc, pool := transport("openai")
	client := openai.NewClient(option.WithAPIKey("unused"), option.WithBaseURL(p.URL), option.WithHTTPClient(hc))
	stream := client.Chat.Completions.NewStreaming(context.Background(), chat())
	var text strings.Builder
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			text.WriteString(c.Delta.Content)
		}
	}
	if err := stream.Err(); err != nil || text.String() != "hello" {
		t.Errorf("got %q, %v", text.String(), err)
	}
	stream.Close()
	states, _ := pool.Snapshot(context.Background(), "openai")
	for _, s := range states {
		if s.InFlight != 0 {
			t.Errorf("a key is not given back: %+v", s)
		}
	}
}

// pitfall 28: three keys, three requests, though the SDK would retry by itself.
func TestSDKDoesNotMultiply(t *testing.T) {
	limited := `429 {"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`
	p := newProvider(t, map[string]string{"key-a": limited, "key-b": limited, "key-c": limited}, "", "")
	hc, _ := transport("openai")
	client := openai.NewClient(option.WithAPIKey("unused"), option.WithBaseURL(p.URL), option.WithHTTPClient(hc), option.WithMaxRetries(5))
	_, err := client.Chat.Completions.New(context.Background(), chat())
	var api *openai.Error
	if !errors.As(err, &api) || api.StatusCode != 429 || api.Code != "rate_limit_exceeded" {
		t.Errorf("got %v", err)
	}
	if len(p.keys) != 3 {
		t.Errorf("%d requests: %v", len(p.keys), p.keys)
	}
}

func TestAnthropic(t *testing.T) {
	p := newProvider(t, map[string]string{
		"key-a": `400 {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`,
		"key-b": `429 {"type":"error","error":{"type":"rate_limit_error","message":"x"}}`,
	}, `{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`, "application/json")
	hc, pool := transport("anthropic")
	client := anthropic.NewClient(anthropicoption.WithAPIKey("unused"), anthropicoption.WithBaseURL(p.URL), anthropicoption.WithHTTPClient(hc))
	got, err := client.Messages.New(context.Background(), anthropic.MessageNewParams{Model: "claude", MaxTokens: 10,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Content[0].Text != "hello" {
		t.Errorf("got %+v", got)
	}
	if want := []string{"key-a", "key-b", "key-c"}; !slices.Equal(p.keys, want) {
		t.Errorf("keys %v, want %v", p.keys, want)
	}
	states, _ := pool.Snapshot(context.Background(), "anthropic")
	if states[0].State != "quota_exhausted" || len(states[1].Models) != 1 || states[2].State != "healthy" {
		t.Errorf("got %+v", states)
	}
}
