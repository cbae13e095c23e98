package provider_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

// pitfall 35: what a provider refuses is left out and reported; all else
// passes byte for byte.
func TestRules(t *testing.T) {
	const o, r = translate.OpenAI, translate.Responses
	for _, tt := range []struct {
		name, provider, model string
		format                translate.Format
		translated            bool
		body, want            string
		losses                []string
	}{
		{"same bytes", "openai", "gpt-4o", o, false, `{ "temperature":0.5,"max_tokens" : 3 }`, "", nil},
		{"same bytes on reasoning models", "openai", "o3", o, false, `{ "messages":[ ] , "max_completion_tokens":3}`, "", nil},
		{"max_tokens", "openai", "o3", o, false, `{"max_tokens":3,"a":1}`, `{"a":1,"max_completion_tokens":3}`, nil},
		{"max_tokens given twice over", "openai", "gpt-5.2", o, false, `{"max_tokens":3,"max_completion_tokens":4}`, `{"max_completion_tokens":4}`, nil},
		{"sampling", "openai", "gpt-5", o, false, `{"temperature":0.7,"top_p":1,"logit_bias":{"1":2},"a":1}`, `{"a":1}`, []string{"temperature", "logit_bias"}},
		{"sampling of chat-latest", "openai", "gpt-5-chat-latest", o, false, `{"temperature":0.7,"max_tokens":3}`, "", nil},
		{"sampling with effort none", "openai", "gpt-5.2", o, false, `{"temperature":0.7,"reasoning_effort":"none"}`, "", nil},
		{"sampling with effort", "openai", "gpt-5.2", o, false, `{"temperature":0.7,"reasoning_effort":"low"}`, `{"reasoning_effort":"low"}`, []string{"temperature"}},
		{"stop", "openai", "o4-mini", o, false, `{"stop":["x"]}`, `{}`, []string{"stop"}},
		{"a client of Responses means it", "openai", "gpt-5", r, false, `{"temperature":0.7,"reasoning":{"effort":"max"}}`, "", nil},
		{"translated to Responses", "openai", "gpt-5", r, true, `{"temperature":0.7,"reasoning":{"effort":"max","summary":"auto"}}`, `{"reasoning":{"effort":"high","summary":"auto"}}`, []string{"temperature", "reasoning.effort"}},
		{"gpt-5.1 is mute by default", "openai", "gpt-5.1", r, true, `{"temperature":0.7}`, "", nil},
		{"gpt-5.1 asked to think", "openai", "gpt-5.1", r, true, `{"temperature":0.7,"reasoning":{"effort":"low"}}`, `{"reasoning":{"effort":"low"}}`, []string{"temperature"}},
		{"gpt-5.6 thinks by default", "openai", "gpt-5.6", r, true, `{"temperature":0.7}`, `{}`, []string{"temperature"}},
		{"gpt-5.6 asked not to", "openai", "gpt-5.6", r, true, `{"temperature":0.7,"reasoning":{"effort":"none"}}`, "", nil},
		{"mistral", "mistral", "m", o, false, `{"seed":1,"user":"u","store":false,"stream_options":{"include_usage":true},"max_completion_tokens":5,"stop":[]}`, `{"stop":[],"random_seed":1,"max_tokens":5}`, []string{"user"}},
		{"mistral, nothing to do", "mistral", "m", o, false, `{"temperature":1}`, "", nil},
		{"groq", "groq", "m", o, false, `{"logprobs":true,"top_logprobs":2,"frequency_penalty":1,"n":2}`, `{"frequency_penalty":1,"n":2}`, []string{"logprobs", "top_logprobs"}},
		{"groq, neutral values", "groq", "m", o, false, `{"logprobs":false,"logit_bias":null}`, `{}`, nil},
		{"groq translated", "groq", "m", o, true, `{"frequency_penalty":1,"store":true}`, `{}`, []string{"frequency_penalty", "store"}},
		{"groq efforts", "groq", "openai/gpt-oss-120b", o, true, `{"reasoning_effort":"max"}`, `{"reasoning_effort":"high"}`, []string{"reasoning_effort"}},
		{"deepseek", "deepseek", "m", o, false, `{"user":"u","reasoning_effort":"medium","max_completion_tokens":1}`, `{"reasoning_effort":"high","max_tokens":1,"user_id":"u"}`, nil},
		{"deepseek without thought", "deepseek", "m", o, false, `{"reasoning_effort":"none"}`, `{"thinking":{"type":"disabled"}}`, nil},
		{"deepseek schema", "deepseek", "m", o, false, `{"response_format":{"type":"json_schema","json_schema":{}}}`, `{"response_format":{"type":"json_object"}}`, []string{"response_format"}},
		{"deepseek json", "deepseek", "m", o, false, `{"response_format":{"type":"json_object"}}`, "", nil},
		{"deepseek seed of its own client", "deepseek", "m", o, false, `{"seed":1}`, "", nil},
		{"deepseek seed", "deepseek", "m", o, true, `{"seed":1}`, `{}`, []string{"seed"}},
		{"grok reasons", "grok", "grok-4.7", o, false, `{"stop":["a"],"presence_penalty":1,"temperature":0.3}`, `{"temperature":0.3}`, []string{"presence_penalty", "stop"}},
		{"grok does not", "grok", "grok-4.20-non-reasoning", o, false, `{"stop":["a"],"reasoning_effort":"low"}`, `{"stop":["a"]}`, []string{"reasoning_effort"}},
		{"grok efforts", "grok", "grok-4.3", r, true, `{"reasoning":{"effort":"max"}}`, `{"reasoning":{"effort":"high"}}`, []string{"reasoning.effort", "reasoning.effort"}},
		{"grok's last effort", "grok", "grok-4.20-reasoning", r, false, `{"reasoning":{"effort":"high"}}`, `{}`, []string{"reasoning.effort"}},
		{"ollama", "ollama", "m", o, false, `{"tool_choice":"auto"}`, "", nil},
		{"ollama translated", "ollama", "m", o, true, `{"tool_choice":"auto","user":"u"}`, `{}`, []string{"tool_choice", "user"}},
		{"workers", "workers-ai", "m", o, true, `{"user":"u","reasoning_effort":"xhigh"}`, `{"reasoning_effort":"high"}`, []string{"user", "reasoning_effort"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var losses translate.Losses
			c := provider.Call{Op: provider.Chat, Format: tt.format, Model: tt.model, Body: []byte(tt.body), Translated: tt.translated, Losses: &losses}
			req, err := all()[tt.provider].NewRequest(t.Context(), &c, key)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if want == "" {
				want = tt.body
			}
			if got := bodyOf(t, req); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			var paths []string
			for _, l := range losses {
				paths = append(paths, l.Path)
				if l.Reason == "" {
					t.Errorf("%s is lost without a reason", l.Path)
				}
			}
			if len(paths) != len(tt.losses) {
				t.Fatalf("losses %q, want %q", paths, tt.losses)
			}
			for i := range paths {
				if paths[i] != tt.losses[i] {
					t.Errorf("losses %q, want %q", paths, tt.losses)
				}
			}
			// The same without anybody who counts the losses.
			c.Losses = nil
			if _, err := all()[tt.provider].NewRequest(t.Context(), &c, key); err != nil {
				t.Error(err)
			}
		})
	}
}

