package llmproxy_test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

var soak = flag.Duration("soak", 2*time.Second, "how long TestSoak runs")

// soakFaults are what the upstreams of a soak do, for ever.
func soakFaults() map[string]providertest.Step {
	words := providertest.Text("one two three four five six seven eight nine ten")
	return map[string]providertest.Step{
		"good":     words,
		"trickle":  words.With(providertest.Trickle(7, time.Microsecond)),
		"crlf":     words.With(providertest.CRLF(), providertest.Gzip()),
		"limited":  providertest.RateLimited(time.Millisecond),
		"broken":   providertest.Fail(500, "no"),
		"busy":     providertest.Overloaded(),
		"inside":   providertest.FailInside(3, providertest.Answer{Text: "one two three four five six seven"}, 500, "no"),
		"cut":      words.With(providertest.CutAfterEvents(4)),
		"bytes":    words.With(providertest.CutAfterBytes(200)),
		"ends":     words.With(providertest.EndAfterEvents(3)),
		"reset":    providertest.Reset(),
		"unread":   providertest.ResetUnread(),
		"stall":    words.With(providertest.StallAfterEvents(3)),
		"hang":     providertest.Hang(),
		"comments": words.With(providertest.Comments(5000)),
		"html":     providertest.Raw(200, "text/html", []byte("<html>")),
		"endless":  providertest.EndlessHeaders(),
	}
}

// TestSoak lets clients of all formats, of which some leave, at providers of
// which most fail, over HTTP/1.1 and HTTP/2. When all is over nothing is left:
// no key taken, no goroutine, no memory, and of every request the outcome is
// known. -soak=1h is for releases.
func TestSoak(t *testing.T) {
	before := runtime.NumGoroutine()
	pool := rotate.NewPool(rotate.Static(soakKeys()))
	var in, out, bad atomic.Int64
	options := []llmproxy.Option{
		llmproxy.WithProxyKeys(clientKey), llmproxy.WithKeyRotator(pool),
		llmproxy.WithTimeouts(llmproxy.Timeouts{ResponseHeader: 40 * time.Millisecond, FirstContent: 40 * time.Millisecond, Idle: 40 * time.Millisecond}),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) {
			out.Add(1)
			if x.Status == 0 && !x.Aborted {
				bad.Add(1)
			}
		}}),
	}
	var models []string
	t.Run("clients", func(t *testing.T) { // whose cleanups come before the balance
		for name, step := range soakFaults() {
			up := providertest.NewServer(t, providertest.Forever(step))
			up.Keep(1) // the test, too, must not grow
			for format, p := range map[string]*provider.HTTP{"openai": provider.Compatible("openai-"+name, up.URL+"/v1"), "anthropic": provider.Anthropic()} {
				p.ID, p.BaseURL = format+"-"+name, strings.TrimSuffix(p.BaseURL, "/")
				if format == "anthropic" {
					p.BaseURL = up.URL
				}
				options = append(options, llmproxy.WithProvider(p), llmproxy.WithAlias(p.ID+"-then-good", p.ID+"/m", "openai-good/m"))
				models = append(models, p.ID+"/m", p.ID+"-then-good")
			}
		}
		p, err := llmproxy.New(options...)
		if err != nil {
			t.Fatal(err)
		}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			in.Add(1)
			p.ServeHTTP(w, r)
		})
		one := httptest.NewServer(handler)
		two := httptest.NewUnstartedServer(handler)
		two.EnableHTTP2 = true
		two.StartTLS()
		for _, s := range []*httptest.Server{one, two} {
			s.Config.ErrorLog = nil
		}
		soakClients(t, models, one.URL, two.URL)
		one.Close() // waits for the streams that are open
		two.Close()
	})
	for provider := range soakKeys() {
		states, err := pool.Snapshot(t.Context(), provider)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range states {
			if k.InFlight != 0 {
				t.Errorf("%s: %d leases of key %s are left", provider, k.InFlight, k.ID)
			}
		}
	}
	if in.Load() != out.Load() || in.Load() < 100 || bad.Load() > 0 {
		t.Errorf("%d requests, %d outcomes, %d without a status", in.Load(), out.Load(), bad.Load())
	}
	t.Logf("%d requests", in.Load())
	http.DefaultClient.CloseIdleConnections()
	for range 200 {
		if runtime.NumGoroutine() <= before+2 { // connections of the proxy's that are idle
			break
		}
		time.Sleep(20 * time.Millisecond) // the kernel tells the last of them
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines at the start, %d at the end:\n%.8000s", before, n, buf[:runtime.Stack(buf, true)])
	}
}

func soakKeys() map[string][]rotate.Key {
	keys := map[string][]rotate.Key{}
	for name := range soakFaults() {
		for _, format := range []string{"openai-", "anthropic-"} {
			keys[format+name] = rotate.Secrets("a", "b", "c")
		}
	}
	return keys
}

// soakClients sends requests until the time is over.
func soakClients(t *testing.T, models []string, urls ...string) {
	end := time.Now().Add(*soak)
	var heap runtime.MemStats
	var start uint64
	var wg sync.WaitGroup
	for worker := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 1))
			transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the server's own certificate
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
			for time.Now().Before(end) {
				soakRequest(t, r, client, urls[r.IntN(len(urls))], models[r.IntN(len(models))])
			}
		})
	}
	middle := time.AfterFunc(*soak/2, func() {
		runtime.GC()
		runtime.ReadMemStats(&heap)
		atomic.StoreUint64(&start, heap.HeapAlloc)
	})
	wg.Wait()
	middle.Stop()
	runtime.GC()
	runtime.ReadMemStats(&heap)
	t.Logf("heap: %d KiB in the middle, %d at the end", atomic.LoadUint64(&start)>>10, heap.HeapAlloc>>10)
	if half := atomic.LoadUint64(&start); half > 0 && heap.HeapAlloc > half+16<<20 {
		t.Errorf("the heap grew from %d to %d bytes in the second half", half, heap.HeapAlloc)
	}
}

func soakRequest(t *testing.T, r *rand.Rand, client *http.Client, url, model string) {
	stream := r.IntN(2) == 0
	path, body, terminal := "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"q"}]}`, model, stream), "[DONE]"
	switch r.IntN(4) {
	case 0:
		path, body, terminal = "/v1/messages", fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":99,"messages":[{"role":"user","content":"q"}]}`, model, stream), "message_stop"
	case 1:
		path, body, terminal = "/v1/responses", fmt.Sprintf(`{"model":%q,"stream":%v,"input":"q"}`, model, stream), "response.completed"
	case 2:
		path, body, terminal = "/v1beta/models/"+model+":generateContent", `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`, `"finishReason"`
		if stream {
			path = "/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	leaves := r.IntN(5) == 0
	if leaves && r.IntN(2) == 0 {
		time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, cancel)
	}
	resp, err := client.Do(req)
	if err != nil {
		return // it left, or the upstream's answer broke off
	}
	defer resp.Body.Close()
	if leaves {
		_, _ = io.CopyN(io.Discard, resp.Body, int64(r.IntN(400)))
		return
	}
	got, err := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusOK && stream && err == nil && ctx.Err() == nil &&
		!strings.Contains(string(got), terminal) && !strings.Contains(string(got), "error") && !strings.Contains(string(got), "<html>") {
		t.Errorf("%s %s: a stream ends without an end or an error: %q", path, model, got)
	}
}
