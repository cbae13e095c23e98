package main

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// upstreamSpec is what the fake upstream does with every request.
type upstreamSpec struct {
	Stream bool
	Chunks int
	Delay  time.Duration // before the answer
	Pace   time.Duration // between two chunks
}

// upstream is a provider that answers at once and always the same.
type upstream struct {
	upstreamSpec
	answers map[format]answer
	asked   answer // OpenAI's stream where usage was asked for
}

func newUpstream(s upstreamSpec) *upstream {
	u := &upstream{upstreamSpec: s, answers: map[format]answer{openAI: openAI.answer(), anthropic: anthropic.answer()}}
	u.asked = u.answers[openAI].withUsage()
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := openAI
	if r.URL.Path == anthropic.path() {
		f = anthropic
	}
	if !strings.HasPrefix(f.key(r.Header), upstreamKey) {
		http.Error(w, "not a key of this provider", http.StatusUnauthorized)
		return
	}
	for name, value := range told {
		w.Header()[name] = value
	}
	if !u.Stream {
		_, _ = io.Copy(io.Discard, r.Body)
		a := u.answers[f]
		b := make([]byte, 0, 2*kb)
		b = append(appendStamp(append(b, a.whole[0]...), time.Now()), a.whole[1]...)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b)
		return
	}
	body, _ := io.ReadAll(r.Body)
	a := u.answers[f]
	if f == openAI && bytes.Contains(body, []byte(`"include_usage":true`)) {
		a = u.asked
	}
	time.Sleep(u.Delay)
	w.Header().Set("Content-Type", "text/event-stream")
	u.stream(w, r, a)
}

// told are the headers of an answer of api.openai.com.
var told = http.Header{
	"Access-Control-Expose-Headers":  {"X-Request-ID, CF-Ray, CF-Ray"},
	"Alt-Svc":                        {`h3=":443"; ma=86400`},
	"Cf-Cache-Status":                {"DYNAMIC"},
	"Cf-Ray":                         {"9a2f1c0b7d3e4f5a-FRA"},
	"Openai-Organization":            {"user-0123456789abcdefghijklmn"},
	"Openai-Processing-Ms":           {"412"},
	"Openai-Project":                 {"proj_0123456789abcdefghijklmn"},
	"Openai-Version":                 {"2020-10-01"},
	"Server":                         {"cloudflare"},
	"Strict-Transport-Security":      {"max-age=31536000; includeSubDomains; preload"},
	"X-Content-Type-Options":         {"nosniff"},
	"X-Envoy-Upstream-Service-Time":  {"431"},
	"X-Openai-Proxy-Wasm":            {"v0.1"},
	"X-Ratelimit-Limit-Requests":     {"10000"},
	"X-Ratelimit-Limit-Tokens":       {"2000000"},
	"X-Ratelimit-Remaining-Requests": {"9999"},
	"X-Ratelimit-Remaining-Tokens":   {"1999712"},
	"X-Ratelimit-Reset-Requests":     {"6ms"},
	"X-Ratelimit-Reset-Tokens":       {"8ms"},
	"X-Request-Id":                   {"req_0123456789abcdef0123456789abcdef"},
}

// stream sends each chunk by itself.
func (u *upstream) stream(w http.ResponseWriter, r *http.Request, a answer) {
	flusher := http.NewResponseController(w)
	var b []byte
	for i := range u.Chunks {
		b = b[:0]
		if i == 0 {
			b = append(b, a.head...)
		} else if u.Pace > 0 {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(u.Pace):
			}
		}
		b = append(appendStamp(append(b, a.chunk[0]...), time.Now()), a.chunk[1]...)
		if i == u.Chunks-1 {
			b = append(b, a.tail...)
		}
		if _, err := w.Write(b); err != nil {
			return
		}
		if flusher.Flush() != nil {
			return
		}
	}
}
