package provider

import (
	"encoding/base64"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// perplexityEmbeddings is the codec of Perplexity's embeddings, which are
// OpenAI's but for the vectors: these are signed bytes in base64
// (docs.perplexity.ai, embeddings, encoding_format base64_int8). Only a
// vector's direction means anything, so the bytes stand for their numbers.
type perplexityEmbeddings struct{}

func (perplexityEmbeddings) AppendRequest(dst []byte, r *translate.EmbeddingRequest) ([]byte, []translate.Loss, error) {
	if len(r.Tokens) > 0 {
		return nil, nil, tokensRefused("Perplexity")
	}
	e := fresh(dst)
	e.Object().Key("model").String(r.Model).Key("input").Array()
	for _, s := range r.Inputs {
		e.String(s)
	}
	e.EndArray().Key("encoding_format").String("base64_int8")
	if r.Dimensions != nil {
		e.Key("dimensions").Int(*r.Dimensions)
	}
	e.EndObject()
	return append(dst, e.B...), embeddingLosses(r), nil
}

func (perplexityEmbeddings) ParseResponse(body []byte) (*translate.EmbeddingResponse, error) {
	resp := new(translate.EmbeddingResponse)
	d := jsonx.NewDecoder(body)
	for key := range d.Members() {
		switch string(key) {
		case "model":
			resp.Model = d.String()
		case "data":
			for range d.Elements() {
				index, v := len(resp.Vectors), []float32(nil)
				for key := range d.Members() {
					switch string(key) {
					case "index":
						index = int(d.Int())
					case "embedding":
						raw, err := base64.StdEncoding.DecodeString(d.String())
						if err != nil {
							d.Fail(err)
						}
						v = make([]float32, len(raw))
						for i, b := range raw {
							v[i] = float32(int8(b))
						}
					}
				}
				if index != len(resp.Vectors) {
					d.Fail(errOrder)
				}
				resp.Vectors = append(resp.Vectors, v)
			}
		case "usage":
			for key := range d.Members() {
				if string(key) == "prompt_tokens" {
					resp.Usage = &translate.Usage{Input: d.Int()}
				}
			}
		}
	}
	return vectorsOf(d, resp, body)
}
