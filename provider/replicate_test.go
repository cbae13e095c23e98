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
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// fakeReplicate runs predictions that say hello.
type fakeReplicate struct {
	t      *testing.T
	srv    *httptest.Server
	polls  int    // how often a prediction is processing before it is done
	busy   []int  // statuses that polls are answered with before that
	stream bool   // whether models stream
	hang   bool   // streams stall after their first event
	fail   string // predictions fail

	mu       sync.Mutex
	asked    []string
	canceled chan struct{}
}

func newFakeReplicate(t *testing.T) *fakeReplicate {
	f := &fakeReplicate{t: t, canceled: make(chan struct{}, 1)}
	f.srv = httptest.NewServer(f)
	t.Cleanup(f.srv.Close)
	return f
}

func (f *fakeReplicate) prediction(status string) string {
	u := f.srv.URL
	stream, output, failure := "", "null", "null"
	if f.stream {
		stream = `,"stream":"` + u + `/stream/token"`
	}
	if status == "succeeded" {
		output = `["Hel","lo\nyou"]`
		if f.fail != "" {
			status, output, failure = "failed", "null", `"`+f.fail+`"`
		}
	}
	return fmt.Sprintf(`{"id":"p1","model":"o/n","status":"%s","output":%s,"error":%s,"urls":{"get":"%s/v1/predictions/p1","cancel":"%s/v1/predictions/p1/cancel"%s},"metrics":{"input_token_count":3,"output_token_count":2}}`, status, output, failure, u, u, stream)
}

func (f *fakeReplicate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Prefer"))
	f.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+canary {
		f.t.Errorf("%s %s: no key", r.Method, r.URL.Path)
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/predictions"):
		if !strings.Contains(string(body), `"prompt"`) {
			f.t.Errorf("body %s", body)
		}
		status := "succeeded"
		if f.polls > 0 || f.stream {
			status = "starting"
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, f.prediction(status))
	case strings.HasSuffix(r.URL.Path, "/cancel"):
		select {
		case f.canceled <- struct{}{}:
		default:
		}
	case strings.HasPrefix(r.URL.Path, "/stream/"):
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "event: output\nid: 1:0\ndata: Hel\n\n")
		w.(http.Flusher).Flush()
		if f.hang {
			<-r.Context().Done()
			return
		}
		io.WriteString(w, "event: output\nid: 2:0\ndata: lo\ndata: you\n\nevent: done\nid: 3:0\ndata: {}\n\n")
	default:
		f.mu.Lock()
		status := http.StatusOK
		if len(f.busy) > 0 {
			status, f.busy = f.busy[0], f.busy[1:]
		} else {
			f.polls--
		}
		left := f.polls
		f.mu.Unlock()
		if status != http.StatusOK {
			w.WriteHeader(status)
		} else if left > 0 {
			io.WriteString(w, f.prediction("processing"))
		} else {
			io.WriteString(w, f.prediction("succeeded"))
		}
	}
}

func (f *fakeReplicate) send(ctx context.Context, model string, stream bool) (*http.Response, error) {
	p := provider.Replicate()
	p.BaseURL = f.srv.URL + "/v1"
	r, err := p.NewRequest(ctx, &provider.Call{Op: provider.Chat, Format: replicate.Format, Model: model, Stream: stream, Body: []byte(`{"input":{"prompt":"Hi"}}`)}, key)
	if err != nil {
		return nil, err
	}
	return p.Transport(http.DefaultTransport).RoundTrip(r)
}

func TestReplicate(t *testing.T) {
	for name, tt := range map[string]struct {
		model         string
		stream, sse   bool
		polls         int
		asked         []string
		wantID, usage bool
	}{
		"whole":             {"o/n", false, false, 0, []string{"POST /v1/models/o/n/predictions wait=5"}, true, true},
		"whole, slow":       {"o/n", false, false, 2, []string{"POST /v1/models/o/n/predictions wait=5", "GET /v1/predictions/p1 ", "GET /v1/predictions/p1 "}, true, true},
		"version":           {"o/n:abc", false, false, 0, []string{"POST /v1/predictions wait=5"}, true, true},
		"deployment":        {"deployments/o/n", false, false, 0, []string{"POST /v1/deployments/o/n/predictions wait=5"}, true, true},
		"stream":            {"o/n", true, true, 0, []string{"POST /v1/models/o/n/predictions ", "GET /stream/token "}, false, false},
		"stream without it": {"o/n", true, false, 1, []string{"POST /v1/models/o/n/predictions ", "GET /v1/predictions/p1 "}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeReplicate(t)
			f.stream, f.polls = tt.sse, tt.polls
			resp, err := f.send(t.Context(), tt.model, tt.stream)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var got *translate.Response
			if tt.stream {
				got, err = translate.Collect(replicate.Outbound{}.Events(resp.Body))
			} else {
				body, _ := io.ReadAll(resp.Body)
				got, err = replicate.Outbound{}.ParseResponse(body)
			}
			if err != nil {
				t.Fatal(err)
			}
			if text := got.Parts[0].(*translate.Text).Text; text != "Hello\nyou" {
				t.Errorf("said %q", text)
			}
			if strings.Join(f.asked, "|") != strings.Join(tt.asked, "|") {
				t.Errorf("asked %q", f.asked)
			}
			resp.Body.Close()
			select {
			case <-f.canceled:
				t.Error("a prediction that was done was canceled")
			default:
			}
		})
	}
}

