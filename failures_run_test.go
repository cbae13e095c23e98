package llmproxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

var modes = []string{"translated", "same format", "pass-through"}

// dialects are the formats of clients: which of the two providers speaks them,
// which must be translated for, and what ends a stream.
var dialects = []struct {
	format           translate.Format
	name, own, other string
	path, pass, body string
	markers          []string // any of them
	codec            translate.Outbound
}{
	{translate.OpenAI, "Chat", "openai", "anthropic", "/v1/chat/completions", "/openai/chat/completions", `{"model":%q,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, []string{"[DONE]"}, openai.Outbound{}},
	{translate.Responses, "Responses", "openai", "anthropic", "/v1/responses", "/openai/responses", `{"model":%q,"stream":%t,"input":"hi"}`, []string{`"type":"response.completed"`, `"type":"response.incomplete"`}, responses.Outbound{}},
	{translate.Anthropic, "Anthropic", "anthropic", "openai", "/v1/messages", "/anthropic/v1/messages", `{"model":%q,"stream":%t,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, []string{`"message_stop"`}, anthropic.Outbound{}},
	{translate.Gemini, "Gemini", "google-ai-studio", "openai", "/v1beta/models/%s:%s", "/google-ai-studio/v1beta/models/%s:%s", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, []string{`"finishReason"`, `"blockReason"`}, gemini.Outbound{}},
}

// rows runs a fault for the clients of all formats, and returns the rest of the
// table's rows. Formats that differ in nothing share one.
func (f *fault) rows(t *testing.T, mode string, step providertest.Step) []string {
	var names, rows []string
	for i, d := range dialects {
		var alone, helped seen
		run := func(t *testing.T) {
			alone = f.run(t, i, mode, step, false)
			helped = f.run(t, i, mode, step, true)
		}
		name := d.name
		if f.virtual() {
			t.Run(f.name+"/"+mode+"/"+name, func(t *testing.T) { synctest.Test(t, run) })
		} else {
			t.Run(f.name+"/"+mode+"/"+name, run)
		}
		row := strings.Join([]string{alone.client, alone.observer, alone.key, alone.target, helped.attempts}, " | ")
		if at := slices.Index(rows, row); at >= 0 {
			names[at] += ", " + name
			continue
		}
		names, rows = append(names, name), append(rows, row)
	}
	for i := range rows {
		rows[i] = names[i] + " | " + rows[i]
	}
	return rows
}

// seen is what became of one request, in the table's words.
type seen struct{ client, observer, key, target, attempts string }

// run sends one request to a proxy whose provider fails; with help there are a
// second key and a second provider, which works.
func (f *fault) run(t *testing.T, dialect int, mode string, step providertest.Step, help bool) seen {
	d := dialects[dialect]
	home := d.own
	if mode == "translated" {
		home = d.other
	}
	start := providertest.NewServer
	if f.virtual() {
		start = providertest.NewPipeServer
	}
	good := start(t, providertest.Forever(providertest.Say(words)))
	transports := map[string]http.RoundTripper{good.Listener.Addr().String(): good.Client().Transport}
	var address string
	if f.address != nil {
		address = f.address(t)
	} else {
		if f.http2 {
			start = providertest.NewTLSServer
		}
		bad := start(t)
		switch {
		case step.Reply != nil:
			bad.Then(providertest.Forever(step))
		case f.busy:
			bad.Then(providertest.Hang()) // for the other request
		}
		address = bad.URL
		transports[bad.Listener.Addr().String()] = bad.Client().Transport
	}
	up := map[string]func() *provider.HTTP{"openai": provider.OpenAI, "anthropic": provider.Anthropic, "google-ai-studio": provider.GoogleAIStudio}[home]()
	up.BaseURL = address
	keys := rotate.Secrets("secret-1", "secret-2")
	targets := []string{home + "/m", "spare/m"}
	if !help {
		keys, targets = keys[:1], targets[:1]
	}
	clock := &clock{time.Unix(1700000000, 0)}
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{home: keys, "spare": rotate.Secrets("secret-3")}), rotate.WithClock(clock.time))
	target := "m"
	if mode == "pass-through" {
		target = ""
	}
	if f.before != nil {
		f.before(t, pool, clock, home, target)
	}
	records := make(chan llmproxy.Exchange, 1)
	opts := []llmproxy.Option{
		llmproxy.WithoutAuth(), llmproxy.WithProvider(up, provider.Compatible("spare", good.URL)), llmproxy.WithKeyRotator(pool), llmproxy.WithTimeouts(f.bounds),
		llmproxy.WithAlias("any", targets...),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) {
			if x.ID == "row" {
				records <- *x
			}
		}}),
	}
	opts = append(opts, f.options...)
	if f.virtual() || f.http2 {
		opts = append(opts, llmproxy.WithTransport(transport(func(r *http.Request) (*http.Response, error) { return transports[r.URL.Host].RoundTrip(r) })))
	}
	p, err := llmproxy.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(p)
	var client *http.Client
	if f.virtual() {
		pipe := providertest.NewPipe()
		_ = s.Listener.Close()
		s.Listener = pipe
		s.Start()
		client = s.Client()
		client.Transport.(*http.Transport).DialContext = pipe.DialContext
	} else {
		s.Start()
		client = s.Client()
	}
	defer s.Close()
	leave := func() {}
	if f.busy {
		leave = occupy(t, client, s.URL+"/"+home+"/v1/files")
	}
	path, model := d.path, "any"
	if mode == "pass-through" {
		path, model = d.pass, "m"
	}
	body := fmt.Sprintf(d.body, model, !f.whole)
	if d.format == translate.Gemini {
		method := "streamGenerateContent?alt=sse"
		if f.whole {
			method = "generateContent"
		}
		path, body = fmt.Sprintf(path, model, method), d.body
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if f.leaves {
		time.AfterFunc(time.Second, cancel)
	}
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "row")
	client.Transport.(*http.Transport).DisableCompression = true
	var got seen
	resp, err := client.Do(r)
	if err != nil {
		got.client = "no answer"
	} else {
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		got.client = describe(resp, b, err, d.markers, f.whole)
		if f.reads && resp.StatusCode == http.StatusOK {
			got.client += ", " + read(d.codec, b)
		}
	}
	if f.leaves {
		got.client = "has left; " + got.client
	}
	x := <-records
	leave()
	got.observer = observed(&x)
	states, err := pool.Snapshot(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	got.key = suffered(states[0], clock.now)
	got.target = "nothing"
	switch n := pool.Target(home, target).Streak; {
	case n >= 5:
		got.target = "the breaker is open"
	case n > 0:
		got.target = fmt.Sprintf("%d towards the breaker", n)
	}
	var tries []string
	for _, a := range x.Attempts {
		name := "same target"
		if a.Provider == "spare" {
			name = "next target"
		}
		tries = append(tries, name+" "+a.Class.String())
	}
	switch {
	case len(tries) == 0:
		got.attempts = "none"
	case x.Attempts[0].Provider == "spare":
		got.attempts = "none at the same target: "
	case len(tries) == 1:
		got.attempts = "not retried: "
	default:
		got.attempts = "retried: "
	}
	got.attempts += strings.Join(tries, ", ")
	// Whatever the table says, this must hold.
	if x.Err != nil && strings.Contains(got.client, ", terminal marker") {
		t.Error("a failure looks like a whole answer")
	}
	if n := len(x.Attempts); n > 1 && resp != nil && resp.StatusCode == http.StatusOK && x.Attempts[n-1].Class != rotate.Success {
		t.Errorf("retried after content: %v", got)
	}
	for _, k := range states {
		if k.InFlight != 0 {
			t.Errorf("%d leases of %s are left", k.InFlight, k.ID)
		}
	}
	return got
}

