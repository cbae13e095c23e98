package llmproxy

import (
	"net/http"
	"slices"
)

// cors answers browsers. Credentials in the sense of cookies are not allowed,
// and not needed: clients send their key in a header.
type cors struct{ origins []string }

// handle sets the headers and reports whether r was a preflight, which it has
// then answered.
func (c *cors) handle(w http.ResponseWriter, r *http.Request) bool {
	origin := first(r.Header, "Origin")
	if origin == "" || len(c.origins) == 0 {
		return false
	}
	h := w.Header()
	switch {
	case slices.Contains(c.origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(c.origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
	default:
		h.Add("Vary", "Origin")
		return false
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", "*")
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		// "*" does not cover Authorization, so the list is echoed.
		h.Set("Access-Control-Allow-Headers", asked)
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	return true
}
