package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// standIn answers as Cloudflare's gateway does, without a provider behind it:
// OpenAI's Chat and Anthropic's Messages, alone and as steps of a universal
// request. It caches for those who ask for it, and forgets nothing.
type standIn struct {
	mu    sync.Mutex
	cache map[string]bool
}

// newStandIn returns a handler of the gateway's paths.
func newStandIn() http.Handler {
	s := &standIn{cache: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{account}/{gateway}", s.universal)
	mux.HandleFunc("POST /v1/{account}/{gateway}/{provider}/{endpoint...}", s.single)
	return mux
}

// step is one request to a provider.
type step struct {
	Provider string            `json:"provider"`
	Endpoint string            `json:"endpoint"`
	Headers  map[string]string `json:"headers"`
	Query    json.RawMessage   `json:"query"`
}

func (s *standIn) single(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	one := step{r.PathValue("provider"), r.PathValue("endpoint"), map[string]string{}, body}
	for name := range r.Header {
		one.Headers[name] = r.Header.Get(name)
	}
	s.answer(w, r, []step{one})
}

func (s *standIn) universal(w http.ResponseWriter, r *http.Request) {
	var steps []step
	if err := json.NewDecoder(r.Body).Decode(&steps); err != nil || len(steps) == 0 {
		http.Error(w, `{"success":false,"errors":[{"message":"no universal request"}]}`, http.StatusBadRequest)
		return
	}
	s.answer(w, r, steps)
}

// answer answers with the first step that succeeds, or else with the last.
func (s *standIn) answer(w http.ResponseWriter, r *http.Request, steps []step) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Cf-Aig-Authorization") != "Bearer token" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"success":false,"errors":[{"message":"the gateway's token is missing"}]}`)
		return
	}
	var status int
	var body string
	for i, one := range steps {
		w.Header().Set("Cf-Aig-Step", strconv.Itoa(i))
		if status, body = one.ask(); status == http.StatusOK {
			if r.Header.Get("Cf-Aig-Cache-Ttl") != "" {
				w.Header().Set("Cf-Aig-Cache-Status", s.cached(one))
			}
			break
		}
	}
	w.Header().Set("Cf-Aig-Log-Id", rand.Text())
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// cached tells whether the same has been asked before, with the same key.
func (s *standIn) cached(one step) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%s/%s %q %s", one.Provider, one.Endpoint, one.credential(), one.Query)
	if s.cache[key] {
		return "HIT"
	}
	s.cache[key] = true
	return "MISS"
}

func (one *step) credential() (found string) {
	for name, value := range one.Headers {
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "X-Api-Key") {
			found = value
		}
	}
	return found
}

// ask answers as the step's provider does.
func (one *step) ask() (int, string) {
	var q struct {
		Model string `json:"model"`
	}
	if err := json.Unmarshal(one.Query, &q); err != nil {
		return http.StatusBadRequest, `{"error":{"type":"invalid_request_error","message":"no JSON"}}`
	}
	if one.credential() == "" {
		return http.StatusUnauthorized, `{"error":{"type":"authentication_error","message":"no key"}}`
	}
	if q.Model == "gone" {
		return http.StatusNotFound, `{"error":{"type":"not_found_error","message":"no such model"}}`
	}
	switch one.Provider + "/" + one.Endpoint {
	case "openai/chat/completions":
		return http.StatusOK, fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"The stand-in for OpenAI says hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`, q.Model)
	case "anthropic/v1/messages":
		return http.StatusOK, fmt.Sprintf(`{"id":"msg_1","type":"message","role":"assistant","model":%q,"content":[{"type":"text","text":"The stand-in for Anthropic says hello."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":7}}`, q.Model)
	}
	return http.StatusNotFound, `{"error":{"type":"not_found_error","message":"the stand-in knows OpenAI's Chat and Anthropic's Messages"}}`
}
