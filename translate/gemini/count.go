package gemini

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseCountRequest parses a request of countTokens: contents alone, or a whole
// generateContentRequest.
func (in Inbound) ParseCountRequest(body []byte) (*translate.Request, error) {
	if found, err := jsonx.Top(body, "generateContentRequest"); err == nil && jsonx.KindOf(found[0]) == jsonx.Object {
		body = found[0]
	}
	return parseRequest(body)
}

// AppendCountResponse appends the answer to a request of countTokens.
func (in Inbound) AppendCountResponse(dst []byte, tokens int64) []byte {
	e := jsonx.Encoder{}
	return append(dst, e.Object().Key("totalTokens").Int(tokens).EndObject().B...)
}

// AppendCountRequest appends the request of countTokens for r. Vertex AI takes
// the request's own members, AI Studio takes it whole, with the model's name.
func (o Outbound) AppendCountRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	body, losses, err := o.AppendRequest(nil, r)
	if err != nil || o.Vertex {
		return append(dst, body...), losses, err
	}
	whole, err := jsonx.Splice(nil, body, jsonx.Edit{Name: "model", Value: jsonx.AppendString(nil, "models/"+r.Model)})
	if err != nil {
		return dst, losses, err
	}
	e := jsonx.Encoder{}
	return append(dst, e.Object().Key("generateContentRequest").Raw(whole).EndObject().B...), losses, nil
}

// ParseCountResponse parses the answer of countTokens.
func (o Outbound) ParseCountResponse(body []byte) (int64, error) {
	found, err := jsonx.Top(body, "totalTokens")
	if err != nil {
		return 0, translate.Malformed(err)
	}
	if found[0] == nil {
		return 0, o.ParseError(200, nil, body)
	}
	d := jsonx.NewDecoder(found[0])
	n := d.Int()
	if d.End() != nil {
		return 0, translate.Malformed(d.Err())
	}
	return n, nil
}
