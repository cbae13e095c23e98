package provider_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

func demo(t *testing.T, ctx context.Context, stream bool, body string) (*http.Response, error) {
	t.Helper()
	p := provider.Demo()
	r, err := p.NewRequest(ctx, &provider.Call{Op: provider.Chat, Format: translate.OpenAI, Model: "echo", Stream: stream, Body: []byte(body)}, rotate.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(http.RoundTripper).RoundTrip(r)
}

func TestDemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			body, want string
			stream     bool
			usage      bool
		}{
			{`{"messages":[{"role":"user","content":"Hello  \"wörld\""}]}`, `hears: Hello  "wörld"`, false, true},
			{`{"stream":true,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"x"},{"role":"user","content":[{"type":"text","text":"again"}]}]}`, `hears: again`, true, false},
			{`{"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hi"}]}`, `hears: Hi`, true, true},
			{`{"messages":[]}`, `heard nothing.`, false, true},
		} {
			began := time.Now()
			resp, err := demo(t, t.Context(), tt.stream, tt.body)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			var r *translate.Response
			if tt.stream {
				r, err = translate.Collect(translate.Check(openai.Outbound{}.Events(resp.Body)))
				if time.Since(began) < 200*time.Millisecond {
					t.Error("the stream came all at once")
				}
			} else {
				b, _ := io.ReadAll(resp.Body)
				r, err = openai.Outbound{}.ParseResponse(b)
			}
			resp.Body.Close()
			if err != nil || len(r.Parts) != 1 {
				t.Fatal(r, err)
			}
			if text := r.Parts[0].(*translate.Text).Text; !strings.HasSuffix(text, tt.want) || r.Finish.Reason != translate.FinishStop {
				t.Errorf("%q %+v", text, r.Finish)
			}
			if (r.Usage != nil) != tt.usage {
				t.Errorf("%s: usage %+v", tt.body, r.Usage)
			}
		}
		if resp, err := demo(t, t.Context(), false, `{"messages":1`); err != nil || resp.StatusCode != 400 {
			t.Error(resp, err)
		}
		// A client that goes away, or closes, ends it at once.
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := demo(t, ctx, true, `{"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := demo(t, ctx, true, `{"stream":true}`); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		resp, _ = demo(t, t.Context(), true, `{"stream":true}`)
		resp.Body.Close()
		resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a closed body was read")
		}
	})
	p := provider.Demo()
	for _, c := range []provider.Call{{Op: provider.Models}, {Op: provider.Chat, Format: translate.OpenAI, Model: "else"}} {
		if _, err := p.NewRequest(t.Context(), &c, rotate.Key{}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
