package llmproxy

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Cache keeps whole answers to chat and embeddings in memory, and gives them to
// requests that are equal to the byte. A zero field means its default.
//
// Requests are equal whose principal (or credential, where the host names no
// principal), path, query, body and headers are, but
// for headers that only tell who asks, such as User-Agent. Kept are answers
// that ended well, streams with all their chunks; a model's temperature is not
// looked at. A hit asks no provider, takes no key and is not admitted: it costs
// nothing, and its Exchange has Cached set and no usage. The answer says
// "Llmproxy-Cache: hit", with its Age, or "miss". A request's Cache-Control
// (RFC 9111) is heeded: no-cache asks anew, and no-store keeps nothing, too.
// Equal requests at the same time are all sent.
type Cache struct {
	Bytes      int64         `validate:"gte=1"` // of all answers; 64 MiB. The one that was not asked for longest goes first.
	EntryBytes int64         `validate:"gte=1"` // of one answer; larger ones are not kept. 1 MiB
	TTL        time.Duration `validate:"gt=0"`  // how long an answer is given; 5 min
	// Shared gives principals each other's answers.
	Shared bool
	// StreamsWithTools keeps answers to streams that offer tools, too: what is
	// done with them may differ from one time to the next.
	StreamsWithTools bool
}

// WithCache keeps answers in memory; without it every request is sent.
func WithCache(c Cache) Option { return func(o *config) { o.Cache = &c } }

// answers are the cache's, the latest used first.
type answers struct {
	Cache
	mu    sync.Mutex
	byKey map[answerKey]*list.Element
	order list.List // of *answer
	size  int64
}

type answerKey [sha256.Size]byte

// answer is one that is kept. It does not change.
type answer struct {
	key    answerKey
	header http.Header
	body   []byte
	at     time.Time

	provider, model string
}

// bytes is about what an answer takes.
func (a *answer) bytes() int64 { return int64(len(a.body)) + 1<<10 }

func newAnswers(c *Cache) *answers {
	if c == nil {
		return nil
	}
	return &answers{Cache: *c, byKey: map[answerKey]*list.Element{}}
}

// get returns an answer that is not too old; nil: there is none.
func (c *answers) get(key answerKey, now time.Time) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	a := e.Value.(*answer)
	if now.Sub(a.at) >= c.TTL {
		c.remove(e)
		return nil
	}
	c.order.MoveToFront(e)
	return a
}

func (c *answers) put(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[a.key]; e != nil {
		c.remove(e)
	}
	c.byKey[a.key] = c.order.PushFront(a)
	c.size += a.bytes()
	for c.size > c.Bytes {
		c.remove(c.order.Back())
	}
}

func (c *answers) remove(e *list.Element) {
	a := c.order.Remove(e).(*answer)
	delete(c.byKey, a.key)
	c.size -= a.bytes()
}

// cached answers from the cache, or by serve, whose answer it keeps.
func (x *exchange) cached(serve func() error) error {
	c := x.p.cache
	read, keep := true, true
	for _, v := range x.r.Header["Cache-Control"] {
		for d := range strings.SplitSeq(v, ",") {
			switch strings.ToLower(strings.TrimSpace(d)) {
			case "no-store":
				read, keep = false, false
			case "no-cache", "max-age=0":
				read = false
			}
		}
	}
	if c == nil || !read && !keep || x.stream && !c.StreamsWithTools && offersTools(x.body) {
		return serve()
	}
	key := x.answerKey()
	if read {
		if a := c.get(key, x.p.now()); a != nil {
			return x.replay(a)
		}
	}
	w := &recorder{ResponseWriter: x.w, limit: c.EntryBytes}
	x.w.Header().Set("Llmproxy-Cache", "miss")
	x.w = w
	defer func() { x.w = w.ResponseWriter }()
	err := serve()
	whole := x.rec.Finish.Reason != "" && x.rec.Finish.Reason != translate.FinishError || x.rt.name == "/v1/embeddings"
	if err == nil && whole && !x.rec.Aborted && w.header != nil && w.body != nil {
		if x.admitted != nil { // said of this request alone
			for name := range x.admitted.header {
				delete(w.header, name)
			}
		}
		c.put(&answer{key, w.header, w.body, x.p.now(), x.rec.Provider, x.rec.Model})
	}
	return err
}

