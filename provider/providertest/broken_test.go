package providertest_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// broken is a provider with one fault.
type broken struct {
	*provider.HTTP
	fault func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error)
}

func (b broken) NewRequest(ctx context.Context, c *provider.Call, k rotate.Key) (*http.Request, error) {
	return b.fault(ctx, b.HTTP, c, k)
}

// The kit finds what is wrong.
func TestProviderFindsFaults(t *testing.T) {
	key := rotate.Key{Secret: rotate.NewSecret("canary-secret")}
	var once, another sync.Once // the race detector would find more than once
	for name, fault := range map[string]func(context.Context, *provider.HTTP, *provider.Call, rotate.Key) (*http.Request, error){
		"the key in the URL": func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			r, err := p.NewRequest(ctx, c, k)
			if err == nil {
				r.URL.RawQuery = "key=" + k.Secret.Reveal()
			}
			return r, err
		},
		"the key in an error": func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			r, err := p.NewRequest(ctx, c, k)
			if err != nil {
				err = &translate.Error{Kind: translate.Unsupported, Err: errors.New(k.Secret.Reveal())}
			}
			return r, err
		},
		"plain errors": func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			r, err := p.NewRequest(ctx, c, k)
			if err != nil {
				err = errors.New("no")
			}
			return r, err
		},
		"the body in place": func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			once.Do(func() { c.Body[0] = ' ' })
			return p.NewRequest(ctx, c, k)
		},
		"a header's value in place": func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			r, err := p.NewRequest(ctx, c, k)
			another.Do(func() { c.Header["User-Agent"][0] = "x" })
			return r, err
		},
		"another context": func(_ context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			return p.NewRequest(context.Background(), c, k)
		},
		"open paths": func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			if c.Op == provider.Pass && c.BodyReader == nil {
				return http.NewRequestWithContext(ctx, c.Method, p.BaseURL+c.Path, bytes.NewReader(c.Body))
			}
			return p.NewRequest(ctx, c, k)
		},
		"a body that is read once": func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
			r, err := p.NewRequest(ctx, c, k)
			if err == nil {
				r.GetBody = nil
			}
			return r, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if passes(t, broken{provider.OpenAI(), fault}, key) {
				t.Error("the kit let it pass")
			}
		})
	}
	if !passes(t, broken{provider.OpenAI(), func(ctx context.Context, p *provider.HTTP, c *provider.Call, k rotate.Key) (*http.Request, error) {
		return p.NewRequest(ctx, c, k)
	}}, key) {
		t.Error("the kit finds faults where there are none")
	}
}

// passes runs the kit as a test of its own, whose failures are not this one's.
func passes(t *testing.T, p provider.Provider, key rotate.Key) bool {
	t.Helper()
	stdout := os.Stdout
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	os.Stdout = null // what it prints is meant to fail
	defer func() { os.Stdout = stdout }()
	return testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "broken", F: func(t *testing.T) { providertest.TestProvider(t, p, key, "gpt-4o") },
	}})
}
