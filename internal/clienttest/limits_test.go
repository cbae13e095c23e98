package clienttest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// SDKs with their own settings try a 429 of a minute's limit again, when it says
// so, and the 402 of a day's budget never.
func TestRetriesOfLimits(t *testing.T) {
	sdks := map[string]func(ctx context.Context, base string) error{
		"chat": func(ctx context.Context, base string) error {
			c := openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(clientKey))
			_, err := c.Chat.Completions.New(ctx, chatParams("up/m"))
			return err
		},
		"messages": func(ctx context.Context, base string) error {
			c := anthropic.NewClient(aoption.WithBaseURL(base), aoption.WithAPIKey(clientKey))
			_, err := c.Messages.New(ctx, anthropic.MessageNewParams{Model: "up/m", MaxTokens: 9, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))}})
			return err
		},
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, ask := range sdks {
		for _, c := range []struct {
			limits limit.Limits
			status int
			asked  int64
		}{
			{limit.Limits{Requests: 6000}, 429, 3}, // to be tried again after 10 ms
			{limit.Limits{Money: 1}, 402, 1},
		} {
			limiter := limit.New(func(context.Context, string) (limit.Limits, error) { return c.limits, nil }, limit.WithClock(func() time.Time { return noon }))
			for { // use it up
				if _, err := limiter.Admit(t.Context(), &llmproxy.Admission{Header: http.Header{}}); err != nil {
					break
				}
			}
			var asked atomic.Int64
			p, err := llmproxy.New(llmproxy.WithProvider(provider.Compatible("up", "http://127.0.0.1:1")), llmproxy.WithKeys("up", rotate.Secrets("sk-1")...), llmproxy.WithoutAuth(),
				llmproxy.WithAdmission(func(ctx context.Context, q *llmproxy.Admission) (func(*llmproxy.Exchange), error) {
					asked.Add(1)
					return limiter.Admit(ctx, q)
				}))
			if err != nil {
				t.Fatal(err)
			}
			s := httptest.NewServer(p)
			err = ask(t.Context(), s.URL)
			s.Close()
			if got := status(err); got != c.status || asked.Load() != c.asked {
				t.Errorf("%s: asked %d times, and the SDK says %d: %v; want %d times and %d", name, asked.Load(), got, err, c.asked, c.status)
			}
		}
	}
}
