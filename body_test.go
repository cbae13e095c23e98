package llmproxy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
)

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

// A body may come compressed by gzip. The provider gets it as it was before,
// and nothing of the coding.
func TestCompressedBody(t *testing.T) {
	var got string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.URL.Path + " " + string(b)
		if r.Header["Content-Encoding"] != nil || r.ContentLength != int64(len(b)) {
			t.Errorf("%s: %v, length %d", r.URL.Path, r.Header, r.ContentLength)
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/embeddings") {
			io.WriteString(w, `{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1,2]}],"usage":{"prompt_tokens":1,"total_tokens":1}}`)
			return
		}
		io.WriteString(w, chatAnswer)
	})
	var seen llmproxy.Exchange
	s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen = *x }}))
	long := strings.Repeat("long ", 1000)
	requests := append(chatRequests(false),
		chatRequest{name: "embeddings", path: "/v1/embeddings", body: `{"model":"up/m","input":"q"}`},
		chatRequest{name: "forwarded", path: "/v1/moderations", body: `{"model":"up/m","input":"q"}`})
	for _, q := range requests {
		body := strings.Replace(q.body, `"q"`, `"`+long+`"`, 1)
		plain := do(t, s, "POST", q.path, body)
		want := got
		for _, coding := range []string{"gzip", "GZIP", "x-gzip"} {
			got = ""
			a := do(t, s, "POST", q.path, zipped(body), "Content-Encoding", coding)
			// Made-up IDs and times differ.
			if a.StatusCode != 200 || plain.StatusCode != 200 || len(a.body) != len(plain.body) || got != want {
				t.Errorf("%s, %s: %d %s, provider got %s", q.name, coding, a.StatusCode, a.body, got)
			}
			if seen.BytesIn != int64(len(zipped(body))) {
				t.Errorf("%s: %d bytes in", q.name, seen.BytesIn)
			}
		}
		if a := do(t, s, "POST", q.path, body, "Content-Encoding", "identity"); a.StatusCode != 200 {
			t.Errorf("%s, identity: %d %s", q.name, a.StatusCode, a.body)
		}
	}
}

// What cannot be read is refused in the caller's format: a coding that is not
// taken, a body that is not what it says, and one that becomes too large.
func TestCompressedBodyIsRefused(t *testing.T) {
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s went upstream", r.URL.Path) })
	for _, limits := range []llmproxy.Limits{{RequestBody: 200_000}, {RequestBody: 200_000, Inflated: 100_000}} {
		s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(limits))
		most := limits.RequestBody
		if limits.Inflated > 0 {
			most = limits.Inflated
		}
		for _, q := range append(chatRequests(false), chatRequest{name: "embeddings", path: "/v1/embeddings", body: `{"model":"up/m","input":"q"}`}) {
			for _, c := range []struct {
				coding, body string
				status       int
				says         string
			}{
				{"br", q.body, 415, `Content-Encoding "br": send it as it is, or as gzip`},
				{"deflate", q.body, 415, `Content-Encoding "deflate"`},
				{"zstd", q.body, 415, `Content-Encoding "zstd"`},
				{"gzip, gzip", zipped(zipped(q.body)), 415, `Content-Encoding "gzip, gzip"`},
				{"gzip", q.body, 400, "could not be read as the gzip"},
				{"gzip", zipped(q.body)[:30], 400, "could not be read as the gzip"},
				{"gzip", zipped(q.body) + "more", 400, "could not be read as the gzip"},
				{"gzip", "", 400, "could not be read as the gzip"},
				{"gzip", string(bomb(strings.TrimSuffix(q.body, "}"), "}", 100)), 413, fmt.Sprintf("inflates to more than %d bytes", most)},
				{"", q.body + strings.Repeat(" ", 200_000), 413, "larger than 200000 bytes"},
			} {
				var a answer
				n := allocates(func() { a = do(t, s, "POST", q.path, c.body, "Content-Encoding", c.coding) })
				if a.StatusCode != c.status || !strings.Contains(errorMessage(a.body), c.says) {
					t.Errorf("%s, %s: %d %s", q.name, c.coding, a.StatusCode, a.body)
				}
				if takes := a.Header.Get("Accept-Encoding"); (takes == "gzip") != (c.status == 415) {
					t.Errorf("%s, %s: Accept-Encoding %q", q.name, c.coding, takes)
				}
				if n > 100<<20/4 {
					t.Errorf("%s: %d bytes were allocated", q.name, n)
				}
			}
		}
	}
}

