package llmproxy

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// headerClass says how far a header goes. A header of no class passes where
// the provider is spoken to in the client's format.
type headerClass uint8

const (
	// owned: it stops here on the way up. Credentials, the proxy's own, and
	// what tells of the host's network.
	owned headerClass = 1 << iota
	// built: it is about a body that the proxy reads or writes itself, or a
	// browser's, and goes up only where nothing is read.
	built
	// shared: it goes up in whatever format the provider is spoken to.
	shared
)

var headerClasses = func() map[string]headerClass {
	classes := map[string]headerClass{}
	for class, names := range map[headerClass]string{
		owned: "Authorization X-Api-Key X-Goog-Api-Key Api-Key Cf-Aig-Authorization Cookie Llmproxy-Strict Content-Length Host " +
			"Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Real-Ip Via " +
			"Cf-Connecting-Ip Cf-Ray Cf-Ipcountry Cf-Visitor True-Client-Ip",
		built:  "Accept-Encoding Expect Content-Encoding Content-Type Accept Origin Referer",
		shared: "User-Agent Traceparent Tracestate X-Request-Id Accept-Language",
	} {
		for name := range strings.FieldsSeq(names) {
			classes[name] |= class
		}
	}
	return classes
}()

// first is h.Get of a name that is canonical already, which Get would look at
// byte by byte.
func first(h http.Header, canonical string) string {
	if v := h[canonical]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// isHop reports whether RFC 9110, section 7.6.1 keeps a header to one connection,
// or this proxy writes it itself.
func isHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// connectionNames returns the headers that the Connection header names.
func connectionNames(h http.Header) map[string]bool {
	var names map[string]bool
	for _, v := range h["Connection"] {
		for n := range strings.SplitSeq(v, ",") {
			if n = textproto.TrimString(n); n != "" {
				if names == nil {
					names = map[string]bool{}
				}
				names[http.CanonicalHeaderKey(n)] = true
			}
		}
	}
	return names
}

// headersUp returns the client's headers that go to the provider. Values are
// shared with h. Nothing is allocated for what stays behind.
func headersUp(h http.Header, pass, translated bool) http.Header {
	named := connectionNames(h)
	more := 0 // than the eight that a small map has room for
	if len(h) > 8 {
		more = len(h) + 4
	}
	out := make(http.Header, more)
	for name, v := range h {
		class := headerClasses[name]
		switch {
		case class&owned != 0 || isHop(name) || named[name]:
		case !pass && (class&built != 0 || strings.HasPrefix(name, "Sec-")), strings.HasPrefix(name, "Llmproxy-"):
		case translated && class&shared == 0 && !strings.HasPrefix(name, "Cf-Aig-"):
		default:
			out[name] = v
		}
	}
	return out
}

// copyHeader adds a provider's headers to the answer's, without those that
// concern one connection or the provider's domain, and without the key's secret.
func copyHeader(dst, src http.Header, secret rotate.Secret) {
	named := connectionNames(src)
	cors := dst["Access-Control-Allow-Origin"] != nil // the proxy answers for its own origin
	for name, v := range src {
		if isHop(name) || named != nil && named[name] || cors && strings.HasPrefix(name, "Access-Control-") {
			continue
		}
		switch name {
		case "Set-Cookie", "Content-Length", "Alt-Svc", "Strict-Transport-Security":
			continue
		case "X-Request-Id":
			// The proxy's own ID stays; the provider's is told beside it.
			name = "Llmproxy-Upstream-Request-Id"
		}
		maskValues(v, secret)
		dst[name] = v
	}
}

// translatedDown are what of a provider's headers reaches a client of another
// format: hints on limits, and IDs to ask the provider's support about.
func translatedDown(name string) bool {
	switch name {
	case "Retry-After", "Retry-After-Ms", "Openai-Processing-Ms", "Request-Id", "X-Generation-Id", "X-Amzn-Requestid", "Apim-Request-Id":
		return true
	}
	return strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Anthropic-Ratelimit-") || strings.HasPrefix(name, "Cf-Aig-")
}

// maxLossHeaders bounds how many losses stand in the header; the observer
// hears of all.
const maxLossHeaders = 20

// writeHeader commits the exchange to this attempt.
func (a *attempt) writeHeader(resp *http.Response, contentType string, raw bool) {
	h := a.w.Header()
	if raw {
		copyHeader(h, resp.Header, a.key.Secret)
	} else {
		for name, v := range resp.Header {
			if name == "X-Request-Id" {
				name = "Llmproxy-Upstream-Request-Id"
			} else if !translatedDown(name) {
				continue
			}
			maskValues(v, a.key.Secret)
			h[name] = v
		}
	}
	a.setAdmitted(h)
	if contentType != "" {
		a.set(h, "Content-Type", contentType)
		delete(h, "Content-Encoding")
	}
	a.set(h, "Llmproxy-Provider", a.target.provider.Name())
	if a.target.model != "" && isToken(a.target.model) {
		a.set(h, "Llmproxy-Model", a.target.model)
	}
	if n := len(a.rec.Attempts) + 1; n > 1 {
		h.Set("Llmproxy-Attempts", strconv.Itoa(n))
	}
	for i, l := range a.losses {
		if i == maxLossHeaders {
			h.Add("Llmproxy-Loss", "… and "+strconv.Itoa(len(a.losses)-i)+" more")
			break
		}
		h["Llmproxy-Loss"] = append(h["Llmproxy-Loss"], headerText(l))
	}
	a.rec.Losses = a.losses
	a.rec.Status = resp.StatusCode
	a.committed = true
}

// headerText writes a loss as a header's value, which must be plain and short:
// paths hold words of the client's.
func headerText(l translate.Loss) string {
	s := l.String()
	if len(s) > 200 {
		s = s[:200]
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r > '~' {
					return '?'
				}
				return r
			}, s)
		}
	}
	return s
}
