package provider

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// replicateTransport sends Replicate's chats. Everything else it passes on.
type replicateTransport struct{ next http.RoundTripper }

const (
	// replicateWait is how long the create request waits for the answer. It
	// goes on that long when the client has gone, as only its answer tells
	// what to cancel.
	replicateWait   = 5 * time.Second
	replicateCreate = 30 * time.Second // until the create request is given up
	replicateCancel = 5 * time.Second
	maxPrediction   = 32 << 20
	// replicateMissed is how often in a row a prediction may not be told of by a
	// server that is busy: it goes on all the same, and costs what it costs.
	replicateMissed = 3
)

// prediction is what a chat needs to know of one.
type replicatePrediction struct {
	status, get, cancel, stream string
	output                      []byte // JSON
	failure                     []byte // JSON
	body                        []byte
	missed                      int // how often it was not told of since
}

func (p *replicatePrediction) done() bool {
	return p.status != "starting" && p.status != "processing"
}

// RoundTrip sends a chat: it creates the prediction, and returns its stream, or
// itself once it is done.
func (t replicateTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c, ok := callOf(r.Context())
	if !ok || c.op != Chat {
		return t.next.RoundTrip(r)
	}
	resp, p, err := t.create(r, c.stream)
	if p == nil || err != nil {
		return resp, err
	}
	if err := r.Context().Err(); err != nil {
		t.abort(r, p)
		return nil, err
	}
	if c.stream && p.stream != "" {
		return t.open(r, p)
	}
	for wait := 250 * time.Millisecond; !p.done(); wait = min(wait*3/2, 2*time.Second) {
		next, err := t.poll(r, p, wait)
		if err != nil {
			t.abort(r, p)
			return nil, err
		}
		p = next
	}
	if c.stream {
		return replicateAnswer(r, "text/event-stream", p.events()), nil
	}
	return replicateAnswer(r, "application/json", p.body), nil
}

// create creates the prediction. An answer that says otherwise comes back as
// it is, without a prediction.
func (t replicateTransport) create(r *http.Request, stream bool) (*http.Response, *replicatePrediction, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), replicateCreate)
	create := r.Clone(ctx)
	if !stream {
		create.Header.Set("Prefer", "wait="+strconv.Itoa(int(replicateWait.Seconds())))
	}
	resp, err := t.next.RoundTrip(create)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if resp.StatusCode >= 300 {
		resp.Body = &closer{resp.Body, cancel}
		return resp, nil, nil
	}
	defer cancel()
	p, err := readPrediction(resp)
	return nil, p, err
}

func (t replicateTransport) poll(r *http.Request, p *replicatePrediction, wait time.Duration) (*replicatePrediction, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	get, err := t.follow(r.Context(), r, http.MethodGet, p.get)
	if err != nil {
		return nil, err
	}
	resp, err := t.next.RoundTrip(get)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		resp.Body.Close()
		if (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500) && p.missed < replicateMissed {
			p.missed++
			return p, nil
		}
		return nil, translate.Errorf(translate.Upstream, "the prediction could not be read: status %d", resp.StatusCode)
	}
	return readPrediction(resp)
}

// open opens the prediction's stream.
func (t replicateTransport) open(r *http.Request, p *replicatePrediction) (*http.Response, error) {
	get, err := t.follow(r.Context(), r, http.MethodGet, p.stream)
	if err == nil {
		get.Header.Set("Accept", "text/event-stream")
		var resp *http.Response
		if resp, err = t.next.RoundTrip(get); err == nil {
			resp.Body = &replicateStream{ReadCloser: resp.Body, abort: func() { t.abort(r, p) }}
			return resp, nil
		}
	}
	t.abort(r, p)
	return nil, err
}

// abort cancels a prediction that nobody waits for any more.
func (t replicateTransport) abort(r *http.Request, p *replicatePrediction) {
	if p.done() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), replicateCancel)
	defer cancel()
	post, err := t.follow(ctx, r, http.MethodPost, p.cancel)
	if err != nil {
		return
	}
	if resp, err := t.next.RoundTrip(post); err == nil {
		resp.Body.Close()
	}
}

// follow builds a request for an address that the prediction named. The key
// goes along to the host that the prediction came from, and to Replicate's
// API; the stream's host asks for none.
func (t replicateTransport) follow(ctx context.Context, r *http.Request, method, address string) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Host != r.URL.Host {
		return nil, errAddress
	}
	out, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, errAddress
	}
	if u.Host == r.URL.Host || u.Scheme == "https" && u.Host == "api.replicate.com" {
		out.Header["Authorization"] = r.Header["Authorization"]
	}
	return out, nil
}

// errAddress does not name the address, which may hold a token.
var errAddress = errors.New("the prediction names no address that can be followed")

func readPrediction(resp *http.Response) (*replicatePrediction, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPrediction+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxPrediction {
		return nil, translate.Errorf(translate.Upstream, "the prediction is too long")
	}
	p := &replicatePrediction{body: body}
	d := jsonx.NewDecoder(body)
	for key := range d.Members() {
		switch string(key) {
		case "status":
			p.status = d.String()
		case "output":
			p.output = d.Raw()
		case "error":
			p.failure = d.Raw()
		case "urls":
			for key := range d.Members() {
				switch string(key) {
				case "get":
					p.get = d.String()
				case "cancel":
					p.cancel = d.String()
				case "stream":
					p.stream = d.String()
				}
			}
		}
	}
	if err := d.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	return p, nil
}

func replicateAnswer(r *http.Request, contentType string, body []byte) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}
}

// events writes a prediction that is done as the stream which its model does
// not have.
func (p *replicatePrediction) events() []byte {
	var b []byte
	event := func(name string, data string) {
		b = append(b, "event: "+name+"\n"...)
		for line := range strings.SplitSeq(data, "\n") {
			b = append(b, "data: "+line+"\n"...)
		}
		b = append(b, '\n')
	}
	if p.status != "succeeded" {
		message := p.status
		if s, ok := jsonx.Unquote(p.failure); ok {
			message = s
		}
		event("error", string(append(jsonx.AppendString([]byte(`{"detail":`), message), '}')))
		return b
	}
	d := jsonx.NewDecoder(p.output)
	switch d.Kind() {
	case jsonx.String:
		event("output", d.String())
	case jsonx.Array:
		for range d.Elements() {
			if d.Kind() == jsonx.String {
				event("output", d.String())
			}
		}
	}
	event("done", "{}")
	return b
}

// replicateStream is a stream whose prediction is canceled where it is closed
// before its end.
type replicateStream struct {
	io.ReadCloser
	abort func()
	tail  []byte // the end of what was read, as long as the marker
	ended bool
}

var doneMarker = []byte("\nevent: done")

func (s *replicateStream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if !s.ended && n > 0 {
		if s.tail == nil {
			s.tail = append(s.tail, '\n')
		}
		s.tail = append(s.tail, p[:n]...)
		s.ended = bytes.Contains(s.tail, doneMarker)
		s.tail = append(s.tail[:0], s.tail[max(len(s.tail)-len(doneMarker), 0):]...)
	}
	s.ended = s.ended || err == io.EOF
	return n, err
}

func (s *replicateStream) Close() error {
	err := s.ReadCloser.Close()
	if !s.ended {
		s.ended = true
		s.abort()
	}
	return err
}

// closer ends a request's context with its body.
type closer struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *closer) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
