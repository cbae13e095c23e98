package llmproxy_test

import (
	"context"
	"encoding/json"
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
)

var modes = []string{"translated", "same format", "pass-through"}

// dialects are the formats of clients: which of the two providers speaks them,
// which must be translated for, and what ends a stream.
var dialects = []struct {
	format           translate.Format
	name, own, other string
	path, pass, body string
	marker           string
}{
	{translate.OpenAI, "Chat", "openai", "anthropic", "/v1/chat/completions", "/openai/chat/completions", `{"model":%q,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, "[DONE]"},
	{translate.Responses, "Responses", "openai", "anthropic", "/v1/responses", "/openai/responses", `{"model":%q,"stream":%t,"input":"hi"}`, `"type":"response.completed"`},
	{translate.Anthropic, "Anthropic", "anthropic", "openai", "/v1/messages", "/anthropic/v1/messages", `{"model":%q,"stream":%t,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, `"message_stop"`},
	{translate.Gemini, "Gemini", "google-ai-studio", "openai", "/v1beta/models/%s:%s", "/google-ai-studio/v1beta/models/%s:%s", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, `"finishReason"`},
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
	transports := map[string]http.RoundTripper{strings.TrimPrefix(good.URL, "http://"): good.Client().Transport}
	var address string
	if f.address != nil {
		address = f.address(t)
	} else {
		bad := start(t, providertest.Forever(step))
		address = bad.URL
		transports[strings.TrimPrefix(bad.URL, "http://")] = bad.Client().Transport
	}
	up := map[string]func() *provider.HTTP{"openai": provider.OpenAI, "anthropic": provider.Anthropic, "google-ai-studio": provider.GoogleAIStudio}[home]()
	up.BaseURL = address
	keys := rotate.Secrets("secret-1", "secret-2")
	targets := []string{home + "/m", "spare/m"}
	if !help {
		keys, targets = keys[:1], targets[:1]
	}
	now := time.Unix(1700000000, 0)
	clock := func() time.Time { return now }
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{home: keys, "spare": rotate.Secrets("secret-3")}), rotate.WithClock(clock))
	records := make(chan llmproxy.Exchange, 1)
	opts := []llmproxy.Option{
		llmproxy.WithoutAuth(), llmproxy.WithProvider(up, provider.Compatible("spare", good.URL)), llmproxy.WithKeyRotator(pool), llmproxy.WithTimeouts(f.bounds),
		llmproxy.WithAlias("any", targets...),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { records <- *x }}),
	}
	if f.virtual() {
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
	client.Transport.(*http.Transport).DisableCompression = true
	var got seen
	resp, err := client.Do(r)
	if err != nil {
		got.client = "no answer"
	} else {
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		got.client = describe(resp, b, err, d.marker, f.whole)
	}
	if f.leaves {
		got.client = "has left; " + got.client
	}
	x := <-records
	got.observer = observed(&x)
	model = "m"
	if mode == "pass-through" {
		model = ""
	}
	states, err := pool.Snapshot(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	got.key = suffered(states[0], now)
	target := pool.Target(home, model)
	got.target = "nothing"
	if target.Streak > 0 {
		got.target = fmt.Sprintf("%d towards the breaker", target.Streak)
	}
	var tries []string
	for _, a := range x.Attempts {
		name := "same target"
		if a.Provider == "spare" {
			name = "next target"
		}
		tries = append(tries, name+" "+a.Class.String())
	}
	got.attempts = "not retried: "
	if len(tries) > 1 {
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

// describe tells what a client sees of an answer.
func describe(resp *http.Response, body []byte, err error, marker string, whole bool) string {
	s := fmt.Sprint(resp.StatusCode)
	if e := errorWords(body); e != "" {
		s += ", error " + e
	}
	if v := resp.Header.Get("Retry-After"); v != "" {
		s += ", Retry-After " + v
	}
	if resp.StatusCode >= 300 {
		return s
	}
	switch {
	case resp.Header.Get("Content-Encoding") != "":
		s += ", content encoded"
	case strings.Contains(string(body), "<html>"):
		s += ", the provider's HTML"
	case whole && json.Valid(body):
		s += ", a whole JSON body"
	case !whole && strings.Contains(string(body), marker):
		s += ", terminal marker"
	case !whole:
		s += ", no terminal marker"
	}
	if err != nil {
		s += ", connection broken"
	}
	return s
}

// errorWords returns the type and the code of the error in a body or a stream.
func errorWords(body []byte) string {
	frames := []string{string(body)}
	for line := range strings.Lines(string(body)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			frames = append(frames, data)
		}
	}
	type inner struct {
		Type, Status string
		Code         any
	}
	for _, f := range frames {
		var e struct {
			Type     string
			Code     any
			Error    *inner
			Response struct{ Error *inner }
		}
		if json.Unmarshal([]byte(f), &e) != nil {
			continue
		}
		if e.Error == nil {
			e.Error = e.Response.Error
		}
		if e.Error == nil && e.Type == "error" {
			e.Error = &inner{Type: "event", Code: e.Code}
		}
		if e.Error != nil {
			words := []string{}
			for _, w := range []any{e.Error.Type, e.Error.Status, e.Error.Code} {
				if w != nil && w != "" {
					words = append(words, fmt.Sprint("`", w, "`"))
				}
			}
			return strings.Join(words, " ")
		}
	}
	return ""
}

// observed tells what an observer is told of an exchange.
func observed(x *llmproxy.Exchange) string {
	s := "ok"
	if x.Err != nil {
		s = "failed"
	}
	s += fmt.Sprintf(", status %d", x.Status)
	for _, a := range x.Attempts {
		s += fmt.Sprintf(", attempt %s (%d)", a.Class, a.Status)
	}
	s += ", usage " + string(x.UsageFrom)
	if x.Aborted {
		s += ", aborted"
	}
	return s
}

// suffered tells what a key's state has become.
func suffered(k rotate.KeyState, now time.Time) string {
	state, until := k.State, k.Until
	if len(k.Models) > 0 {
		state, until = k.Models[0].State+", this model", k.Models[0].Until
	}
	if state == "healthy" {
		return "nothing"
	}
	if until.Sub(now) == 7*time.Second {
		return "cooled as hinted: " + state
	}
	return "cooled: " + state
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
