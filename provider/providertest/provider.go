package providertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

var (
	providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	clientHeader = http.Header{"User-Agent": {"providertest"}, "Authorization": {"Bearer client"}, "X-Api-Key": {"client"}, "X-Goog-Api-Key": {"client"}, "Api-Key": {"client"}}
)

// TestProvider checks that p keeps the contract of provider.Provider, without
// any request being sent. The key is one that p can use; its secret must turn
// up in no URL, body or error. The models are some that p serves, in its own
// terms; some serve chat.
func TestProvider(t *testing.T, p provider.Provider, key rotate.Key, models ...string) {
	t.Helper()
	if !providerName.MatchString(p.Name()) {
		t.Errorf("the name %q does not match %s", p.Name(), providerName)
	}
	k := kit{p: p, key: key, secret: key.Secret.Reveal()}
	t.Run("chat", func(t *testing.T) { k.chat(t, models) })
	t.Run("operations", func(t *testing.T) { k.operations(t, models) })
	t.Run("paths", k.paths)
	t.Run("models", k.models)
	t.Run("concurrency", func(t *testing.T) { k.concurrency(t, models) })
}

type kit struct {
	p      provider.Provider
	key    rotate.Key
	secret string
}

func body(model string) []byte {
	return marshal(object{"model": model, "messages": list{}, "temperature": 1})
}

func (k *kit) chat(t *testing.T, models []string) {
	for _, m := range models {
		formats := k.p.Formats(m)
		if len(formats) != len(slices.Compact(slices.Sorted(slices.Values(formats)))) {
			t.Errorf("%s: formats given twice: %v", m, formats)
		}
		for _, f := range formats {
			for _, stream := range []bool{false, true} {
				k.build(t, provider.Call{Op: provider.Chat, Format: f, Model: m, Stream: stream, Body: body(m)}, true)
			}
			k.edits(t, provider.Call{Op: provider.Chat, Format: f, Model: m, Body: body(m)})
		}
		for _, f := range []translate.Format{translate.OpenAI, translate.Responses, translate.Anthropic, translate.Gemini, translate.Cohere, translate.Bedrock, "unheard-of"} {
			if !slices.Contains(formats, f) {
				k.build(t, provider.Call{Op: provider.Chat, Format: f, Model: m, Body: body(m)}, false)
			}
		}
	}
}

func (k *kit) operations(t *testing.T, models []string) {
	supports := func(op provider.Op, f translate.Format, m string) bool {
		s, ok := k.p.(provider.Supporter)
		return ok && s.Supports(op, f, m)
	}
	_, hasSupporter := k.p.(provider.Supporter)
	for _, m := range models {
		for _, f := range k.p.Formats(m) {
			if want := supports(provider.CountTokens, f, m); want || hasSupporter {
				k.build(t, provider.Call{Op: provider.CountTokens, Format: f, Model: m, Body: body(m)}, want)
			}
		}
		if want := supports(provider.Embed, "", m); want || hasSupporter {
			k.build(t, provider.Call{Op: provider.Embed, Model: m, Body: []byte(`{"model":"m","input":"x"}`)}, want)
		}
	}
	if want := supports(provider.Models, "", ""); want || hasSupporter {
		k.build(t, provider.Call{Op: provider.Models}, want)
		if want {
			k.build(t, provider.Call{Op: provider.Models, Path: "next page&x=y"}, true)
		}
	}
	k.build(t, provider.Call{Op: "unheard-of"}, false)
	k.build(t, provider.Call{Op: provider.Forward, Path: "/unheard-of"}, false)
}

// edits checks that a call's edits are made.
func (k *kit) edits(t *testing.T, c provider.Call) {
	t.Helper()
	c.Edits = []provider.Edit{{Name: "temperature"}}
	r, err := k.p.NewRequest(t.Context(), &c, k.key)
	if err != nil {
		t.Errorf("%s %s: with edits: %v", c.Format, c.Model, err)
		return
	}
	sent := string(k.read(t, "edited", r.Body, r.ContentLength))
	if strings.Contains(sent, "temperature") {
		t.Errorf("%s %s: the edits of the body are not made: %s", c.Format, c.Model, sent)
	}
}

