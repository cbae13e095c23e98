package provider_test

import (
	"context"
	"errors"
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

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// slowSource gives tokens of one hour, each after a second.
type slowSource struct {
	asked  atomic.Int64
	failed atomic.Bool
	life   time.Duration
}

var errSource = errors.New("source failed")

func (s *slowSource) Token(ctx context.Context) (string, time.Time, error) {
	n := s.asked.Add(1)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return "", time.Time{}, ctx.Err()
	}
	if s.failed.Load() {
		return "", time.Time{}, errSource
	}
	return fmt.Sprintf("tok-%d", n), time.Now().Add(s.life), nil
}

// One caller asks; the others wait for it, or go on with the old token.
func TestCachedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowSource{life: time.Hour}
		c := provider.CacheToken(s)
		many := func(n int) map[string]int {
			var mu sync.Mutex
			got := map[string]int{}
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { // waited for below
					v, expiry, err := c.Token(t.Context())
					if err == nil && !time.Now().Before(expiry) {
						err = errors.New("expired")
					}
					mu.Lock()
					defer mu.Unlock()
					got[fmt.Sprint(v, err)]++
				})
			}
			wg.Wait()
			return got
		}
		check := func(when string, got map[string]int, asked int64, want map[string]int) {
			t.Helper()
			if fmt.Sprint(got) != fmt.Sprint(want) || s.asked.Load() != asked {
				t.Errorf("%s: %v after %d, want %v after %d", when, got, s.asked.Load(), want, asked)
			}
		}
		check("at first", many(100), 1, map[string]int{"tok-1<nil>": 100})
		check("then", many(100), 1, map[string]int{"tok-1<nil>": 100})
		time.Sleep(56 * time.Minute) // within five minutes of the end
		check("early", many(100), 2, map[string]int{"tok-1<nil>": 99, "tok-2<nil>": 1})
		check("refreshed", many(100), 2, map[string]int{"tok-2<nil>": 100})

		time.Sleep(56 * time.Minute)
		s.failed.Store(true)
		check("a failure costs nothing while the token holds", many(100), 3, map[string]int{"tok-2<nil>": 100})
		check("and is not repeated at once", many(100), 3, map[string]int{"tok-2<nil>": 100})
		time.Sleep(6 * time.Second)
		check("but after a while", many(100), 4, map[string]int{"tok-2<nil>": 100})
		time.Sleep(10 * time.Minute) // dead
		check("one failure is everybody's who waited", many(100), 5, map[string]int{"source failed": 100})
		s.failed.Store(false)
		check("and nobody's afterwards", many(100), 6, map[string]int{"tok-6<nil>": 100})
	})
}

// A caller that goes away leaves the turn to the next one.
func TestCachedTokenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowSource{life: time.Hour}
		c := provider.CacheToken(s)
		if provider.CacheToken(c) != c {
			t.Error("a cache was put around a cache")
		}
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // waited for below
			if _, _, err := c.Token(first); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if v, _, err := c.Token(t.Context()); err != nil || v != "tok-2" {
				t.Error(v, err)
			}
		})
		impatient, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		wg.Go(func() {
			if _, _, err := c.Token(impatient); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		time.Sleep(500 * time.Millisecond)
		cancel()
		wg.Wait()
		if s.asked.Load() != 2 {
			t.Errorf("asked %d times", s.asked.Load())
		}
		// A source that never answers is given up.
		hang := provider.CacheToken(provider.TokenSourceFunc(func(ctx context.Context) (string, time.Time, error) {
			<-ctx.Done()
			return "", time.Time{}, ctx.Err()
		}))
		began := time.Now()
		if _, _, err := hang.Token(t.Context()); err == nil || time.Since(began) > time.Minute {
			t.Error(err, time.Since(began))
		}
		// … and soon, while the old token holds.
		slow := &slowSource{life: time.Hour}
		stuck := false
		late := provider.CacheToken(provider.TokenSourceFunc(func(ctx context.Context) (string, time.Time, error) {
			if stuck {
				<-ctx.Done()
				return "", time.Time{}, ctx.Err()
			}
			return slow.Token(ctx)
		}))
		if _, _, err := late.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		stuck = true
		time.Sleep(56 * time.Minute)
		began = time.Now()
		if v, _, err := late.Token(t.Context()); err != nil || v != "tok-1" || time.Since(began) > 5*time.Second {
			t.Error(v, err, time.Since(began))
		}
		empty := provider.CacheToken(provider.TokenSourceFunc(func(context.Context) (string, time.Time, error) { return "", time.Time{}, nil }))
		if _, _, err := empty.Token(t.Context()); err == nil {
			t.Error("an empty token was taken")
		}
	})
}

func TestEntra(t *testing.T) {
	answer, status := `{"token_type":"Bearer","expires_in":3599,"access_token":"entra"}`, 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tenant/oauth2/v2.0/token" || r.ParseForm() != nil {
			t.Errorf("%s", r.URL)
		}
		for k, want := range map[string]string{"grant_type": "client_credentials", "client_id": "id", "client_secret": "s&cret", "scope": "https://ai.azure.com/.default"} {
			if got := r.PostForm.Get(k); got != want {
				t.Errorf("%s is %q", k, got)
			}
		}
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer srv.Close()
	c := &provider.EntraClient{Tenant: "tenant", ClientID: "id", Secret: rotate.NewSecret("s&cret"), Authority: srv.URL + "/"}
	p := provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Token: c})
	r, err := p.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, rotate.Key{})
	if err != nil || r.Header.Get("Authorization") != "Bearer entra" {
		t.Fatal(err, r)
	}
	if _, expiry, err := c.Token(t.Context()); err != nil || time.Until(expiry) < 59*time.Minute || time.Until(expiry) > time.Hour {
		t.Error(expiry, err)
	}
	for _, tt := range []struct {
		status int
		answer string
	}{
		{401, `{"error":"invalid_client","error_description":"AADSTS7000215: wrong"}`}, {200, `{}`}, {500, `<html>`}, {200, `{"access_token":""}`},
	} {
		status, answer = tt.status, tt.answer
		if _, _, err := c.Token(t.Context()); err == nil || strings.Contains(err.Error(), "s&cret") {
			t.Errorf("%s: %v", tt.answer, err)
		}
	}
	status, answer = 200, `{"expires_in":"10","access_token":"x"}`
	if _, expiry, err := c.Token(t.Context()); err != nil || time.Until(expiry) > 11*time.Second {
		t.Error(expiry, err)
	}
	srv.Close()
	if _, _, err := c.Token(t.Context()); err == nil || strings.Contains(err.Error(), "s&cret") {
		t.Error(err)
	}
}
