package provider

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// NewRequest builds the request for c.
func (p *HTTP) NewRequest(ctx context.Context, c *Call, k rotate.Key) (*http.Request, error) {
	switch c.Op {
	case Chat:
		return p.endpointRequest(ctx, c, k, p.planOf(c.Model).way(c.Format))
	case CountTokens:
		if e := find(p.Counters, c.Format, c.Model); e != nil {
			return p.endpointRequest(ctx, c, k, p.way(e, c.Model))
		}
	case Embed:
		if e := p.embedding(c.Model); e != nil {
			return p.endpointRequest(ctx, c, k, p.way(e, c.Model))
		}
	case Models:
		return p.listRequest(ctx, c, k)
	case Forward:
		path, ok := forward(p.Forwards, c.Path)
		if !ok {
			return nil, p.unsupported(c)
		}
		return p.pathRequest(ctx, c, k, cmp.Or(c.Method, http.MethodPost), path)
	case Pass:
		return p.pathRequest(ctx, c, k, cmp.Or(c.Method, http.MethodGet), c.Path)
	}
	return nil, p.unsupported(c)
}

// forward returns the path that an OpenAI route has at the provider.
func forward(routes map[string]string, path string) (string, bool) {
	for route, to := range routes {
		if path == route || strings.HasSuffix(route, "/") && strings.HasPrefix(path, route) {
			return cmp.Or(to, route) + path[len(route):], true
		}
	}
	return "", false
}

func (p *HTTP) unsupported(c *Call) error {
	what := string(c.Op)
	if c.Op == Forward {
		what = c.Path
	}
	if c.Format != "" {
		what += " in the " + string(c.Format) + " format"
	}
	return translate.Errorf(translate.Unsupported, "%s does not serve %s", p.ID, what)
}

// endpointRequest builds a call of one endpoint; w is nil where there is none.
func (p *HTTP) endpointRequest(ctx context.Context, c *Call, k rotate.Key, w *way) (*http.Request, error) {
	if w == nil {
		return nil, p.unsupported(c)
	}
	if err := w.errs[index(c.Stream)]; err != nil {
		return nil, err
	}
	var few [8][]byte
	body, err := edited(few[:0], c, w.model, w.rules[index(c.Translated)])
	if err != nil {
		return nil, err
	}
	if w.Envelope != nil {
		body = pieces{w.Envelope(body.join())}
	}
	auth := w.Auth
	if auth == nil {
		auth = p.Auth
	}
	address := *w.urls[index(c.Stream)]
	r := (&http.Request{Method: http.MethodPost, URL: &address, Host: address.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(p.context(ctx, c))
	return p.request(r, c, k, body, auth, w.Header)
}

// expand puts the model into a path.
func expand(path, model string) (string, error) {
	if !strings.Contains(path, "{model") {
		return path, nil
	}
	if model == "" || climbs(url.PathEscape(model)) {
		return "", translate.Errorf(translate.InvalidRequest, "the model's name cannot stand in a path")
	}
	path = strings.ReplaceAll(path, "{model}", EscapeSegment(model))
	return strings.ReplaceAll(path, "{model...}", strings.ReplaceAll(EscapeSegment(model), "%2F", "/")), nil
}

func (p *HTTP) listRequest(ctx context.Context, c *Call, k rotate.Key) (*http.Request, error) {
	if p.ListPath == "" {
		return nil, p.unsupported(c)
	}
	base := p.BaseURL
	if p.ListBase != "" && base == p.home {
		base = p.ListBase
	}
	u := join(base, p.ListPath)
	if c.Path != "" && p.PageParam != "" {
		sep := "?"
		if strings.Contains(u, "?") {
			sep = "&"
		}
		u += sep + p.PageParam + "=" + url.QueryEscape(c.Path)
	}
	auth := p.ListAuth
	if auth == nil {
		auth = p.Auth
	}
	r, err := p.newRequest(ctx, c, http.MethodGet, u)
	if err != nil {
		return nil, err
	}
	return p.request(r, c, k, pieces{c.Body}, auth, p.ListHeader)
}

// pathRequest builds a request for a path that comes from the client.
func (p *HTTP) pathRequest(ctx context.Context, c *Call, k rotate.Key, method, path string) (*http.Request, error) {
	target, err := JoinPath(p.BaseURL, path)
	if err != nil {
		return nil, err
	}
	if c.Query != "" {
		target += "?" + c.Query
	}
	auth := p.Auth
	if p.PassAuth != nil {
		if a := p.PassAuth(path); a != nil {
			auth = a
		}
	}
	var few [8][]byte
	body, err := edited(few[:0], c, c.Model, nil)
	if err != nil {
		return nil, err
	}
	r, err := p.newRequest(ctx, c, method, target)
	if err != nil {
		return nil, err
	}
	return p.request(r, c, k, body, auth, nil)
}

// jsonType is a header's value, which nobody changes in place.
var jsonType = []string{"application/json"}

// context tells the provider's Wrap what the request is for.
func (p *HTTP) context(ctx context.Context, c *Call) context.Context {
	if p.Wrap == nil {
		return ctx
	}
	return context.WithValue(ctx, wrappedKey{}, wrapped{c.Op, c.Stream})
}

// newRequest returns a request that is still bare.
func (p *HTTP) newRequest(ctx context.Context, c *Call, method, target string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(p.context(ctx, c), method, target, nil)
	if err != nil {
		return nil, p.noAddress()
	}
	return r, nil
}

// noAddress does not quote the URL, which is the client's in part.
func (p *HTTP) noAddress() error {
	return translate.Errorf(translate.InvalidRequest, "the address for %s cannot be built from this request", p.ID)
}

// request puts the parts together. The client's headers come first, so that
// nothing it sends replaces what the provider needs.
func (p *HTTP) request(r *http.Request, c *Call, k rotate.Key, body pieces, auth Auth, extra http.Header) (*http.Request, error) {
	switch {
	case c.Body != nil:
		r.ContentLength, r.GetBody = body.len(), body.getBody()
		r.Body, _ = r.GetBody()
	case c.BodyReader != nil && c.ContentLength != 0:
		r.Body = io.NopCloser(c.BodyReader)
		r.ContentLength = c.ContentLength
	}
	if r.Header = c.Header; r.Header == nil {
		r.Header = http.Header{}
	}
	if c.ContentType != "" {
		r.Header["Content-Type"] = []string{c.ContentType}
	} else if c.Body != nil && c.Op != Pass && r.Header["Content-Type"] == nil {
		r.Header["Content-Type"] = jsonType
	}
	for _, h := range [2]http.Header{extra, p.Header} {
		for name, values := range h {
			if r.Header[name] == nil {
				r.Header[name] = values
			}
		}
	}
	if auth == nil {
		auth = Bearer
	}
	if err := auth(r.Context(), r, k); err != nil {
		return nil, err
	}
	return r, nil
}

// wrapped tells a Wrap what a request is for.
type wrapped struct {
	op     Op
	stream bool
}

type wrappedKey struct{}

func callOf(ctx context.Context) (wrapped, bool) {
	c, ok := ctx.Value(wrappedKey{}).(wrapped)
	return c, ok
}
