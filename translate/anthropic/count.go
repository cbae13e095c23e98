package anthropic

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseCountRequest parses a request of count_tokens, which has no max_tokens.
func (in Inbound) ParseCountRequest(body []byte) (*translate.Request, error) {
	in.counting = true
	return in.ParseRequest(body)
}

// AppendCountRequest appends the body of a count_tokens request for r: what
// AppendRequest writes, without the members that have no part in the prompt.
func (o Outbound) AppendCountRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	return o.appendRequest(dst, r, true)
}

// ParseCountResponse parses the answer of count_tokens. A body that reports a
// failure gives an *translate.Error.
func (o Outbound) ParseCountResponse(body []byte) (int64, error) {
	d := jsonx.NewDecoder(body)
	var n int64
	found := false
	for k := range d.Members() {
		if string(k) == "input_tokens" {
			n, found = d.Int(), true
		}
	}
	if err := d.End(); err != nil {
		return 0, translate.Malformed(err)
	}
	if !found {
		return 0, o.ParseError(200, nil, body)
	}
	return n, nil
}

// AppendCountResponse appends the answer to a count_tokens request.
func (in Inbound) AppendCountResponse(dst []byte, inputTokens int64) []byte {
	e := jsonx.Encoder{}
	e.Object().Key("input_tokens").Int(inputTokens).EndObject()
	return append(dst, e.B...)
}