// A long body is changed as a short one is, and not copied for it.
func TestLongBodies(t *testing.T) {
	pad := `"messages":["` + strings.Repeat("x", 1<<20) + `"]`
	for _, tt := range []struct{ body, want string }{
		{`{"model":"a","max_tokens":3,"temperature":0.5,|}`, `{"model":"gpt-5",|,"max_completion_tokens":3}`},
		{`{"temperature":0.5,|,"model":"a"}`, `{|,"model":"gpt-5"}`},
		{`{|}`, `{|,"model":"gpt-5"}`},
	} {
		body, want := []byte(strings.Replace(tt.body, "|", pad, 1)), strings.Replace(tt.want, "|", pad, 1)
		c := provider.Call{Op: provider.Chat, Format: translate.OpenAI, Model: "gpt-5", Body: body, Edits: []provider.Edit{{Name: "model", Value: []byte(`"gpt-5"`)}}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req, err := provider.OpenAI().NewRequest(t.Context(), &c, key)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<18 {
			t.Errorf("%s: %d bytes are copied", tt.body, n)
		}
		again, _ := req.GetBody()
		second, _ := io.ReadAll(again)
		if got := bodyOf(t, req); got != want || string(second) != want {
			t.Errorf("%s: got %s", tt.body, strings.Replace(got, pad, "|", 1))
		}
		if got, err := c.JSON(); err != nil || len(got) != len(body)+len(`gpt-5`)-1 && tt.body != `{|}` {
			t.Errorf("%s: with its edits alone it has %d bytes, %v", tt.body, len(got), err)
		}
	}
}

func TestRulesRefuse(t *testing.T) {
	for _, bad := range []string{``, `[]`, `{"a":`, `{} x`} {
		c := provider.Call{Op: provider.Chat, Format: translate.OpenAI, Model: "m", Body: []byte(bad), Header: http.Header{}}
		if _, err := provider.Mistral().NewRequest(t.Context(), &c, key); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// Whatever a client sends, rules leave JSON behind, and what they do not name
// as it was.
func FuzzRules(f *testing.F) {
	for _, s := range []string{
		`{"user":"u","a":[1,{"b":"c"}],"seed":1}`, `{"user":1,"user":2,"us\u0065r":3}`, `{"response_format":{"type":"json_schema"},"reasoning_effort":"none"}`,
		`{"reasoning":{"effort":"max"},"temperature":1e3}`, `{}`, `[]`, `{"reasoning":"x","text":{"verbosity":"low"}}`, ` { "stream_options" : null } `,
	} {
		f.Add([]byte(s))
	}
	providers := all()
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		for name, p := range providers {
			for _, m := range []string{"gpt-5", "gpt-5.6", "grok-4.20-reasoning", "claude-x", "anthropic.claude-x", "o/m"} {
				for _, f := range p.Formats(m) {
					for _, translated := range []bool{false, true} {
						c := provider.Call{Op: provider.Chat, Format: f, Model: m, Body: body, Translated: translated, Losses: new(translate.Losses)}
						r, err := p.NewRequest(t.Context(), &c, key)
						if err != nil {
							continue
						}
						got := bodyOf(t, r)
						if string(body) != before {
							t.Fatalf("%s changed the body in place", name)
						}
						if jsonx.Valid([]byte(before)) && !jsonx.Valid([]byte(got)) {
							t.Fatalf("%s made %q of %q", name, got, before)
						}
						if want, err := jsonx.Top([]byte(before), "a"); err == nil && want[0] != nil {
							if have, err := jsonx.Top([]byte(got), "a"); err != nil || string(have[0]) != string(want[0]) {
								t.Fatalf("%s: a was %s and is %s", name, want[0], have)
							}
						}
					}
				}
			}
		}
	})
}
