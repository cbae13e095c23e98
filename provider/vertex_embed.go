package provider

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// vertexEmbeddings is the codec of Vertex AI's :predict for embedding models
// (cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api).
type vertexEmbeddings struct{}

func (vertexEmbeddings) AppendRequest(dst []byte, r *translate.EmbeddingRequest) ([]byte, []translate.Loss, error) {
	if len(r.Tokens) > 0 {
		return nil, nil, tokensRefused("Vertex AI")
	}
	var task, title []byte
	e := fresh(dst)
	for _, m := range r.Extra {
		switch m.Name {
		case "task_type", "taskType":
			task = m.Value
		case "title":
			title = m.Value
		}
	}
	e.Object().Key("instances").Array()
	for _, s := range r.Inputs {
		e.Object().Key("content").String(s)
		if task != nil {
			e.Key("task_type").Raw(task)
		}
		if title != nil {
			e.Key("title").Raw(title)
		}
		e.EndObject()
	}
	e.EndArray()
	if r.Dimensions != nil {
		e.Key("parameters").Object().Key("outputDimensionality").Int(*r.Dimensions).EndObject()
	}
	e.EndObject()
	return append(dst, e.B...), embeddingLosses(r, "task_type", "taskType", "title"), nil
}

func (vertexEmbeddings) ParseResponse(body []byte) (*translate.EmbeddingResponse, error) {
	resp := new(translate.EmbeddingResponse)
	d := jsonx.NewDecoder(body)
	for key := range d.Members() {
		switch string(key) {
		case "predictions":
			for range d.Elements() {
				resp.Vectors = append(resp.Vectors, prediction(d, resp))
			}
		}
	}
	return vectorsOf(d, resp, body)
}

// prediction reads {"embeddings":{"values":[…],"statistics":{"token_count":n}}}.
func prediction(d *jsonx.Decoder, resp *translate.EmbeddingResponse) (v []float32) {
	for key := range d.Members() {
		if string(key) != "embeddings" {
			continue
		}
		for key := range d.Members() {
			switch string(key) {
			case "values":
				v = vector(d)
			case "statistics":
				for key := range d.Members() {
					if string(key) == "token_count" {
						if resp.Usage == nil {
							resp.Usage = new(translate.Usage)
						}
						resp.Usage.Input += d.Int()
					}
				}
			}
		}
	}
	return v
}