// build builds a request and looks at it.
func (k *kit) build(t *testing.T, c provider.Call, want bool) {
	t.Helper()
	type mark struct{}
	ctx := context.WithValue(t.Context(), mark{}, true)
	before, header := bytes.Clone(c.Body), clientHeader.Clone()
	c.Header = maps.Clone(header) // the map is the provider's, its values are not
	var losses translate.Losses
	c.Losses = &losses
	r, err := k.p.NewRequest(ctx, &c, k.key)
	what := string(c.Op) + " " + string(c.Format) + " " + c.Model + c.Path
	if err != nil {
		var e *translate.Error
		if want {
			t.Errorf("%s: %v", what, err)
		} else if !errors.As(err, &e) {
			t.Errorf("%s: the error is no *translate.Error: %v", what, err)
		}
		k.leaks(t, what, err.Error())
		return
	}
	if !want {
		t.Errorf("%s: should not be served, but asks %s", what, r.URL)
		return
	}
	if r.Method == "" || r.URL.Scheme == "" || r.URL.Host == "" {
		t.Errorf("%s: incomplete request %s %s", what, r.Method, r.URL)
	}
	if r.Context().Value(mark{}) == nil {
		t.Errorf("%s: the request does not have the caller's context", what)
	}
	if !bytes.Equal(c.Body, before) {
		t.Errorf("%s: the call's body was changed in place", what)
	}
	for name, v := range clientHeader {
		if !slices.Equal(header[name], v) {
			t.Errorf("%s: a value of the call's header %s was changed in place", what, name)
		}
	}
	k.leaks(t, what+": the URL", r.URL.String())
	first := k.read(t, what, r.Body, r.ContentLength)
	k.leaks(t, what+": the body", string(first))
	if r.Body != nil && r.GetBody != nil {
		again, err := r.GetBody()
		if err != nil || !bytes.Equal(k.read(t, what, again, r.ContentLength), first) {
			t.Errorf("%s: the body cannot be read again: %v", what, err)
		}
	} else if len(c.Body) > 0 && c.BodyReader == nil {
		t.Errorf("%s: the body cannot be read again", what)
	}
	for _, l := range losses {
		if l.Path == "" || l.Reason == "" {
			t.Errorf("%s: an empty loss %+v", what, l)
		}
	}
}

func (k *kit) leaks(t *testing.T, what, s string) {
	t.Helper()
	if k.secret != "" && (strings.Contains(s, k.secret) || strings.Contains(s, url.QueryEscape(k.secret))) {
		t.Errorf("%s holds the key's secret", what)
	}
}

