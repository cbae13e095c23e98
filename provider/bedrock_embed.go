package provider

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// titan is the codec of Amazon's Titan text embeddings by InvokeModel, which
// takes one text at a time
// (docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html).
type titan struct{}

func (titan) AppendRequest(dst []byte, r *translate.EmbeddingRequest) ([]byte, []translate.Loss, error) {
	if len(r.Tokens) > 0 {
		return nil, nil, tokensRefused("Titan")
	}
	if len(r.Inputs) != 1 {
		e := translate.Errorf(translate.InvalidRequest, "input: Titan takes one text at a time")
		e.Param = "input"
		return nil, nil, e
	}
	e := fresh(dst)
	e.Object().Key("inputText").String(r.Inputs[0])
	if r.Dimensions != nil {
		e.Key("dimensions").Int(*r.Dimensions)
	}
	for _, m := range r.Extra {
		if m.Name == "normalize" {
			e.Key("normalize").Raw(m.Value)
		}
	}
	e.EndObject()
	return append(dst, e.B...), embeddingLosses(r, "normalize"), nil
}

func (titan) ParseResponse(body []byte) (*translate.EmbeddingResponse, error) {
	resp := new(translate.EmbeddingResponse)
	d := jsonx.NewDecoder(body)
	for key := range d.Members() {
		switch string(key) {
		case "embedding":
			resp.Vectors = [][]float32{vector(d)}
		case "inputTextTokenCount":
			resp.Usage = &translate.Usage{Input: d.Int()}
		}
	}
	return vectorsOf(d, resp, body)
}

// bedrockCohere is the codec of Cohere's embeddings by InvokeModel: Cohere's
// own format without the model, answered in two shapes.
type bedrockCohere struct{}

func (bedrockCohere) AppendRequest(dst []byte, r *translate.EmbeddingRequest) ([]byte, []translate.Loss, error) {
	if len(r.Tokens) > 0 {
		return nil, nil, tokensRefused("Cohere")
	}
	input, truncate := []byte(`"search_document"`), []byte(nil)
	for _, m := range r.Extra {
		switch m.Name {
		case "input_type":
			input = m.Value
		case "truncate":
			truncate = m.Value
		}
	}
	e := fresh(dst)
	e.Object().Key("texts").Array()
	for _, s := range r.Inputs {
		e.String(s)
	}
	e.EndArray().Key("input_type").Raw(input).Key("embedding_types").Array().String("float").EndArray()
	if truncate != nil {
		e.Key("truncate").Raw(truncate)
	}
	if r.Dimensions != nil { // Embed v4
		e.Key("output_dimension").Int(*r.Dimensions)
	}
	e.EndObject()
	return append(dst, e.B...), embeddingLosses(r, "input_type", "truncate"), nil
}

func (bedrockCohere) ParseResponse(body []byte) (*translate.EmbeddingResponse, error) {
	resp := new(translate.EmbeddingResponse)
	d := jsonx.NewDecoder(body)
	rows := func() {
		for range d.Elements() {
			resp.Vectors = append(resp.Vectors, vector(d))
		}
	}
	for key := range d.Members() {
		if string(key) != "embeddings" {
			continue
		}
		if d.Kind() == jsonx.Array {
			rows()
			continue
		}
		for key := range d.Members() {
			if string(key) == "float" {
				rows()
			}
		}
	}
	return vectorsOf(d, resp, body)
}
