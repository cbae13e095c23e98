package clienttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// stubborn answers with floats whatever was asked for, as servers do that do
// not know encoding_format.
func stubborn(q *providertest.Request) *providertest.Reply {
	data := []map[string]any{}
	var in struct{ Input []string }
	_ = json.Unmarshal(q.Body, &in)
	for i := range in.Input {
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": []float64{float64(i), 0.5, -0.25}})
	}
	b, _ := json.MarshalIndent(map[string]any{"object": "list", "data": data, "model": q.Model, "usage": map[string]any{"prompt_tokens": 3, "total_tokens": 3}}, "", " ")
	return &providertest.Reply{Header: map[string][]string{"Content-Type": {"application/json"}}, Chunks: [][]byte{b}}
}

// pitfall 38: the vectors are the provider's, and in the encoding that was asked
// for, whatever the provider knows of encodings.
func TestEmbeddings(t *testing.T) {
	say := providertest.Say(providertest.Answer{})
	floats := providertest.Step{Reply: stubborn}
	for _, up := range []struct {
		name, model string
		make        func() *provider.HTTP
		answer      providertest.Step
		places      string // what the request must hold
	}{
		{"OpenAI", "openai/text-embedding-3-small", provider.OpenAI, say, `"dimensions":3`},
		{"Cohere", "cohere/embed-v4.0", provider.Cohere, say, `"output_dimension":3`},
		{"Mistral", "mistral/codestral-embed", provider.Mistral, say, `"output_dimension":3`},
		{"Gemini", "google-ai-studio/gemini-embedding-001", provider.GoogleAIStudio, say, `"dimensions":3`},
		{"Perplexity", "perplexity/pplx-embed-v1-0.6b", provider.Perplexity, say, `"dimensions":3`},
		{"a server without base64", "ollama/nomic-embed-text", func() *provider.HTTP { return provider.Ollama("http://x") }, floats, `"dimensions":3`},
		{"and with gzip", "ollama/nomic-embed-text", func() *provider.HTTP { return provider.Ollama("http://x") }, floats.With(providertest.Gzip()), `"dimensions":3`},
	} {
		for _, encoding := range []openai.EmbeddingNewParamsEncodingFormat{"", openai.EmbeddingNewParamsEncodingFormatFloat, openai.EmbeddingNewParamsEncodingFormatBase64} {
			t.Run(fmt.Sprintf("%s, encoding %q", up.name, encoding), func(t *testing.T) {
				base, server := serve(t, up.make, up.answer)
				c := openaiClient(base)
				r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
					Model: up.model, Dimensions: openai.Int(3), EncodingFormat: encoding, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}},
				})
				if err != nil {
					t.Fatal(message(err))
				}
				body := string(server.Requests()[0].Body)
				if !strings.Contains(body, up.places) || !strings.Contains(body, `"a"`) || !strings.Contains(body, `"b"`) {
					t.Errorf("the provider was sent %s", body)
				}
				want := [][]float64{{0, 0.5, -0.25}, {1, 0.5, -0.25}}
				if up.name == "Perplexity" { // int8, of which the fake has one
					want = [][]float64{{1, 2, -2}, {1, 2, -2}}
				}
				if len(r.Data) != 2 || r.Usage.PromptTokens != 3 {
					t.Fatalf("%s", r.RawJSON())
				}
				for i, d := range r.Data {
					base64 := strings.HasPrefix(d.JSON.Embedding.Raw(), `"`)
					if !slices.Equal(d.Embedding, want[i]) || d.Index != int64(i) || base64 != (encoding == openai.EmbeddingNewParamsEncodingFormatBase64) {
						t.Errorf("%d: %v, sent as %s", i, d.Embedding, d.JSON.Embedding.Raw())
					}
				}
			})
		}
	}
}

// pitfall 27: an alias over providers of different formats asks the second one
// in its own.
func TestEmbeddingFallback(t *testing.T) {
	cohere, openAI := loopUpstream{model: "cohere/embed-v4.0", make: provider.Cohere}, loopUpstream{model: "openai/text-embedding-3-small", make: provider.OpenAI}
	for _, pairs := range [][2]loopUpstream{{cohere, openAI}, {openAI, cohere}} {
		base, _, second := pair(t, pairs[0], pairs[1], []providertest.Step{providertest.Fail(503, "down")}, []providertest.Step{providertest.Say(providertest.Answer{})})
		c := openaiClient(base)
		r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "best", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}},
			EncodingFormat: openai.EmbeddingNewParamsEncodingFormatBase64})
		if err != nil || len(r.Data) != 2 || !slices.Equal(r.Data[1].Embedding, []float64{1, 0.5, -0.25}) {
			t.Errorf("%s: %v, %s", pairs[1].model, r, message(err))
		}
		if q := second.Requests(); len(q) != 1 || !strings.HasSuffix(pairs[1].model, "/"+q[0].Model) {
			t.Errorf("the second provider was asked %v", q)
		}
	}
}