// occupy has another request under way until the function that it returns is
// called.
func occupy(t *testing.T, client *http.Client, url string) func() {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // the function waits for it
		defer close(done)
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if resp, err := client.Do(r); err == nil {
			t.Errorf("the other request was answered with %d", resp.StatusCode)
			_ = resp.Body.Close()
		}
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-done
		synctest.Wait()
	}
}

// The usage that an attempt told before it failed is not that of the answer.
func TestUsageOfFailedAttempt(t *testing.T) {
	down := providertest.NewServer(t, providertest.Forever(providertest.Say(words).With(providertest.EndAfterEvents(2))))
	silent := words
	silent.Usage = false
	up := providertest.NewServer(t, providertest.Say(silent).With(func(r *providertest.Reply) {
		r.Chunks = slices.DeleteFunc(r.Chunks, func(c []byte) bool { return strings.Contains(string(c), `"usage"`) })
	}))
	anthropic := provider.Anthropic()
	anthropic.BaseURL = down.URL
	var x llmproxy.Exchange
	s := proxy(t, llmproxy.WithProvider(anthropic), llmproxy.WithKeys("anthropic", rotate.Secrets("a")...), compatible("up", up.URL, "k"), llmproxy.WithAlias("any", "anthropic/m", "up/m"),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, e *llmproxy.Exchange) { x = *e }}))
	a := do(t, s, http.MethodPost, "/v1/messages", `{"model":"any","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
	s.Close() // the exchange is over
	if a.StatusCode != 200 || len(x.Attempts) != 2 || x.Usage != nil || x.UsageFrom != llmproxy.UsageNone {
		t.Errorf("%d, %d attempts, usage %+v from %s", a.StatusCode, len(x.Attempts), x.Usage, x.UsageFrom)
	}
}
