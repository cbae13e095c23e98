package llmproxy

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/rotate"
)

//go:embed statuspage.html
var statusHTML string

var statusTemplate = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago":     ago,
	"until":   func(now, t time.Time) string { return short(t.Sub(now)) },
	"short":   short,
	"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"count":   grouped,
	"cents":   cents,
	"bottom":  func(height float64) string { return strconv.FormatFloat(40-height, 'f', 1, 64) },
	"join":    strings.Join,
}).Parse(statusHTML))

// wantsPage reports whether a request is a browser's, which asks for HTML
// before anything else.
func wantsPage(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		switch t, _, _ := mime.ParseMediaType(part); t {
		case "text/html", "application/xhtml+xml":
			return true
		case "application/json":
			return false
		}
	}
	return false
}

// statusPage is what the page shows.
type statusPage struct {
	Nonce string
	Now   time.Time

	Requests, Errors int // in the last hour
	Rate             int // in the last whole minute
	Plots            []plot
	Providers        []statusProvider
	Names            []alias
	Models           []statusModel
	Exchanges        []past
}

type statusProvider struct {
	Name    string
	Formats []string
	Keys    []statusKey
}

// statusModel is a model with how it does at its provider.
type statusModel struct {
	modelTotal
	Faults int       // in a row, for which it is left alone; 0: it is not
	Until  time.Time // … until then
	Wait   string
}

// alias is a name that clients may use for targets.
type alias struct {
	Name    string
	Targets []string
}

// aliasNames returns the aliases, sorted, and what "default" stands for.
func (p *Proxy) aliasNames() (list []alias) {
	for _, name := range slices.Sorted(maps.Keys(p.aliases)) {
		list = append(list, alias{name, p.aliases[name]})
	}
	if p.defaultModel != "" && p.aliases["default"] == nil {
		list = append(list, alias{"default", []string{p.defaultModel}})
	}
	return list
}

type statusKey struct {
	rotate.KeyState
	Healthy bool
	Wait    string // until it can serve again
	Check   string // what came of the last check; empty: there was none
}

// serveStatusPage serves /status to a browser. It asks no provider: the page's
// script asks for the JSON now and then, which does.
func (x *exchange) serveStatusPage() error {
	p := x.p
	page := &statusPage{Nonce: rand.Text(), Now: p.now(), Exchanges: p.history.exchanges(), Names: p.aliasNames()}
	for _, t := range p.history.totals() {
		m := statusModel{modelTotal: t}
		if s, open := p.breaker.open(t.provider, t.model); open {
			m.Faults, m.Until, m.Wait = s.Streak, page.Now.Add(s.Wait), short(s.Wait)
		}
		page.Models = append(page.Models, m)
	}
	page.chart(p.history.hour(page.Now))
	pool, _ := p.rotator.(snapshotter)
	for _, pr := range p.providers {
		s := statusProvider{Name: pr.Name()}
		for _, f := range pr.Formats("") {
			s.Formats = append(s.Formats, string(f))
		}
		if pool != nil {
			states, _ := pool.Snapshot(x.r.Context(), pr.Name())
			for _, k := range states {
				s.Keys = append(s.Keys, p.statusKey(pr.Name(), k, page.Now))
			}
		}
		page.Providers = append(page.Providers, s)
	}
	var b bytes.Buffer
	if err := statusTemplate.Execute(&b, page); err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; img-src data:; style-src 'nonce-"+page.Nonce+"'; script-src 'nonce-"+page.Nonce+"'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address may hold a key
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	x.committed, x.rec.Status = true, http.StatusOK
	n, _ := x.w.Write(b.Bytes())
	x.rec.BytesOut += int64(n)
	return nil
}

func (p *Proxy) statusKey(provider string, k rotate.KeyState, now time.Time) statusKey {
	s := statusKey{KeyState: k, Healthy: k.State == "healthy"}
	if !s.Healthy && k.Until.After(now) {
		s.Wait = short(k.Until.Sub(now))
	}
	p.checks.mu.Lock()
	defer p.checks.mu.Unlock()
	if c, ok := p.checks.last[provider][k.Index]; ok {
		s.Check = "ok"
		if !c.ok {
			s.Check = cmp.Or(c.err, c.class.String())
		}
	}
	return s
}

// plot is a row of bars, one a minute. A bar has one or two parts, the lower
// one drawn over the higher.
type plot struct {
	Title, Label string // Label is what a screen reader says
	Upper, Lower string // what the colours mean
	Bad          bool   // Lower is what nobody wants
	Top          string // the highest value
	Bars         []bar
}

type bar struct {
	X            int
	Upper, Lower float64 // parts of the height of 40
	Title        string
}

// chart draws the last hour.
func (s *statusPage) chart(hour []minute) {
	for _, m := range hour {
		s.Requests += m.requests
		s.Errors += m.errors
	}
	s.Rate = hour[len(hour)-2].requests
	s.Plots = []plot{
		newPlot("Requests a minute", "all", "failed", hour, func(m *minute) (upper, lower float64) {
			return float64(m.requests), float64(m.errors)
		}, func(v float64) string { return strconv.Itoa(int(v)) }),
		newPlot("Duration", "95th percentile", "median", hour, func(m *minute) (upper, lower float64) {
			return m.duration.quantile(.95).Seconds(), m.duration.quantile(.5).Seconds()
		}, seconds),
		newPlot("Time to first byte", "95th percentile", "median", hour, func(m *minute) (upper, lower float64) {
			return m.first.quantile(.95).Seconds(), m.first.quantile(.5).Seconds()
		}, seconds),
	}
	s.Plots[0].Bad = true
}

func newPlot(title, upper, lower string, hour []minute, values func(*minute) (upper, lower float64), show func(float64) string) plot {
	p := plot{Title: title, Upper: upper, Lower: lower}
	top := 0.0
	for i := range hour {
		u, _ := values(&hour[i])
		top = max(top, u)
	}
	for i := range hour {
		if u, l := values(&hour[i]); u > 0 {
			at := time.Unix(hour[i].start*60, 0).UTC().Format("15:04")
			p.Bars = append(p.Bars, bar{i * 4, 40 * u / top, 40 * l / top, fmt.Sprintf("%s UTC: %s %s, %s %s", at, show(u), upper, show(l), lower)})
		}
	}
	p.Top = show(top)
	p.Label = fmt.Sprintf("%s over the last hour, at most %s", title, p.Top)
	return p
}

func seconds(v float64) string { return short(time.Duration(v * float64(time.Second))) }

// short writes a duration with two digits or so.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Millisecond:
		return "<\u00a01\u00a0ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days"
}

// ago writes how long ago something was.
func ago(now, t time.Time) string {
	if d := now.Sub(t); d >= time.Second {
		return short(d) + " ago"
	}
	return "just now"
}

// cents writes an amount to the hundredth of a cent.
func cents(a price.USD) string {
	if a > 0 && a < price.Dollar/20_000 {
		return "< $0.0001"
	}
	return "$" + strconv.FormatFloat(a.Dollars(), 'f', 4, 64)
}

// grouped writes a number with thin spaces between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