// Pass-through inflates nothing.
func TestCompressedBodyPassesThrough(t *testing.T) {
	for _, coding := range []string{"gzip", "br", "gzip, x"} {
		body := zipped("anything")
		up := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if string(b) != body || r.Header.Get("Content-Encoding") != coding {
				t.Errorf("got %q %v", b, r.Header)
			}
		})
		s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(llmproxy.Limits{RequestBody: 1, Inflated: 1}))
		if a := do(t, s, "POST", "/up/v1/files", body, "Content-Encoding", coding); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", coding, a.StatusCode, a.body)
		}
	}
}

// Values that nest too deep are refused before anything is made of them; the
// bound itself is not too deep.
func TestJSONDepth(t *testing.T) {
	var asked int
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	deep := func(body string, n int) string { // the object is the first level
		return strings.TrimSuffix(body, "}") + `,"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}"
	}
	for _, depth := range []int{0, 20} {
		s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(llmproxy.Limits{JSONDepth: depth}))
		bound := depth
		if bound == 0 {
			bound = 10000
		}
		for _, q := range append(chatRequests(false), chatRequest{name: "count", path: "/v1beta/models/up/m:countTokens", body: `{"contents":[]}`}, chatRequest{name: "embeddings", path: "/v1/embeddings", body: `{"model":"up/m","input":"q"}`}) {
			says := fmt.Sprintf("nested deeper than %d levels", bound)
			for _, over := range []int{1, 100000} {
				asked = 0
				if a := do(t, s, "POST", q.path, deep(q.body, bound+over)); a.StatusCode != 400 || !strings.Contains(errorMessage(a.body), says) || asked != 0 {
					t.Errorf("%s, %d: %d %s", q.name, bound+over, a.StatusCode, a.body)
				}
			}
			if a := do(t, s, "POST", q.path, deep(q.body, bound)); strings.Contains(a.body, says) {
				t.Errorf("%s, %d: %d %s", q.name, bound, a.StatusCode, a.body)
			}
		}
	}
}

// What stands in front of the proxy may inflate a body and leave its length as
// it was: the limit holds all the same.
func TestBodyLongerThanItsLength(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	p, err := llmproxy.New(llmproxy.WithoutAuth(), compatible("up", up.URL, "k"), llmproxy.WithLimits(llmproxy.Limits{RequestBody: 1000}))
	if err != nil {
		t.Fatal(err)
	}
	for size, status := range map[int]int{1000: 200, 1001: 413} {
		body := `{"model":"up/m","messages":[]}`
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(body+strings.Repeat(" ", size-len(body))))
		r.ContentLength = 10
		w := httptest.NewRecorder()
		if p.ServeHTTP(w, r); w.Code != status {
			t.Errorf("%d bytes: %d %s", size, w.Code, w.Body)
		}
	}
}

// The largest numbers are limits, too.
func TestLimitsWithoutEnd(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if b, _ := io.ReadAll(r.Body); bytes.Contains(b, []byte(`"fail"`)) {
			w.WriteHeader(400)
			io.WriteString(w, `{"error":{"message":"no"}}`)
			return
		} else if bytes.Contains(b, []byte(`"flow"`)) { // is gathered
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"flowed"},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
			return
		}
		io.WriteString(w, chatAnswer)
	})
	const most = math.MaxInt64
	s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(llmproxy.Limits{
		RequestBody: most, ResponseBody: most, ErrorBody: most, Replay: most, ResponseHeader: most, Inflated: most}))
	for _, q := range chatRequests(false) {
		if a := do(t, s, "POST", q.path, q.body); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", q.name, a.StatusCode, a.body)
		}
		if a := do(t, s, "POST", q.path, strings.Replace(q.body, `"q"`, `"flow"`, 1)); a.StatusCode != 200 || !strings.Contains(a.body, "flowed") {
			t.Errorf("%s, gathered: %d %s", q.name, a.StatusCode, a.body)
		}
		if a := do(t, s, "POST", q.path, zipped(q.body), "Content-Encoding", "gzip"); a.StatusCode != 200 {
			t.Errorf("%s, gzip: %d %s", q.name, a.StatusCode, a.body)
		}
		if a := do(t, s, "POST", q.path, strings.Replace(q.body, `"q"`, `"fail"`, 1)); a.StatusCode != 400 {
			t.Errorf("%s, refused: %d %s", q.name, a.StatusCode, a.body)
		}
	}
	if a := do(t, s, "POST", "/up/x", `{}`); a.StatusCode != 200 {
		t.Errorf("passed: %d %s", a.StatusCode, a.body)
	}
}
