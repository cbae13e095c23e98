package llmproxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AuthFunc authenticates a request and names who sent it, for the observer;
// the name may be empty. An error refuses the request: with 401 unless it is a
// *translate.Error, and tells its words to the log alone. What it looks at is
// the host's choice; whichever it is, the headers and the parameter that carry
// credentials never go upstream. It must leave the body to the Proxy, and is
// called concurrently for different requests.
type AuthFunc func(r *http.Request) (principal string, err error)

var errUnauthorized = translate.Errorf(translate.Authentication, "missing or wrong API key: send the proxy's key as Authorization: Bearer, x-api-key, x-goog-api-key or api-key")

func authError(err error) error {
	if e := (*translate.Error)(nil); errors.As(err, &e) {
		return e
	}
	return &translate.Error{Kind: translate.Authentication, Message: errUnauthorized.Message, Err: err}
}

// keySet is a set of keys, by their digests.
type keySet struct {
	digests [][sha256.Size]byte
	equal   func(x, y []byte) int // in constant time; 1 if they are
}

func newKeySet(keys []rotate.Secret) *keySet {
	s := &keySet{make([][sha256.Size]byte, len(keys)), subtle.ConstantTimeCompare}
	for i, k := range keys {
		s.digests[i] = sha256.Sum256([]byte(k.Reveal()))
	}
	return s
}

// has returns 1 if the set has the key, else 0. It compares digests, all of
// them, so that the time it takes tells nothing of the keys, nor of their
// lengths.
func (s *keySet) has(key string) int {
	got := sha256.Sum256([]byte(key))
	found := 0
	for i := range s.digests {
		found |= s.equal(got[:], s.digests[i][:])
	}
	return found
}

// keyAuth accepts any of the keys, wherever a client may send it.
func keyAuth(keys []rotate.Secret) AuthFunc {
	set := newKeySet(keys)
	return func(r *http.Request) (string, error) {
		found := 0
		credentials(r, func(c string) { found |= set.has(c) })
		if found == 0 {
			return "", errUnauthorized
		}
		return "", nil
	}
}

// credentialHeaders are where clients of the formats put their key. None of
// them goes upstream.
var credentialHeaders = []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key"}

// wsKeyProtocol is how browsers, which cannot set headers on a WebSocket, send
// a key to OpenAI's realtime API.
const wsKeyProtocol = "openai-insecure-api-key."

// credentials shows what the client offers as its key.
func credentials(r *http.Request, show func(string)) {
	for _, name := range credentialHeaders {
		for _, v := range r.Header[name] {
			if name == "Authorization" {
				scheme, token, _ := strings.Cut(v, " ")
				switch {
				case strings.EqualFold(scheme, "Bearer"):
					v = strings.TrimSpace(token)
				case strings.EqualFold(scheme, "Basic"): // a browser's, of the status page: the key is the password
					if _, v, _ = r.BasicAuth(); v == "" {
						continue
					}
				default:
					continue
				}
			}
			show(v)
		}
	}
	if strings.Contains(r.URL.RawQuery, "k") {
		if v := r.URL.Query().Get("key"); v != "" {
			show(v)
		}
	}
	for _, v := range r.Header["Sec-Websocket-Protocol"] {
		for p := range strings.SplitSeq(v, ",") {
			if k, ok := strings.CutPrefix(strings.TrimSpace(p), wsKeyProtocol); ok {
				show(k)
			}
		}
	}
}

// withoutKey returns a raw query without the parameter "key" and with every
// other byte as it was.
func withoutKey(raw string) string {
	if !strings.Contains(raw, "k") && !strings.Contains(raw, "%") {
		return raw
	}
	var out strings.Builder
	kept := false
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if n, err := url.QueryUnescape(name); err == nil && n == "key" {
			continue
		}
		if kept {
			out.WriteByte('&')
		}
		out.WriteString(pair)
		kept = true
	}
	return out.String()
}
