package browsertest

import (
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

var update = flag.Bool("update", false, "write the screenshots into docs/")

// browser starts Chromium, or skips the test where there is none.
func browser(t *testing.T) context.Context {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on this machine; .ci/run installs it")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1200, 1500), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// clock is the time of day, or some time before it.
type clock struct{ behind atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(-time.Duration(c.behind.Load())) }
func (c *clock) advance(d time.Duration) { c.behind.Add(-int64(d)) }

// serve serves a proxy whose first key is at its limit and one of whose
// providers is down, after an hour with some exchanges.
func serve(t *testing.T) (page string, ask func(model string)) {
	now, n := new(clock), 0
	now.behind.Store(int64(57 * time.Minute))
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodGet:
			io.WriteString(w, `{"object":"list","data":[{"id":"m"}]}`)
		case r.Header.Get("Authorization") == "Bearer sk-first-0123456789ab7f3a" && strings.Contains(string(body), "small"):
			w.Header().Set("Retry-After", "45")
			w.WriteHeader(429)
			io.WriteString(w, `{"error":{"message":"slow down"}}`)
		case strings.Contains(string(body), "tiny"):
			w.WriteHeader(502)
		case strings.Contains(string(body), "broken"):
			w.WriteHeader(400)
			io.WriteString(w, `{"error":{"message":"no"}}`)
		default:
			if strings.Contains(string(body), "large") { // it thinks for a while
				n++
				now.advance(time.Duration(300+n*n*331%1900) * time.Millisecond)
			}
			io.WriteString(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1200,"completion_tokens":34,"total_tokens":1234}}`)
		}
	}))
	t.Cleanup(up.Close)
	prices, err := price.Parse([]byte("lab,small,,0.25,0.025,,2\nlab,large,,2.50,0.25,,15\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", up.URL), provider.Compatible("spare", up.URL), provider.Demo()),
		llmproxy.WithKeys("lab", rotate.Secrets("sk-first-0123456789ab7f3a", "sk-second-0123456789abe21c")...),
		llmproxy.WithKeys("spare", rotate.Key{ID: "team-a", Secret: rotate.NewSecret("sk-third-0123456789ab90d4")}),
		llmproxy.WithAlias("fast", "lab/small", "spare/tiny"), llmproxy.WithDefaultModel("lab/large"),
		llmproxy.WithProxyKeys("secret"), llmproxy.WithPrices(prices), llmproxy.WithClock(now.now), llmproxy.WithPool(rotate.WithClock(now.now)),
	)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	ask = func(model string) {
		req, _ := http.NewRequest("POST", s.URL+"/v1/messages", strings.NewReader(`{"model":"`+model+`","max_tokens":9,"top_k":3,"messages":[{"role":"user","content":"hi"}]}`))
		req.Header.Set("X-Api-Key", "secret")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
	}
	for i := range 18 {
		for range 1 + i*5%4 {
			ask("default")
		}
		if i%5 == 3 {
			ask("lab/broken")
		}
		now.advance(3 * time.Minute)
	}
	for range 4 { // faults at the same time count as one
		ask("spare/tiny")
		now.advance(20 * time.Second)
	}
	now.behind.Store(0)
	ask("spare/tiny")
	for range 3 {
		ask("lab/small")
	}
	ask("lab/broken")
	ask("demo/echo")
	return s.URL + "/status?key=secret", ask
}

// complaints collects what the browser's console says until its function is
// called, which fails the test for each.
func complaints(ctx context.Context, t *testing.T) func() {
	ctx, stop := context.WithCancel(ctx)
	messages := chromedp.Console(ctx)
	var list []string
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			list = append(list, m.String())
		}
	}()
	return func() {
		t.Helper()
		stop()
		<-done
		for _, s := range list {
			t.Errorf("the browser complains: %s", s)
		}
	}
}

func eval[T any](ctx context.Context, t *testing.T, js string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return v
}

// wait waits until a condition holds in the page.
func wait(ctx context.Context, t *testing.T, what, condition string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func open(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitVisible("#main")); err != nil {
		t.Fatal(err)
	}
}

// The page loads, follows what happens without being loaded again, and counts
// cooldowns down, without a complaint of the browser.
func TestLive(t *testing.T) {
	ctx := browser(t)
	url, ask := serve(t)
	check := complaints(ctx, t)
	open(ctx, t, url)
	text := eval[string](ctx, t, "document.body.innerText")
	for _, want := range []string{"lab/small", "rate_limited", "healthy", "3 600", "400", "5 faults in a row, back in 1", "lab/small, spare/tiny"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page:\n%s", want, text)
		}
	}
	if title := eval[string](ctx, t, "document.title"); title != "llmproxy status" {
		t.Errorf("title %q", title)
	}
	eval[int](ctx, t, `window.first = parseInt(document.querySelector("[data-until]").textContent)`)
	wait(ctx, t, "no countdown", `parseInt(document.querySelector("[data-until]").textContent) < window.first - 1`)
	// A request that comes while the page is open, and a detail that stays open.
	eval[bool](ctx, t, `window.kept = (window.opened = document.querySelector("details")).open = true; window.opened = window.opened.id; true`)
	ask("lab/newcomer")
	wait(ctx, t, "the page did not follow", `document.body.textContent.includes("lab/newcomer") && window.kept && document.getElementById(window.opened).open`)
	check()
}

// Without JavaScript the page is whole, too.
func TestWithoutScript(t *testing.T) {
	ctx := browser(t)
	url, _ := serve(t)
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	open(ctx, t, url)
	text, err := chromedp.Run(ctx, chromedp.Text("body"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lab/small", "rate_limited", "Reload for newer figures."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

// audit is what accessibility checkers look at: names, labels, structure, and
// the contrast of every text (WCAG 2.2, 1.4.3: 4.5 to 1).
const audit = `(() => {
  const faults = [];
  const say = (what, e) => faults.push(what + ": " + (e.outerHTML || e.textContent || "").slice(0, 120));
  if (!document.documentElement.lang) faults.push("no language");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  let level = 1;
  for (const h of document.querySelectorAll("h1,h2,h3,h4")) { const l = +h.tagName[1]; if (l > level + 1) say("heading skips a level", h); level = l; }
  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) { if (ids.has(e.id)) say("id twice", e); ids.add(e.id); }
  for (const e of document.querySelectorAll("[aria-labelledby]")) if (!document.getElementById(e.getAttribute("aria-labelledby"))) say("label is missing", e);
  for (const e of document.querySelectorAll("svg")) if (e.getAttribute("role") !== "img" || !e.getAttribute("aria-label")) say("image without a name", e);
  for (const e of document.querySelectorAll("section,[role=region]")) if (!e.getAttribute("aria-labelledby")) say("region without a name", e);
  for (const e of document.querySelectorAll("table")) if (!e.querySelector("thead th")) say("table without heads", e);
  for (const e of document.querySelectorAll("th")) if (!e.getAttribute("scope")) say("th without scope", e);
  for (const e of document.querySelectorAll("summary,a,button")) if (!e.textContent.trim()) say("control without a name", e);
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways: " + document.documentElement.scrollWidth + " in " + innerWidth);
  const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
  const lum = ([r, g, b]) => { const f = [r, g, b].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.checkVisibility() || ["SCRIPT", "STYLE"].includes(e.tagName) || e.namespaceURI.endsWith("svg")) continue;
    const a = lum(rgb(getComputedStyle(e).color)), b = lum(back(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) say("contrast " + ratio.toFixed(2), e);
  }
  return faults;
})()`

func TestAccessible(t *testing.T) {
	ctx := browser(t)
	url, _ := serve(t)
	open(ctx, t, url)
	eval[bool](ctx, t, `document.querySelector("details").open = true`)
	for _, colours := range []string{"light", "dark"} {
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: colours}}}); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{1200, 375} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900)); err != nil {
				t.Fatal(err)
			}
			for _, f := range eval[[]string](ctx, t, audit) {
				t.Errorf("%s, %d wide: %s", colours, width, f)
			}
			if !*update || width != 1200 {
				continue
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 1500)); err != nil {
				t.Fatal(err)
			}
			shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("../../docs/status-"+colours+".png", shot, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The keyboard reaches every part that scrolls or opens, and opens it.
func TestKeyboard(t *testing.T) {
	ctx := browser(t)
	url, _ := serve(t)
	open(ctx, t, url)
	want := eval[int](ctx, t, `window.seen = new Set(); document.addEventListener("focusin", e => window.seen.add(e.target.tagName + e.target.getAttribute("aria-labelledby") + e.target.parentElement.id)); document.querySelectorAll("[tabindex='0'],summary").length`)
	for range want + 2 {
		if err := chromedp.Do(ctx, chromedp.KeyEvent("\t")); err != nil {
			t.Fatal(err)
		}
	}
	got := eval[int](ctx, t, `window.seen.size`)
	eval[bool](ctx, t, `document.querySelector("summary").focus(); true`)
	if err := chromedp.Do(ctx, chromedp.KeyEvent("\r")); err != nil {
		t.Fatal(err)
	}
	if opened := eval[bool](ctx, t, `document.querySelector("details").open`); got < want || want < 4 || !opened {
		t.Errorf("the keyboard reached %d of %d parts; a detail opened: %v", got, want, opened)
	}
}
