package provider_test

import (
	"reflect"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

func TestEmbeddingCodecs(t *testing.T) {
	dims := int64(256)
	extra := func(name, value string) []translate.Member {
		return []translate.Member{{Name: name, Value: []byte(value)}}
	}
	for _, tt := range []struct {
		name, provider, model string
		req                   translate.EmbeddingRequest
		body                  string
		losses                []string
		answer                string
		want                  translate.EmbeddingResponse
	}{
		{"perplexity", "perplexity", "pplx-embed-v1", translate.EmbeddingRequest{Inputs: []string{"a", "b"}, Dimensions: &dims, User: "u"},
			`{"model":"m","input":["a","b"],"encoding_format":"base64_int8","dimensions":256}`, []string{"user"},
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AQL+"},{"index":1,"embedding":"gH8="}],"model":"pplx","usage":{"prompt_tokens":4,"total_tokens":4}}`,
			translate.EmbeddingResponse{Model: "pplx", Vectors: [][]float32{{1, 2, -2}, {-128, 127}}, Usage: &translate.Usage{Input: 4}}},
		{"huggingface", "huggingface", "o/m", translate.EmbeddingRequest{Inputs: []string{"a"}, Dimensions: &dims, Extra: extra("normalize", "true")},
			`{"inputs":["a"],"normalize":true}`, []string{"dimensions"}, `[[0.5,-1]]`, translate.EmbeddingResponse{Vectors: [][]float32{{0.5, -1}}}},
		{"vertex", "google-vertex-ai", "gemini-embedding-001", translate.EmbeddingRequest{Inputs: []string{"a", "b"}, Dimensions: &dims, Extra: append(extra("task_type", `"RETRIEVAL_QUERY"`), extra("foo", "1")...)},
			`{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY"},{"content":"b","task_type":"RETRIEVAL_QUERY"}],"parameters":{"outputDimensionality":256}}`, []string{"foo"},
			`{"predictions":[{"embeddings":{"values":[1,2],"statistics":{"truncated":false,"token_count":3}}},{"embeddings":{"statistics":{"token_count":4},"values":[3]}}]}`,
			translate.EmbeddingResponse{Vectors: [][]float32{{1, 2}, {3}}, Usage: &translate.Usage{Input: 7}}},
		{"titan", "aws-bedrock", "amazon.titan-embed-text-v2:0", translate.EmbeddingRequest{Inputs: []string{"ä"}, Dimensions: &dims, Extra: extra("normalize", "false")},
			`{"inputText":"ä","dimensions":256,"normalize":false}`, nil, `{"embedding":[1,2.5],"inputTextTokenCount":2}`, translate.EmbeddingResponse{Vectors: [][]float32{{1, 2.5}}, Usage: &translate.Usage{Input: 2}}},
		{"bedrock cohere", "aws-bedrock", "cohere.embed-v4:0", translate.EmbeddingRequest{Inputs: []string{"a"}, Extra: extra("input_type", `"search_query"`)},
			`{"texts":["a"],"input_type":"search_query","embedding_types":["float"]}`, nil, `{"embeddings":{"float":[[1]]},"id":"x"}`, translate.EmbeddingResponse{Vectors: [][]float32{{1}}}},
		{"bedrock cohere of old", "aws-bedrock", "us.cohere.embed-english-v3", translate.EmbeddingRequest{Inputs: []string{"a"}},
			`{"texts":["a"],"input_type":"search_document","embedding_types":["float"]}`, nil, `{"embeddings":[[1,2]],"response_type":"embeddings_floats"}`, translate.EmbeddingResponse{Vectors: [][]float32{{1, 2}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			codec := all()[tt.provider].Embeddings(tt.model)
			tt.req.Model = "m"
			body, losses, err := codec.AppendRequest([]byte("{x}"), &tt.req)
			if err != nil || string(body) != "{x}"+tt.body {
				t.Errorf("%s, %v", body, err)
			}
			var paths []string
			for _, l := range losses {
				paths = append(paths, l.Path)
			}
			if !reflect.DeepEqual(paths, tt.losses) {
				t.Errorf("losses %v", losses)
			}
			got, err := codec.ParseResponse([]byte(tt.answer))
			if err != nil || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("%+v, %v", got, err)
			}
			if _, _, err := codec.AppendRequest(nil, &translate.EmbeddingRequest{Tokens: [][]int{{1}}}); err == nil {
				t.Error("tokens were taken")
			}
			for _, bad := range []string{`{"error":{"message":"no","code":400}}`, `{`, ``, `{"message":"no"}x`} {
				if r, err := codec.ParseResponse([]byte(bad)); err == nil {
					t.Errorf("%q gave %+v", bad, r)
				}
			}
		})
	}
	if _, _, err := all()["aws-bedrock"].Embeddings("amazon.titan-embed-text-v2:0").AppendRequest(nil, &translate.EmbeddingRequest{Inputs: []string{"a", "b"}}); err == nil {
		t.Error("Titan took two texts")
	}
}
