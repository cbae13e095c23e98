package providertest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/bedrock"
	"github.com/go-llmproxy/llmproxy/translate/cohere"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// formats are the paths of each format, whole and streamed, and its codec.
var formats = []struct {
	format        translate.Format
	whole, stream string
	codec         translate.Outbound
}{
	{translate.OpenAI, "/v1/chat/completions", "/v1/chat/completions", openai.Outbound{}},
	{translate.Responses, "/v1/responses", "/v1/responses", responses.Outbound{}},
	{translate.Anthropic, "/v1/messages", "/v1/messages", anthropic.Outbound{}},
	{translate.Gemini, "/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse", gemini.Outbound{}},
	{translate.Cohere, "/v2/chat", "/v2/chat", cohere.Outbound{}},
	{translate.Bedrock, "/model/m/converse", "/model/m/converse-stream", bedrock.Outbound{}},
}

func post(t *testing.T, url, body string) *http.Response {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// Every format's answers are what its codec reads, whole and streamed.
func TestAnswers(t *testing.T) {
	for name, a := range map[string]providertest.Answer{
		"text":     {Text: "Hello, wörld of tests"},
		"thinking": {Thinking: "hm, let me see", Signature: "c2ln", Text: "Yes."},
		"tools":    {Tools: []providertest.ToolCall{{ID: "call_a", Name: "f", Arguments: `{"x":1}`}, {ID: "call_b", Name: "g"}}},
		"mixed":    {Text: "Looking.", Tools: []providertest.ToolCall{{ID: "call_a", Name: "f", Arguments: `{"x":"ä"}`}, {ID: "call_b", Name: "f", Arguments: `{"y":2}`}}, Interleave: true},
		"cut":      {Text: "Too lo", Length: true, Input: 20, Cached: 8, Output: 3},
	} {
		for _, f := range formats {
			t.Run(name+" "+string(f.format), func(t *testing.T) {
				up := providertest.NewServer(t, providertest.Say(a), providertest.Say(a))
				resp := post(t, up.URL+f.whole, `{"model":"m"}`)
				body, _ := io.ReadAll(resp.Body)
				whole, err := f.codec.ParseResponse(body)
				if err != nil {
					t.Fatalf("%v: %s", err, body)
				}
				resp = post(t, up.URL+f.stream, `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`)
				streamed, err := translate.Collect(translate.Check(f.codec.Events(resp.Body)))
				if err != nil {
					t.Fatal(err)
				}
				for kind, r := range map[string]*translate.Response{"whole": whole, "stream": streamed} {
					var text, thinking string
					var calls []*translate.ToolUse
					for _, p := range r.Parts {
						switch p := p.(type) {
						case *translate.Text:
							text += p.Text
						case *translate.Thinking:
							thinking += p.Text
						case *translate.ToolUse:
							calls = append(calls, p)
						}
					}
					if text != a.Text || thinking != a.Thinking || len(calls) != len(a.Tools) {
						t.Errorf("%s: %q, %q, %d calls", kind, text, thinking, len(calls))
						continue
					}
					for i, c := range a.Tools {
						want := c.Arguments
						if want == "" {
							want = "{}"
						}
						if calls[i].ID != c.ID || calls[i].Name != c.Name || string(calls[i].Input) != want {
							t.Errorf("%s: call %d is %+v", kind, i, calls[i])
						}
					}
					want := translate.FinishStop
					if a.Length {
						want = translate.FinishLength
					} else if len(a.Tools) > 0 {
						want = translate.FinishToolUse
					}
					if r.Finish.Reason != want {
						t.Errorf("%s: finish %+v", kind, r.Finish)
					}
					input, cached := int64(10), int64(0)
					if a.Input > 0 {
						input, cached = int64(a.Input), int64(a.Cached)
					}
					if r.Usage == nil || r.Usage.TotalInput() != input || r.Usage.CacheRead != cached {
						t.Errorf("%s: usage %+v", kind, r.Usage)
					}
				}
				if q := up.Requests(); len(q) != 2 || q[0].Format != f.format || q[0].Stream || !q[1].Stream || q[0].Model != "m" {
					t.Errorf("%+v", q[0])
				}
			})
		}
	}
}

// Every format's failures are what its codec reads.
func TestFailures(t *testing.T) {
	for _, f := range formats {
		t.Run(string(f.format), func(t *testing.T) {
			for _, status := range []int{400, 401, 403, 404, 429, 500, 503, 529} {
				if status == 529 && f.format == translate.Bedrock {
					continue // AWS has no such status
				}
				up := providertest.NewServer(t, providertest.Fail(status, "no such luck"))
				resp := post(t, up.URL+f.whole, `{"model":"m"}`)
				body, _ := io.ReadAll(resp.Body)
				e := f.codec.ParseError(resp.StatusCode, resp.Header, body)
				if resp.StatusCode != status || e.StatusCode() != status || e.Message != "no such luck" {
					t.Errorf("%d: %d, %+v", status, resp.StatusCode, e)
				}
			}
			up := providertest.NewServer(t, providertest.RateLimited(2*time.Second), providertest.RateLimited(0),
				providertest.FailInside(0, providertest.Answer{Text: "a b c"}, 503, "down"), providertest.FailInside(3, providertest.Answer{Text: "a b c"}, 503, "down"),
				providertest.Text("a b c").With(providertest.EndAfterEvents(2)))
			for _, want := range []time.Duration{2 * time.Second, 0} {
				resp := post(t, up.URL+f.whole, `{}`)
				body, _ := io.ReadAll(resp.Body)
				if e := f.codec.ParseError(resp.StatusCode, resp.Header, body); e.Kind != translate.RateLimit || e.RetryAfter != want {
					t.Errorf("%+v, want %v", e, want)
				}
			}
			for i := range 3 {
				resp := post(t, up.URL+f.stream, `{"stream":true}`)
				if resp.StatusCode != 200 {
					t.Errorf("status %d", resp.StatusCode)
				}
				_, err := translate.Collect(f.codec.Events(resp.Body))
				var e *translate.Error
				if !errors.As(err, &e) || translate.IsTruncated(err) != (i == 2) {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
}

func TestFaults(t *testing.T) {
	hello := providertest.Text("Hello, wörld")
	events := func(url string) ([]byte, error) {
		resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(`{"stream":true}`))
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	plain, err := events(providertest.NewServer(t, hello).URL)
	if err != nil || !bytes.HasSuffix(plain, []byte("data: [DONE]\n\n")) {
		t.Fatalf("%s, %v", plain, err)
	}
	for name, tt := range map[string]struct {
		step providertest.Step
		want func(body []byte, err error) bool
	}{
		"cut after events": {hello.With(providertest.CutAfterEvents(2)), func(b []byte, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && bytes.Count(b, []byte("\n\n")) == 2
		}},
		"cut after bytes":    {hello.With(providertest.CutAfterBytes(7)), func(b []byte, err error) bool { return err != nil && string(b) == `data: {` }},
		"end after bytes":    {hello.With(providertest.EndAfterBytes(7)), func(b []byte, err error) bool { return err == nil && string(b) == `data: {` }},
		"reset after events": {hello.With(providertest.ResetAfterEvents(1)), func(_ []byte, err error) bool { return err != nil }},
		"trickle":            {hello.With(providertest.Trickle(1, time.Microsecond)), func(b []byte, err error) bool { return err == nil && bytes.Equal(b, plain) }},
		"crlf": {hello.With(providertest.CRLF()), func(b []byte, err error) bool {
			return err == nil && bytes.Equal(bytes.ReplaceAll(b, []byte("\r"), nil), plain) && bytes.Contains(b, []byte("\r\n\r\n"))
		}},
		"comments":     {hello.With(providertest.Comments(100_000)), func(b []byte, err error) bool { return err == nil && len(b) > 400_000 }},
		"too long":     {hello.With(providertest.WrongLength(5)), func(_ []byte, err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"too short":    {hello.With(providertest.WrongLength(-5)), func(b []byte, err error) bool { return err == nil && len(b) == len(plain)-5 }},
		"reset":        {providertest.Reset(), func(_ []byte, err error) bool { return err != nil }},
		"reset unread": {providertest.ResetUnread(), func(_ []byte, err error) bool { return err != nil }},
		"endless":      {providertest.EndlessHeaders(), func(_ []byte, err error) bool { return err != nil }},
		"slow header":  {hello.With(providertest.SlowHeader(time.Millisecond)), func(b []byte, err error) bool { return err == nil && bytes.Equal(b, plain) }},
	} {
		t.Run(name, func(t *testing.T) {
			if body, err := events(providertest.NewServer(t, tt.step).URL); !tt.want(body, err) {
				t.Errorf("%q, %v", body[:min(len(body), 200)], err)
			}
		})
	}
	t.Run("gzip", func(t *testing.T) {
		up := providertest.NewServer(t, hello.With(providertest.Gzip()))
		req, _ := http.NewRequest(http.MethodPost, up.URL+"/v1/chat/completions", strings.NewReader(`{"stream":true}`))
		req.Header.Set("Accept-Encoding", "identity")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		z, err := gzip.NewReader(resp.Body)
		if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Fatal(err, resp.Header)
		}
		if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, plain) {
			t.Errorf("%s, %v", b, err)
		}
	})
	t.Run("stall", func(t *testing.T) {
		const silence = 50 * time.Millisecond // counts from when there is something to be silent about
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		up := providertest.NewServer(t, hello.With(providertest.StallAfterEvents(2)), providertest.Check(func(*providertest.Request) { time.AfterFunc(silence, cancel) }, providertest.Hang()))
		first, leave := context.WithCancel(t.Context())
		defer leave()
		req, _ := http.NewRequestWithContext(first, http.MethodPost, up.URL+"/v1/chat/completions", strings.NewReader(`{"stream":true}`))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for n := 0; n < 4 && lines.Scan(); n++ { // two events
		}
		time.AfterFunc(silence, leave)
		if lines.Scan() || !errors.Is(lines.Err(), context.Canceled) {
			t.Errorf("%s, %v", lines.Text(), lines.Err())
		}
		req, _ = http.NewRequestWithContext(ctx, http.MethodPost, up.URL+"/v1/chat/completions", strings.NewReader(`{}`))
		if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
			t.Errorf("it does not hang: %v", err)
		}
	})
	for name, url := range map[string]string{"refused": providertest.Refused(t), "broken TLS": providertest.BrokenTLS(t), "untrusted": providertest.NewTLSServer(t).URL} {
		if _, err := http.Get(url); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOverTLS(t *testing.T) {
	up := providertest.NewTLSServer(t, providertest.Forever(providertest.Text("Hi")))
	resp, err := up.Client().Post(up.URL+"/v1/messages", "application/json", strings.NewReader(`{"model":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || !bytes.Contains(b, []byte(`"text":"Hi"`)) {
		t.Errorf("%s %s", resp.Proto, b)
	}
}

func TestKeys(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("Hi"))
	up.RequireKey("good")
	for header, want := range map[string]int{"Bearer bad": 401, "Bearer good": 200} {
		req, _ := http.NewRequest(http.MethodPost, up.URL+"/v1/responses", strings.NewReader(`{}`))
		req.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d", header, resp.StatusCode)
		}
	}
}

// recorder is a test that notes its failures.
type recorder struct {
	testing.TB
	errors   int
	cleanups []func()
}

func (r *recorder) Errorf(string, ...any) { r.errors++ }
func (r *recorder) Failed() bool          { return r.errors > 0 }
func (r *recorder) Helper()               {}
func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }

func TestStrict(t *testing.T) {
	rec := &recorder{TB: t}
	up := providertest.NewServer(rec)
	post(t, up.URL+"/v1/chat/completions", "{}")
	if rec.errors != 1 {
		t.Error("an unexpected request passed")
	}
	left := &recorder{TB: t}
	providertest.NewServer(left, providertest.Text("never"))
	for _, r := range []*recorder{rec, left} {
		for _, f := range r.cleanups {
			f()
		}
	}
	if left.errors != 1 {
		t.Error("a step that is left over passed")
	}
}

func TestKeep(t *testing.T) {
	step := providertest.Text("Hi")
	step.Discard = true
	up := providertest.NewServer(t, providertest.Forever(step))
	up.Keep(2)
	for range 5 {
		post(t, up.URL+"/v1/responses", `{"model":"m"}`)
	}
	if q := up.Requests(); up.Count() != 5 || len(q) != 2 || q[0].Size != 13 || len(q[0].Body) != 0 {
		t.Errorf("%d, %d kept", up.Count(), len(q))
	}
}

// An address that refuses connections is no later server's.
func TestRefusedStaysRefused(t *testing.T) {
	address := strings.TrimPrefix(providertest.Refused(t), "http://")
	if l, err := net.Listen("tcp", address); err == nil {
		_ = l.Close()
		t.Error("a server can have the address")
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("the address takes connections")
	}
}
