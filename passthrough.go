package llmproxy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// servePass serves /{provider}/…: any method, body and answer pass as they
// are, both ways as they come.
func (x *exchange) servePass() error {
	t := target{provider: x.rt.provider}
	x.rec.Provider = t.provider.Name()
	if isUpgrade(x.r.Header) {
		return x.serveUpgrade(&t)
	}
	return x.passTo([]target{t}, func(a *attempt) *provider.Call {
		return &provider.Call{Op: provider.Pass, Method: x.r.Method, Path: x.rt.path, Query: withoutKey(x.r.URL.RawQuery), Header: headersUp(x.r.Header, true, false)}
	})
}

// passTo sends the request's body as it is, and answers with what comes back.
func (x *exchange) passTo(targets []target, call func(*attempt) *provider.Call) error {
	body := &passBody{r: x.r.Body}
	if n := x.r.ContentLength; n > 0 && n <= x.p.Limits.Replay {
		// Small enough to be sent again with another key.
		pooled := x.bodies.get(int(n) + 1)
		var err error
		if pooled.b, err = readAll(pooled.b, x.r.Body); err != nil {
			return &translate.Error{Kind: translate.InvalidRequest, Message: "the request body could not be read", Err: err}
		}
		x.body = pooled.b
		x.rec.BytesIn = n
	} else if n != 0 {
		// An answer may begin before the body was read to its end.
		_ = http.NewResponseController(x.w).EnableFullDuplex()
		defer func() { x.rec.BytesIn = body.n }()
	}
	return x.run(targets, &job{op: provider.Pass, raw: true, answer: (*attempt).relayRaw, single: func() bool { return body.touched },
		call: func(a *attempt) (*provider.Call, error) {
			c := call(a)
			if c.Body == nil && x.body != nil {
				c.Body = x.body
			} else if c.Body == nil && x.r.ContentLength != 0 {
				c.BodyReader, c.ContentLength = body, x.r.ContentLength
			}
			return c, nil
		}})
}

// passBody is a request's body that is sent while it is read. Once touched it
// cannot be sent again.
type passBody struct {
	r       io.Reader
	n       int64
	touched bool
}

func (b *passBody) Read(p []byte) (int, error) {
	b.touched = true
	n, err := b.r.Read(p)
	b.n += int64(n)
	return n, err
}

// relayRaw answers with what came, unread.
func (a *attempt) relayRaw(resp *http.Response) error {
	a.writeHeader(resp, "", true)
	if resp.ContentLength >= 0 {
		a.set(a.w.Header(), "Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	for name := range resp.Trailer {
		a.w.Header().Add("Trailer", name)
	}
	a.w.WriteHeader(resp.StatusCode)
	n, err := a.copyFlushing(resp.Body)
	a.rec.BytesOut += n
	if err != nil && !errors.Is(err, errClientGone) {
		return &abortError{err}
	}
	for name, v := range resp.Trailer {
		maskValues(v, a.key.Secret)
		a.w.Header()[name] = v
	}
	return err
}

// isUpgrade reports whether the client asks for a WebSocket. Every other
// upgrade is as good as not asked for, as RFC 9110, section 7.8 allows: through
// h2c a client could send requests that nobody looks at.
func isUpgrade(h http.Header) bool {
	for _, v := range h["Connection"] {
		for n := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(n), "upgrade") {
				return len(h["Upgrade"]) == 1 && strings.EqualFold(h["Upgrade"][0], "websocket")
			}
		}
	}
	return false
}

// serveUpgrade passes a WebSocket. The standard library knows how to join two
// connections.
func (x *exchange) serveUpgrade(t *target) error {
	if err := x.admit(provider.Pass, t); err != nil {
		return err
	}
	key, done, err := x.p.acquire(x.r.Context(), t, x.scope(nil))
	if err != nil {
		return err
	}
	outcome := rotate.Outcome{Class: rotate.Canceled}
	defer func() { done(outcome) }()
	x.rec.Key = key.ID
	header := headersUp(x.r.Header, true, false)
	stripProtocolKey(header)
	up, err := t.provider.NewRequest(x.r.Context(), &provider.Call{Op: provider.Pass, Method: x.r.Method, Path: x.rt.path, Query: withoutKey(x.r.URL.RawQuery), Header: header}, key)
	if err != nil {
		return err
	}
	var failed error
	proxy := httputil.ReverseProxy{
		Transport: x.p.transports[t.provider.Name()],
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL = up.URL
			pr.Out.Host = up.Host
			pr.Out.Header = up.Header
			pr.Out.Header.Set("Connection", "Upgrade")
			pr.Out.Header.Set("Upgrade", x.r.Header.Get("Upgrade"))
		},
		ModifyResponse: func(resp *http.Response) error {
			x.rec.Status, x.committed = resp.StatusCode, true
			outcome = x.p.classify(t.provider.Name(), resp.StatusCode, resp.Header, nil, nil)
			if resp.StatusCode == http.StatusSwitchingProtocols {
				outcome = rotate.Outcome{Class: rotate.Success, Status: resp.StatusCode}
			}
			resp.Header.Del("Set-Cookie")
			resp.Header.Del("X-Request-Id")
			maskHeader(resp.Header, key.Secret)
			if resp.StatusCode != http.StatusSwitchingProtocols { // whose body is the connection
				resp.Body = readCloser{withoutSecret(resp.Body, key.Secret), resp.Body}
			}
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			failed = err
			if x.r.Context().Err() == nil {
				outcome = x.p.classify(t.provider.Name(), 0, nil, nil, err)
			}
		},
	}
	proxy.ServeHTTP(x.w, x.r)
	if failed != nil && !x.committed {
		return &translate.Error{Kind: translate.Upstream, Message: "the provider could not be reached", Err: failed}
	}
	x.committed = true
	return nil
}

// stripProtocolKey takes the client's credential out of the WebSocket
// protocols that it offers.
func stripProtocolKey(h http.Header) {
	const name = "Sec-Websocket-Protocol"
	if h[name] == nil {
		return
	}
	var keep []string
	for _, v := range h[name] {
		for p := range strings.SplitSeq(v, ",") {
			if p = strings.TrimSpace(p); p != "" && !strings.HasPrefix(p, wsKeyProtocol) {
				keep = append(keep, p)
			}
		}
	}
	if keep == nil {
		delete(h, name)
		return
	}
	h[name] = []string{strings.Join(keep, ", ")}
}
