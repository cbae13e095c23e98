// Package gateway reaches providers through Cloudflare AI Gateway, which logs,
// caches and meters what passes.
//
// A Gateway changes how a request travels, not what it asks: it takes the
// request that a provider has built for its own address and sends it to the
// gateway's path for that provider, so that every format passes untouched. A
// provider that the gateway does not know is reached directly.
//
// Facts are from developers.cloudflare.com/ai-gateway, as of November 2026.
package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// DefaultBaseURL is the gateway's address.
const DefaultBaseURL = "https://gateway.ai.cloudflare.com/v1"

// Gateway is an AI Gateway of an account. It must not change once it is in
// use, and is then safe for concurrent use.
type Gateway struct {
	Account string        // Cloudflare's account ID; required
	Name    string        // the gateway's name; empty: "default"
	Token   rotate.Secret // Cloudflare API token with the permission "AI Gateway Run"; zero: none is sent
	// BaseURL replaces DefaultBaseURL, for tests and stand-ins.
	BaseURL string
	// Slugs names providers that the gateway knows by another name than this
	// module, such as a custom provider "custom-mine"; "-" has a provider
	// reached directly. A custom provider's whole path is appended.
	Slugs map[string]string
	// Universal sends one request that carries a step for each key and each
	// fallback target, so that failing over happens inside the gateway.
	Universal bool
	// DirectOnFailure reaches the provider directly in the next attempt when
	// the gateway itself fails.
	DirectOnFailure bool
	// SharedCache gives requests a cache key that leaves the credential out.
	// By default the gateway caches for each key apart, so that rotation
	// defeats its cache.
	SharedCache bool
}

// Named returns g with another gateway's name, for one request.
func (g *Gateway) Named(name string) *Gateway {
	c := *g
	c.Name = name
	return &c
}

// URL returns the address of the gateway itself, which is its universal
// endpoint.
func (g *Gateway) URL() string {
	base, name := g.BaseURL, g.Name
	if base == "" {
		base = DefaultBaseURL
	}
	if name == "" {
		name = "default"
	}
	return strings.TrimSuffix(base, "/") + "/" + url.PathEscape(g.Account) + "/" + url.PathEscape(name)
}

// Rewrite sends r, which providerName has built for itself, through the
// gateway. It reports false, and leaves r alone, where the gateway does not
// know the provider or the address. Signatures over the provider's own host
// and path stay valid: the gateway calls the provider there.
func (g *Gateway) Rewrite(r *http.Request, providerName string) bool {
	endpoint, slug, ok := g.endpoint(r.URL, providerName)
	if !ok {
		return false
	}
	u, err := url.Parse(g.URL() + "/" + slug + endpoint)
	if err != nil {
		return false
	}
	u.RawQuery = r.URL.RawQuery
	r.URL, r.Host = u, ""
	g.Authorize(r.Header)
	if g.SharedCache && r.Header.Get("Cf-Aig-Cache-Key") == "" {
		if key, ok := cacheKey(r, slug+endpoint); ok {
			r.Header.Set("Cf-Aig-Cache-Key", key)
		}
	}
	return true
}

// Authorize sets the gateway's own headers: its token, and, where the client
// has not said otherwise, that it makes one attempt only, because its retries
// would multiply with those of its caller.
func (g *Gateway) Authorize(h http.Header) {
	if !g.Token.IsZero() {
		h.Set("Cf-Aig-Authorization", "Bearer "+g.Token.Reveal())
	}
	if h.Get("Cf-Aig-Max-Attempts") == "" {
		h.Set("Cf-Aig-Max-Attempts", "1")
	}
}

// cacheKey names a request by what it asks: the endpoint, the query and the
// body, without the credential. A body that cannot be read twice has none.
func cacheKey(r *http.Request, endpoint string) (string, bool) {
	h := sha256.New()
	io.WriteString(h, r.Method+" "+endpoint+"?"+r.URL.RawQuery+"\n")
	if r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return "", false
		}
		body, err := r.GetBody()
		if err != nil {
			return "", false
		}
		defer body.Close()
		if _, err := io.Copy(h, body); err != nil {
			return "", false
		}
	}
	return hex.EncodeToString(h.Sum(nil)), true
}

// Failed reports whether an answer is the gateway's own failure, not a
// provider's: a server error, or a refusal in Cloudflare's envelope, without a
// step that says which provider was asked.
func Failed(status int, h http.Header, body []byte) bool {
	if status < 500 || h.Get("Cf-Aig-Step") != "" {
		return false
	}
	// Providers' errors pass through the gateway with a log ID.
	return h.Get("Cf-Aig-Log-Id") == "" || strings.Contains(string(body[:min(len(body), 512)]), `"success":false`)
}

// Info is what the gateway says of a request that went through it.
type Info struct {
	LogID       string // of its entry in the gateway's log
	CacheStatus string // "HIT", "MISS" or empty
	EventID     string
	// Step is the index of the step that answered, of a universal request or
	// a dynamic route; 0 where the gateway names none.
	Step int
	// Provider and Model are what a dynamic route has chosen.
	Provider, Model string
}

// InfoOf reads an answer's headers. The zero Info is that of an answer which
// did not come through a gateway.
func InfoOf(h http.Header) Info {
	step, _ := StepOf(h)
	return Info{
		LogID: h.Get("Cf-Aig-Log-Id"), CacheStatus: h.Get("Cf-Aig-Cache-Status"), EventID: h.Get("Cf-Aig-Event-Id"), Step: step,
		Provider: h.Get("Cf-Aig-Provider"), Model: h.Get("Cf-Aig-Model"),
	}
}
