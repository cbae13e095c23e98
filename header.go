package llmproxy

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// hopByHop are the headers that RFC 9110, section 7.6.1 keeps to one
// connection, and those that this proxy writes itself.
var hopByHop = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// proxyOwned are headers that stop here on the way up: credentials, the
// proxy's own, and what tells of the host's network.
var proxyOwned = map[string]bool{
	"Authorization": true, "X-Api-Key": true, "X-Goog-Api-Key": true, "Api-Key": true, "Cf-Aig-Authorization": true, "Cookie": true,
	"Llmproxy-Strict": true, "Content-Length": true, "Host": true,
	"Forwarded": true, "X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true, "X-Forwarded-Port": true, "X-Real-Ip": true, "Via": true,
	"Cf-Connecting-Ip": true, "Cf-Ray": true, "Cf-Ipcountry": true, "Cf-Visitor": true, "True-Client-Ip": true,
}

// parsed are headers about a body's encoding, which change where the proxy
// reads or writes the body itself.
var parsed = map[string]bool{"Accept-Encoding": true, "Expect": true, "Content-Encoding": true}

// translatedUp are what goes up where the provider is spoken to in another
// format than the client's.
var translatedUp = map[string]bool{"User-Agent": true, "Traceparent": true, "Tracestate": true, "X-Request-Id": true, "Accept-Language": true}

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
	out := make(http.Header, len(h)+4)
	for name, v := range h {
		switch {
		case hopByHop[name] || proxyOwned[name] || named[name]:
		case !pass && parsed[name]:
		case !pass && (name == "Content-Type" || name == "Accept"):
		case !pass && strings.HasPrefix(name, "Sec-"), strings.HasPrefix(name, "Llmproxy-"):
		case !pass && (name == "Origin" || name == "Referer"):
		case translated && !translatedUp[name] && !strings.HasPrefix(name, "Cf-Aig-"):
		default:
			out[name] = v
		}
	}
	return out
}

// copyHeader adds a provider's headers to the answer's, without those that
// concern one connection or set cookies for the provider's domain.
func copyHeader(dst, src http.Header) {
	named := connectionNames(src)
	for name, v := range src {
		if hopByHop[name] || named[name] || name == "Set-Cookie" || name == "Content-Length" || name == "Alt-Svc" || name == "Strict-Transport-Security" {
			continue
		}
		if strings.HasPrefix(name, "Access-Control-") && dst["Access-Control-Allow-Origin"] != nil {
			continue // the proxy answers for its own origin
		}
		if name == "X-Request-Id" {
			// The proxy's own ID stays; the provider's is told beside it.
			dst["Llmproxy-Upstream-Request-Id"] = v
			continue
		}
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
		copyHeader(h, resp.Header)
	} else {
		for name, v := range resp.Header {
			if translatedDown(name) {
				h[name] = v
			}
		}
		if id := resp.Header.Get("X-Request-Id"); id != "" {
			h.Set("Llmproxy-Upstream-Request-Id", id)
		}
	}
	if contentType != "" {
		h.Set("Content-Type", contentType)
		h.Del("Content-Encoding")
	}
	h.Set("Llmproxy-Provider", a.target.provider.Name())
	if a.target.model != "" && isToken(a.target.model) {
		h.Set("Llmproxy-Model", a.target.model)
	}
	if n := len(a.rec.Attempts) + 1; n > 1 {
		h.Set("Llmproxy-Attempts", strconv.Itoa(n))
	}
	for i, l := range a.losses {
		if i == maxLossHeaders {
			h.Add("Llmproxy-Loss", "… and "+strconv.Itoa(len(a.losses)-i)+" more")
			break
		}
		h.Add("Llmproxy-Loss", headerText(l))
	}
	a.rec.Losses = append(a.rec.Losses[:0], a.losses...)
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
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
