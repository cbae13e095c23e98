package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// admin serves the table of keys, behind a key of its own. Each change is told
// to the pool before it is answered: from then on, no request gets a key that
// is gone. Other processes on the same table learn of it within a second.
func admin(store *keys, pool *rotate.Pool, key string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/keys/{provider}", func(w http.ResponseWriter, r *http.Request) {
		rows, err := store.list(r.Context(), r.PathValue("provider"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		type shown struct {
			ID      string `json:"id"`
			Secret  string `json:"secret"` // a hint of it
			Enabled bool   `json:"enabled"`
		}
		list := make([]shown, len(rows))
		for i, row := range rows {
			list[i] = shown{row.ID, row.Secret.Hint(), row.enabled}
		}
		body, err := json.Marshal(list)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
	})
	handle := func(pattern string, change func(r *http.Request, provider, id string) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			provider := r.PathValue("provider")
			err := change(r, provider, r.PathValue("id"))
			pool.Refresh(provider)
			switch {
			case errors.Is(err, errNoKey):
				http.Error(w, err.Error(), http.StatusNotFound)
			case errors.Is(err, errSecret):
				http.Error(w, err.Error(), http.StatusBadRequest)
			case err != nil:
				http.Error(w, err.Error(), http.StatusInternalServerError)
			default:
				w.WriteHeader(http.StatusNoContent)
			}
		})
	}
	handle("PUT /admin/keys/{provider}/{id}", func(r *http.Request, provider, id string) error {
		body, err := io.ReadAll(io.LimitReader(r.Body, 4<<10))
		secret := strings.TrimSpace(string(body))
		if err != nil || secret == "" || strings.ContainsAny(secret, " \t\r\n") {
			return errSecret
		}
		return store.put(r.Context(), provider, id, secret)
	})
	handle("DELETE /admin/keys/{provider}/{id}", func(r *http.Request, provider, id string) error {
		return store.remove(r.Context(), provider, id)
	})
	handle("POST /admin/keys/{provider}/{id}/disable", func(r *http.Request, provider, id string) error {
		return store.enable(r.Context(), provider, id, false)
	})
	handle("POST /admin/keys/{provider}/{id}/enable", func(r *http.Request, provider, id string) error {
		return store.enable(r.Context(), provider, id, true)
	})
	want := sha256.Sum256([]byte("Bearer " + key))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, "the administration has a key of its own", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

var errSecret = errors.New("the body must be the provider's key, one word")