func (k *kit) read(t *testing.T, what string, r io.ReadCloser, length int64) []byte {
	t.Helper()
	if r == nil {
		return nil
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || length >= 0 && int64(len(b)) != length {
		t.Errorf("%s: a body of %d bytes with the length %d: %v", what, len(b), length, err)
	}
	return b
}

// tricks are paths with which clients try to leave the provider's base.
var tricks = []string{
	"/..", "/../x", "/a/../../../x", "/%2e%2e/x", "/.%2e/x", "/%2E./x", "/..%2fx", "/..%2Fx", "/a%2f..%2f..%2fx", `/..\x`, "/..%5cx", "/%252e%252e/x",
	"/..;/x", "/..;a=b/x", "//host.example/x", "@host.example/x", ".host.example/x", ":8080/x", `/\host.example/x`, "https://host.example/x", "/x?y#z", "/x#y", "/ x", "/\x00", "/%zz", "",
}

// paths checks that no pass-through request leaves the provider's address.
func (k *kit) paths(t *testing.T) {
	plain := provider.Call{Op: provider.Pass, Method: http.MethodGet, Path: "/x/y"}
	home, err := k.p.NewRequest(t.Context(), &plain, k.key)
	if err != nil {
		t.Skip("the provider has no pass-through")
	}
	base, ok := strings.CutSuffix(home.URL.EscapedPath(), "/x/y")
	if !ok {
		t.Fatalf("/x/y is asked as %s", home.URL)
	}
	for _, path := range tricks {
		c := plain
		c.Path = path
		r, err := k.p.NewRequest(t.Context(), &c, k.key)
		if err != nil {
			k.leaks(t, path, err.Error())
			continue
		}
		if r.URL.Host != home.URL.Host || r.URL.Scheme != home.URL.Scheme || r.URL.User != nil || r.URL.RawQuery != "" || r.URL.Fragment != "" {
			t.Errorf("%q is asked as %s", path, r.URL)
		}
		decoded := r.URL.EscapedPath()
		for range 3 {
			if clean := cleanPath(decoded); clean != base && !strings.HasPrefix(clean, base+"/") {
				t.Errorf("%q is asked as %s, which is %s", path, r.URL, clean)
			}
			if decoded, err = url.PathUnescape(decoded); err != nil {
				break
			}
		}
	}
	c := plain
	c.Path, c.Query = "/a%2Fb/c%20d", "q=%20&k"
	if r, err := k.p.NewRequest(t.Context(), &c, k.key); err != nil || !strings.HasSuffix(r.URL.EscapedPath(), "/a%2Fb/c%20d") || r.URL.RawQuery != "q=%20&k" {
		t.Errorf("an escaped path did not pass as it is: %v, %v", r, err)
	}
	body := strings.NewReader("streamed")
	c = provider.Call{Op: provider.Pass, Method: http.MethodPost, Path: "/x", BodyReader: body, ContentLength: 8, Header: http.Header{}}
	if r, err := k.p.NewRequest(t.Context(), &c, k.key); err == nil && (r.ContentLength != 8 || body.Len() != 8) {
		t.Errorf("a streamed body was read, or its length lost: %d", r.ContentLength)
	}
}

// cleanPath resolves a path's dots as a lenient server does.
func cleanPath(p string) string {
	var out []string
	for seg := range strings.SplitSeq(strings.ReplaceAll(p, `\`, "/"), "/") {
		switch seg, _, _ := strings.Cut(seg, ";"); seg {
		case ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, seg)
		}
	}
	return strings.Join(out, "/")
}

func (k *kit) models(t *testing.T) {
	l, ok := k.p.(provider.Lister)
	if !ok {
		t.Skip("the provider has no list of models")
	}
	for _, m := range l.StaticModels() {
		if m.ID == "" || strings.HasPrefix(m.ID, k.p.Name()+"/") && !strings.HasPrefix(m.ID, k.p.Name()+"/"+k.p.Name()) && len(k.p.Formats(m.ID)) == 0 {
			t.Errorf("a model called %q", m.ID)
		}
	}
	if s, ok := k.p.(provider.Supporter); ok && !s.Supports(provider.Models, "", "") {
		return
	}
	for _, bad := range []string{"", "{", "<html></html>", `{"data":[{"id":`} {
		if list, _, err := l.ParseModels([]byte(bad)); err == nil {
			t.Errorf("%q was read as %v", bad, list)
		}
	}
	r, err := k.p.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, k.key)
	if err != nil {
		t.Fatal(err)
	}
	q := &Request{Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header}
	list, next, err := l.ParseModels(ModelList("model-a", "model-b").Reply(q).Chunks[0])
	if err != nil || len(list) != 2 || next != "" || !strings.HasSuffix(list[0].ID, "model-a") {
		t.Errorf("a list of two models was read as %v, %q, %v", list, next, err)
	}
}

// concurrency gives the race detector something to look at, and checks that
// the same call gives the same request.
func (k *kit) concurrency(t *testing.T, models []string) {
	for _, m := range models {
		for _, f := range k.p.Formats(m) {
			call := provider.Call{Op: provider.Chat, Format: f, Model: m, Body: body(m)}
			var wg sync.WaitGroup
			urls, bodies := make([]string, 4), make([]string, 4)
			for i := range urls {
				wg.Go(func() { // waited for below
					c := call
					c.Header = maps.Clone(clientHeader)
					r, err := k.p.NewRequest(t.Context(), &c, k.key)
					if err != nil {
						t.Error(err)
						return
					}
					b, _ := io.ReadAll(r.Body)
					urls[i], bodies[i] = r.URL.String(), string(b)
				})
			}
			wg.Wait()
			if len(slices.Compact(urls)) != 1 || len(slices.Compact(bodies)) != 1 {
				t.Errorf("%s: the same call gives different requests", m)
			}
		}
	}
}