// replay gives an answer out again.
func (x *exchange) replay(a *answer) error {
	now := x.p.now()
	h := x.w.Header()
	maps.Copy(h, a.header)
	h.Set("Llmproxy-Cache", "hit")
	h.Set("Age", strconv.FormatInt(int64(now.Sub(a.at)/time.Second), 10))
	x.rec.Cached, x.rec.Provider, x.rec.Model, x.rec.Status = true, a.provider, a.model, http.StatusOK
	x.committed = true
	x.rec.FirstByte = now.Sub(x.start)
	x.w.WriteHeader(http.StatusOK)
	n, err := x.w.Write(a.body)
	x.rec.BytesOut += int64(n)
	if err != nil {
		return errClientGone
	}
	return nil
}

// offersTools reports whether a request of any format has tools.
func offersTools(body []byte) bool {
	found, err := jsonx.Top(body, "tools", "functions")
	return err != nil || found[0] != nil || found[1] != nil
}

// answerKey is what all equal requests have.
func (x *exchange) answerKey() answerKey {
	h := sha256.New()
	if x.p.cache.Shared {
		put(h, "")
	} else {
		put(h, x.rec.Principal)
		if x.rec.Principal == "" { // of holders of several keys nobody is named
			credentials(x.r, func(c string) { put(h, c) })
		}
	}
	put(h, x.r.URL.EscapedPath())
	put(h, withoutKey(x.r.URL.RawQuery))
	put(h, x.r.Header.Get("Llmproxy-Strict"))
	up := headersUp(x.r.Header, false, false)
	for _, name := range slices.Sorted(maps.Keys(up)) {
		if !tellsTheClient(name) {
			put(h, name)
			for _, v := range up[name] {
				put(h, v)
			}
		}
	}
	h.Write(x.body)
	return answerKey(h.Sum(nil))
}

// put writes a string so that no two sequences of strings are alike.
func put(h hash.Hash, s string) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
	h.Write(n[:])
	h.Write([]byte(s))
}

// tellsTheClient reports a header that tells who asks and how often, and
// changes nothing of the answer.
func tellsTheClient(name string) bool {
	switch name {
	case "User-Agent", "Traceparent", "Tracestate", "Baggage", "X-Request-Id", "X-Client-Request-Id", "Idempotency-Key", "Accept-Language",
		"Cache-Control", "Pragma", "Priority", "Dnt", "X-App":
		return true
	}
	return strings.HasPrefix(name, "X-Stainless-") || strings.HasPrefix(name, "X-B3-")
}

// recorder keeps what is written, for as long as it is small enough.
type recorder struct {
	http.ResponseWriter
	limit  int64
	header http.Header // of a success
	body   []byte      // nil: there is none, or too much
	failed bool
}

// Unwrap lets http.ResponseController flush.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.header == nil && status == http.StatusOK {
		w.header = keptHeader(w.Header())
	}
	w.failed = w.failed || status != http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.failed || int64(len(w.body)+len(p)) > w.limit {
		w.failed, w.body = true, nil
	} else {
		w.body = append(w.body, p...)
	}
	return w.ResponseWriter.Write(p)
}

// keptHeader returns the headers that are true of the answer at any time, and
// not of this exchange alone.
func keptHeader(h http.Header) http.Header {
	kept := http.Header{}
	for name, v := range h {
		switch name {
		case "X-Request-Id", "Date", "Age", "Vary", "Retry-After", "Retry-After-Ms", "Llmproxy-Attempts", "Llmproxy-Cache", "Openai-Processing-Ms", "Trailer":
			continue
		}
		if strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, "Cf-") || isRateHeader(name) {
			continue
		}
		kept[name] = slices.Clone(v)
	}
	return kept
}
