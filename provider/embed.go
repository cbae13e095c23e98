package provider

import (
	"errors"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

var errOrder = errors.New("the vectors are not in the inputs' order")

// tokensRefused is the answer to inputs that the client has turned into
// tokens of another tokenizer.
func tokensRefused(who string) error {
	e := translate.Errorf(translate.InvalidRequest, "input: %s takes texts, not tokens", who)
	e.Param = "input"
	return e
}

// embeddingLosses tells what a codec without a place for them leaves out.
func embeddingLosses(r *translate.EmbeddingRequest, known ...string) (l translate.Losses) {
	if r.User != "" {
		l.Add("user", "not known to the provider")
	}
next:
	for _, m := range r.Extra {
		for _, k := range known {
			if m.Name == k {
				continue next
			}
		}
		l.Add(m.Name, "not known to the provider")
	}
	return l
}

// fresh returns an encoder of what is to be appended to dst: it tells by the
// byte before whether a comma is due, and dst's last one is none of its own.
func fresh(dst []byte) jsonx.Encoder { return jsonx.Encoder{B: dst[len(dst):]} }

// vectorsOf returns what was read, unless it holds no vectors: then the body
// reports a failure.
func vectorsOf(d *jsonx.Decoder, resp *translate.EmbeddingResponse, body []byte) (*translate.EmbeddingResponse, error) {
	if err := d.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	if resp.Vectors == nil {
		return nil, translate.ParseErrorBody(200, nil, body)
	}
	return resp, nil
}

// vector reads an array of numbers.
func vector(d *jsonx.Decoder) []float32 {
	var v []float32
	for range d.Elements() {
		v = append(v, float32(d.Float()))
	}
	return v
}

// featureExtraction is the codec of HuggingFace's task of that name: inputs in,
// bare vectors out.
type featureExtraction struct{}

func (featureExtraction) AppendRequest(dst []byte, r *translate.EmbeddingRequest) ([]byte, []translate.Loss, error) {
	if len(r.Tokens) > 0 {
		return nil, nil, tokensRefused("HuggingFace")
	}
	e := fresh(dst)
	e.Object().Key("inputs").Array()
	for _, s := range r.Inputs {
		e.String(s)
	}
	e.EndArray()
	losses := embeddingLosses(r, "normalize", "prompt_name", "truncate", "truncation_direction")
	for _, m := range r.Extra {
		switch m.Name {
		case "normalize", "prompt_name", "truncate", "truncation_direction":
			e.Key(m.Name).Raw(m.Value)
		}
	}
	e.EndObject()
	if r.Dimensions != nil {
		losses.Add("dimensions", "the model has dimensions of its own")
	}
	return append(dst, e.B...), losses, nil
}

func (featureExtraction) ParseResponse(body []byte) (*translate.EmbeddingResponse, error) {
	d := jsonx.NewDecoder(body)
	if d.Kind() == jsonx.Object {
		return nil, translate.ParseErrorBody(200, nil, body)
	}
	resp := new(translate.EmbeddingResponse)
	for range d.Elements() {
		resp.Vectors = append(resp.Vectors, vector(d))
	}
	return vectorsOf(d, resp, body)
}
