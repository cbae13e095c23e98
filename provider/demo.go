package provider

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Demo returns the provider "demo", which needs no network and no key: its
// model "echo" answers with what it was told, word by word. It sends its own
// requests, being an http.RoundTripper, and speaks OpenAI Chat.
func Demo() Provider { return demo{delay: 40 * time.Millisecond} }

type demo struct{ delay time.Duration }

var (
	_ Lister            = demo{}
	_ Supporter         = demo{}
	_ Keyless           = demo{}
	_ http.RoundTripper = demo{}
)

func (demo) Name() string                      { return "demo" }
func (demo) KeyOptional() bool                 { return true }
func (demo) Formats(string) []translate.Format { return []translate.Format{translate.OpenAI} }

func (demo) Supports(op Op, f translate.Format, _ string) bool {
	return op == Chat && f == translate.OpenAI
}

func (demo) StaticModels() []Model { return []Model{{ID: "echo", OwnedBy: "demo"}} }

func (demo) ParseModels([]byte) ([]Model, string, error) { return nil, "", nil }

func (d demo) NewRequest(ctx context.Context, c *Call, _ rotate.Key) (*http.Request, error) {
	if !d.Supports(c.Op, c.Format, c.Model) {
		return nil, translate.Errorf(translate.Unsupported, "the demo provider serves nothing but chat")
	}
	if c.Model != "echo" {
		e := translate.Errorf(translate.NotFound, "the demo provider has one model, demo/echo")
		e.Code, e.Param = "model_not_found", "model"
		return nil, e
	}
	body, err := c.JSON()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://demo.invalid/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, translate.Errorf(translate.InvalidRequest, "the request cannot be built")
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// RoundTrip answers a request that NewRequest has built.
func (d demo) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	q, ok := readDemo(body)
	if !ok {
		return demoResponse(r, http.StatusBadRequest, "application/json",
			io.NopCloser(strings.NewReader(`{"error":{"message":"The body is no chat request.","type":"invalid_request_error"}}`))), nil
	}
	a := demoAnswer(q)
	if !q.stream {
		return demoResponse(r, http.StatusOK, "application/json", io.NopCloser(bytes.NewReader(a.whole()))), nil
	}
	return demoResponse(r, http.StatusOK, "text/event-stream", &demoStream{
		ctx: r.Context(), frames: a.frames(), delay: d.delay, closed: make(chan struct{}),
	}), nil
}

func demoResponse(r *http.Request, status int, contentType string, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}}, ContentLength: -1, Body: body, Request: r,
	}
}

type demoRequest struct {
	stream, usage bool
	text          string // the last user message's
	words         int    // in all messages
}

func readDemo(body []byte) (q demoRequest, ok bool) {
	d := jsonx.NewDecoder(body)
	for key := range d.Members() {
		switch string(key) {
		case "stream":
			q.stream = d.Bool()
		case "stream_options":
			for key := range d.Members() {
				if string(key) == "include_usage" {
					q.usage = d.Bool()
				}
			}
		case "messages":
			for range d.Elements() {
				q.message(d)
			}
		}
	}
	return q, d.End() == nil
}

func (q *demoRequest) message(d *jsonx.Decoder) {
	var role, text string
	for key := range d.Members() {
		switch string(key) {
		case "role":
			role = d.String()
		case "content":
			text = demoText(d)
		}
	}
	q.words += len(strings.Fields(text))
	if role == "user" {
		q.text = text
	}
}

// demoText reads content that is a string or a list of parts.
func demoText(d *jsonx.Decoder) string {
	if d.Kind() == jsonx.String {
		return d.String()
	}
	var parts []string
	if d.Kind() == jsonx.Array {
		for range d.Elements() {
			for key := range d.Members() {
				if string(key) == "text" && d.Kind() == jsonx.String {
					parts = append(parts, d.String())
				}
			}
		}
	}
	return strings.Join(parts, "\n")
}

// demoReply is an answer in pieces, which together are its text.
type demoReply struct {
	pieces []string
	prompt int
	usage  bool
}

func demoAnswer(q demoRequest) demoReply {
	text := "This is the demo provider. It needs no key and no network, and repeats what it hears: " + q.text
	if strings.TrimSpace(q.text) == "" {
		text = "This is the demo provider. It needs no key and no network, and repeats what it hears, but it heard nothing."
	}
	return demoReply{pieces: strings.SplitAfter(text, " "), prompt: q.words, usage: q.usage}
}

const demoHead = `{"id":"chatcmpl-demo","object":"`

func (a demoReply) usageJSON() string {
	e := jsonx.Encoder{}
	e.Object().Key("prompt_tokens").Int(int64(a.prompt)).Key("completion_tokens").Int(int64(len(a.pieces))).
		Key("total_tokens").Int(int64(a.prompt + len(a.pieces))).EndObject()
	return string(e.B)
}

func (a demoReply) whole() []byte {
	b := []byte(demoHead + `chat.completion","created":1700000000,"model":"echo","choices":[{"index":0,"message":{"role":"assistant","content":`)
	b = jsonx.AppendString(b, strings.Join(a.pieces, ""))
	return append(b, `},"finish_reason":"stop"}],"usage":`+a.usageJSON()+`}`...)
}

func (a demoReply) frames() [][]byte {
	frame := func(rest string) []byte {
		return []byte("data: " + demoHead + `chat.completion.chunk","created":1700000000,"model":"echo",` + rest + "}\n\n")
	}
	list := [][]byte{frame(`"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`)}
	for _, p := range a.pieces {
		list = append(list, frame(`"choices":[{"index":0,"delta":{"content":`+string(jsonx.AppendString(nil, p))+`},"finish_reason":null}]`))
	}
	list = append(list, frame(`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`))
	if a.usage {
		list = append(list, frame(`"choices":[],"usage":`+a.usageJSON()))
	}
	return append(list, []byte("data: [DONE]\n\n"))
}

// demoStream is a body that comes frame by frame, made while it is read.
type demoStream struct {
	ctx    context.Context
	frames [][]byte
	delay  time.Duration
	begun  bool
	closed chan struct{}
	once   sync.Once
}

var errDemoClosed = errors.New("read of a closed body")

func (s *demoStream) Read(p []byte) (int, error) {
	for len(s.frames) > 0 && len(s.frames[0]) == 0 {
		s.frames, s.begun = s.frames[1:], false
	}
	if len(s.frames) == 0 {
		return 0, io.EOF
	}
	if !s.begun {
		t := time.NewTimer(s.delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		case <-s.closed:
			return 0, errDemoClosed
		}
		s.begun = true
	}
	n := copy(p, s.frames[0])
	s.frames[0] = s.frames[0][n:]
	return n, nil
}

func (s *demoStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
