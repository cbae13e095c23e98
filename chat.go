package llmproxy

import (
	"bytes"
	"encoding/base64"
	"io"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/bedrock"
	"github.com/go-llmproxy/llmproxy/translate/cohere"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

func newBytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// outbound returns the client's side of a format for a target.
func (t *target) outbound(f translate.Format) translate.Outbound {
	if tr, ok := t.provider.(provider.Translator); ok {
		if out := tr.Outbound(f, t.model); out != nil {
			return out
		}
	}
	switch f {
	case translate.Responses:
		return responses.Outbound{}
	case translate.Anthropic:
		return anthropic.Outbound{}
	case translate.Gemini:
		return gemini.Outbound{}
	case translate.Cohere:
		return cohere.Outbound{}
	case translate.Bedrock:
		return bedrock.Outbound{}
	}
	return openai.Outbound{}
}

// serveChat serves the routes of chat in all formats.
func (x *exchange) serveChat() error {
	targets, err := x.asked()
	if err != nil {
		return err
	}
	serve := func() error {
		if done, err := x.prepareChat(targets); done || err != nil {
			return err
		}
		return x.run(targets, chatJob)
	}
	if x.p.cache != nil {
		return x.cached(serve)
	}
	return serve()
}

// asked reads the request, and returns the targets of the model that it names.
func (x *exchange) asked() ([]target, error) {
	if err := x.readBody(); err != nil {
		return nil, err
	}
	model, stream := x.rt.model, x.rt.stream
	if x.rt.format == translate.Gemini {
		if err := x.checkBody(); err != nil {
			return nil, err
		}
	} else {
		var err error
		if model, stream, err = x.modelMember(); err != nil {
			return nil, err
		}
	}
	x.stream = stream
	x.rec.ModelAsked, x.rec.Stream = model, stream
	return x.targets(model, x.rt.format)
}

// chatJob is what every chat wants.
var chatJob = &job{op: provider.Chat, call: (*attempt).chatCall, answer: (*attempt).relay}

// prepareChat prepares to ask the targets. Done says that there is no need to.
func (x *exchange) prepareChat(targets []target) (done bool, err error) {
	// Whether any of this must be read is known before a key is taken, as the
	// conversation may carry state of a certain key.
	if f, ok := targets[0].formatFor(x.rt.format); x.sealed || ok && f != x.rt.format {
		if err := x.parseRequest(); err != nil {
			return false, err
		}
	}
	if g := x.p.gateway; g != nil && g.Universal {
		if done, err := x.runUniversal(targets, chatJob); done && (err == nil || x.committed || !x.direct) {
			return true, err
		}
	}
	return false, nil
}

// forget gives back the memory of a request that is answered for good: its
// stream may be open for hours.
func (x *exchange) forget() {
	if r := x.req; r != nil { // it aliases the body
		if r.Format == translate.Responses {
			return // whose events repeat much of the request
		}
		*r = translate.Request{Format: r.Format, Model: r.Model, Stream: r.Stream, IncludeUsage: r.IncludeUsage}
	}
	x.input, x.forgotten = inputTokens(x.body), true
	x.release()
}

// release gives back the memory of the request.
func (x *exchange) release() {
	x.layout.Release()
	x.body, x.layout, x.streamOptions = nil, nil, nil
	x.bodies.release()
}

// parseRequest parses the body, once. Of one that is forgotten it knows no more
// than how an error is told.
func (x *exchange) parseRequest() error {
	if x.req != nil {
		return nil
	}
	if x.forgotten {
		x.req = &translate.Request{Format: x.rt.format, Model: x.rec.ModelAsked, Stream: x.stream}
		return nil
	}
	req, err := x.inbound().ParseRequest(x.body)
	if err != nil {
		return err
	}
	req.Format, req.Stream = x.rt.format, x.stream
	if req.Model == "" {
		req.Model = x.rec.ModelAsked
	}
	x.req, x.owner = req, req.StateKey()
	return nil
}

// chatCall builds an attempt's call: the client's bytes where the target
// speaks its format, else the request translated, from scratch each time.
func (a *attempt) chatCall() (*provider.Call, error) {
	x := a.exchange
	f, ok := a.target.formatFor(x.rt.format)
	if !ok {
		return nil, translate.Errorf(translate.Unsupported, "%s does not serve chat for the model %s", a.target.provider.Name(), quote(a.target.model))
	}
	a.format, a.out = f, a.target.outbound(f)
	a.unasked = a.asksUsage()
	c := &provider.Call{
		Op: provider.Chat, Format: f, Model: a.target.model, Stream: x.stream, Translated: f != x.rt.format,
		Header: headersUp(x.r.Header, false, f != x.rt.format),
	}
	if !c.Translated && !x.sealed {
		c.Body, c.Layout, c.Edits = x.body, x.layout, a.edits()
		return c, nil
	}
	req, err := a.neutral()
	if err != nil {
		return nil, err
	}
	model := x.req.Model
	req.Model = a.target.model // it may be x.req: while it is written
	body, losses, err := a.out.AppendRequest(x.bodies.get(len(x.body)+len(x.body)/8+256).b, req)
	x.req.Model = model
	a.losses = append(a.losses, losses...)
	c.Body = body
	return c, err
}

// edits are what the client's body needs to name the target's model, and to ask
// for usage where nobody did.
func (a *attempt) edits() []provider.Edit {
	var edits []provider.Edit
	if a.target.model != a.rec.ModelAsked && a.rt.format != translate.Gemini {
		edits = append(edits, provider.Edit{Name: "model", Value: jsonx.AppendString(make([]byte, 0, len(a.target.model)+2), a.target.model)})
	}
	if a.unasked {
		edits = append(edits, a.usageEdit())
	}
	return edits
}

// neutral returns the request in no format's terms, for this target and key; it
// names the model that the client asked for.
func (a *attempt) neutral() (*translate.Request, error) {
	x := a.exchange
	if err := x.parseRequest(); err != nil {
		return nil, err
	}
	req := x.req
	if x.owner != "" { // a conversation may hold the state of several keys
		without, losses := req.WithoutStateOf(a.key.ID)
		req = without
		a.losses = append(a.losses, losses...)
	}
	return a.fetchMedia(req)
}

// fetchMedia puts in the bytes of media that the target takes no URLs of,
// where the host lets it. Without a fetcher the codec refuses them.
func (a *attempt) fetchMedia(r *translate.Request) (*translate.Request, error) {
	accepts, ok := a.out.(translate.URLAcceptor)
	if !ok || a.p.fetch == nil {
		return r, nil
	}
	var err error
	req := *r
	req.Messages = translate.MapMedia(req.Messages, func(m *translate.Media) *translate.Media {
		if err != nil || m.URL == "" || accepts.AcceptsURL(m) {
			return m
		}
		var mime string
		var data []byte
		if mime, data, err = a.p.fetch(a.r.Context(), m.URL); err != nil {
			err = &translate.Error{Kind: translate.InvalidRequest, Message: "the media at " + quote(m.URL) + " could not be fetched", Err: err}
			return m
		}
		fetched := *m
		fetched.URL, fetched.MIMEType = "", mime
		fetched.Data = base64.StdEncoding.EncodeToString(data)
		return &fetched
	})
	return &req, err
}
