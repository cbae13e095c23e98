package clienttest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/translate"
)

// failure is what an SDK's typed error tells.
type failure struct {
	status int
	word   string        // the format's own: error.type, or google.rpc's status
	after  time.Duration // until the next try, to the second
}

func failureOf(err error) (f failure) {
	var o *openai.Error
	var a *anthropic.Error
	var g genai.APIError
	switch {
	case errors.As(err, &o):
		f = failure{o.StatusCode, o.Type, seconds(o.Response.Header.Get("Retry-After") + "s")}
	case errors.As(err, &a):
		f = failure{a.StatusCode, string(a.Type()), seconds(a.Response.Header.Get("Retry-After") + "s")}
	case errors.As(err, &g):
		f = failure{status: g.Code, word: g.Status}
		for _, d := range g.Details {
			if delay, ok := d["retryDelay"].(string); ok {
				f.after = seconds(delay)
			}
		}
	}
	return f
}

func seconds(s string) time.Duration {
	d, _ := time.ParseDuration(s)
	return d.Round(time.Second)
}

// A class of errors has its own words in each format.
var errorClasses = []struct {
	name                      string
	step                      providertest.Step
	status                    int
	openai, anthropic, google string
	after                     time.Duration
}{
	{"400", providertest.Fail(400, "bad"), 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", 0},
	{"401", providertest.Fail(401, "who"), 401, "authentication_error", "authentication_error", "UNAUTHENTICATED", 0},
	{"403", providertest.Fail(403, "no"), 403, "permission_error", "permission_error", "PERMISSION_DENIED", 0},
	{"404", providertest.Fail(404, "where"), 404, "not_found_error", "not_found_error", "NOT_FOUND", 0},
	{"413", providertest.Fail(413, "big"), 413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT", 0},
	{"429", providertest.RateLimited(7 * time.Second), 429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", 7 * time.Second},
	{"500", providertest.Fail(500, "oops"), 500, "server_error", "api_error", "INTERNAL", 0},
	{"503", providertest.Fail(503, "down"), 503, "service_unavailable_error", "overloaded_error", "UNAVAILABLE", 0},
	{"529", providertest.Overloaded(), 529, "service_unavailable_error", "overloaded_error", "UNAVAILABLE", 0},
}

// pitfall 9, pitfall 29: each class of errors arrives as the SDK's own typed
// error, with the status, the format's word for it and when to come back.
func TestErrorClasses(t *testing.T) {
	each(t, func(t *testing.T, c client, model string, make func() *provider.HTTP) {
		for _, class := range errorClasses {
			want := failure{status: class.status, word: class.openai}
			switch c.name {
			case "anthropic-sdk-go":
				want.word = class.anthropic
			case "genai":
				want.word = class.google
			}
			if strings.HasPrefix(model, "aws-bedrock/") && class.status == 529 {
				want.status = 503 // AWS has no other
			}
			for manner, ask := range map[string]func(context.Context, string, string) (seen, error){"whole": c.ask, "streamed": c.watch} {
				base, up := serve(t, make, class.step)
				_, err := ask(t.Context(), base, model)
				got := failureOf(err)
				if class.after != got.after {
					t.Errorf("%s %s: retry after %v, want %v", class.name, manner, got.after, class.after)
				}
				got.after = 0
				if vendor(up.Requests()[0].Format) == vendor(c.format) {
					got.word = want.word // the provider's own
				}
				if got != want {
					t.Errorf("%s %s: %+v, want %+v (%s)", class.name, manner, got, want, message(err))
				}
			}
		}
	})
}

// vendor is whose words a format's errors are in.
func vendor(f translate.Format) translate.Format {
	if f == translate.Responses {
		return translate.OpenAI
	}
	return f
}
