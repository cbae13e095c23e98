package llmproxy

import (
	"net/http"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

// countServer and countClient are the sides of the codecs whose formats count
// tokens.
type (
	countServer interface {
		ParseCountRequest(body []byte) (*translate.Request, error)
		AppendCountResponse(dst []byte, tokens int64) []byte
	}
	countClient interface {
		AppendCountRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error)
		ParseCountResponse(body []byte) (int64, error)
	}
)

// serveCount serves the routes that count tokens, where the provider does.
func (x *exchange) serveCount() error {
	if err := x.readBody(); err != nil {
		return err
	}
	model := x.rt.model
	var err error
	if x.rt.format == translate.Gemini {
		err = x.checkBody()
	} else {
		model, _, err = x.modelMember()
	}
	if err != nil {
		return err
	}
	x.rec.ModelAsked = model
	targets, err := x.targets(model, x.rt.format)
	if err != nil {
		return err
	}
	return x.run(targets, &job{op: provider.CountTokens, answer: (*attempt).relayCount, call: func(a *attempt) (*provider.Call, error) {
		f, ok := a.counter()
		if !ok {
			return nil, translate.Errorf(translate.Unsupported, "%s does not count tokens", a.target.provider.Name())
		}
		a.format, a.out = f, a.target.outbound(f)
		same := f == x.rt.format && !x.sealed
		c := &provider.Call{Op: provider.CountTokens, Format: f, Model: a.target.model, Translated: !same, Header: headersUp(x.r.Header, false, !same)}
		if same {
			c.Body, c.Layout, c.Edits = x.body, x.layout, a.edits()
			return c, nil
		}
		server, ok := x.inbound().(countServer)
		if !ok {
			return nil, translate.Errorf(translate.Unsupported, "this format counts no tokens")
		}
		req, err := server.ParseCountRequest(x.body)
		if err != nil {
			return nil, err
		}
		req.Format, req.Model = x.rt.format, a.target.model
		body, losses, err := a.out.(countClient).AppendCountRequest(nil, req)
		a.losses = append(a.losses, losses...)
		c.Body = body
		return c, err
	}})
}

// counter chooses the format in which the target counts tokens.
func (a *attempt) counter() (translate.Format, bool) {
	s, ok := a.target.provider.(provider.Supporter)
	if !ok {
		return "", false
	}
	for _, f := range [...]translate.Format{a.rt.format, translate.Anthropic, translate.Gemini} {
		if s.Supports(provider.CountTokens, f, a.target.model) {
			_, counts := a.target.outbound(f).(countClient)
			return f, counts || f == a.rt.format
		}
	}
	return "", false
}

func (a *attempt) relayCount(resp *http.Response) error {
	if a.format == a.rt.format {
		return a.relayRaw(resp)
	}
	body, err := a.readAnswer(resp)
	if err != nil {
		return err
	}
	tokens, err := a.out.(countClient).ParseCountResponse(body)
	if err != nil {
		return err
	}
	a.writeHeader(resp, "application/json", false)
	a.firstByte()
	a.w.WriteHeader(resp.StatusCode)
	return a.write(a.inbound().(countServer).AppendCountResponse(nil, tokens))
}