func TestReplicateFailures(t *testing.T) {
	f := newFakeReplicate(t)
	f.fail = "out of luck"
	for _, stream := range []bool{false, true} {
		resp, err := f.send(t.Context(), "o/n", stream)
		if err != nil {
			t.Fatal(err)
		}
		if stream {
			_, err = translate.Collect(replicate.Outbound{}.Events(resp.Body))
		} else {
			body, _ := io.ReadAll(resp.Body)
			_, err = replicate.Outbound{}.ParseResponse(body)
		}
		var e *translate.Error
		if !errors.As(err, &e) || e.Message != "out of luck" {
			t.Errorf("stream %v: %v", stream, err)
		}
	}
	// An error of the create request comes back as it is.
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(422)
		io.WriteString(w, `{"detail":"bad input","status":422}`)
	}))
	defer srv.Close()
	f.srv.Close()
	f.srv = srv
	resp, err := f.send(t.Context(), "o/n", true)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 422 || !strings.Contains(string(body), "bad input") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// A prediction is not given up because its state cannot be told for a moment;
// it is when that lasts, or cannot pass.
func TestReplicateBusy(t *testing.T) {
	for name, tt := range map[string]struct {
		busy []int
		ok   bool
	}{
		"for a moment": {[]int{503, 429}, true},
		"for good":     {[]int{500, 502, 503, 529, 500}, false},
		"gone":         {[]int{404}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeReplicate(t)
			f.polls, f.busy = 1, tt.busy
			resp, err := f.send(t.Context(), "o/n", false)
			if (err == nil) != tt.ok {
				t.Fatalf("%v", err)
			}
			if err == nil {
				resp.Body.Close()
				return
			}
			select {
			case <-f.canceled:
			default:
				t.Error("the prediction that was given up was not canceled")
			}
		})
	}
}

// A client that goes away stops the prediction, streamed or not.
func TestReplicateCancel(t *testing.T) {
	for _, stream := range []bool{false, true} {
		f := newFakeReplicate(t)
		f.stream, f.hang, f.polls = stream, true, 1000
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { // ends with the request below; the test waits for it
			defer close(done)
			time.Sleep(100 * time.Millisecond)
			cancel()
		}()
		resp, err := f.send(ctx, "o/n", stream)
		if stream {
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stream %v: %v", stream, err)
		}
		select {
		case <-f.canceled:
		case <-time.After(2 * time.Second):
			t.Errorf("stream %v: the prediction was not canceled", stream)
		}
		<-done
	}
}

// pitfall 44: the key is not sent to hosts that a prediction names.
func TestReplicateForeignHost(t *testing.T) {
	foreign := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the key was sent to another host")
		}
		io.WriteString(w, "event: done\ndata: {}\n\n")
	}))
	defer foreign.Close()
	for address, ok := range map[string]bool{foreign.URL + "/s": true, "http://127.0.0.1:1/s": false, "file:///etc/passwd": false, "%zz": false} {
		own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"status":"starting","urls":{"stream":"`+address+`"}}`)
		}))
		p := provider.Replicate()
		p.BaseURL = own.URL
		r, err := p.NewRequest(t.Context(), &provider.Call{Op: provider.Chat, Format: replicate.Format, Model: "o/n", Stream: true, Body: []byte(`{}`)}, key)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.Transport(foreign.Client().Transport).RoundTrip(r)
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if err == nil {
			resp.Body.Close()
		} else if strings.Contains(err.Error(), address) {
			t.Errorf("the error tells the address: %v", err)
		}
		own.Close()
	}
}
