package clienttest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/translate"
)

var citySchema = map[string]any{
	"type": "object", "additionalProperties": false, "required": []string{"city", "population"},
	"properties": map[string]any{"city": map[string]any{"type": "string"}, "population": map[string]any{"type": []string{"integer", "null"}}},
}

const cityAnswer = `{"city": "Bern", "population": 134506}`

// structured ask for an answer that fits citySchema, in each SDK's manner.
var structured = []struct {
	name   string
	format translate.Format
	ask    func(ctx context.Context, base, model string, stream bool) (seen, error)
}{
	{"openai-go Chat", translate.OpenAI, func(ctx context.Context, base, model string, stream bool) (seen, error) {
		p := chatParams(model)
		p.Tools = nil
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "city", Strict: openai.Bool(true), Schema: citySchema}}
		r, err := completion(ctx, openaiClient(base), p, stream)
		if err != nil {
			return seen{}, err
		}
		return fromCompletion(r), nil
	}},
	{"openai-go Responses", translate.Responses, func(ctx context.Context, base, model string, stream bool) (seen, error) {
		p := responseParams(model)
		p.Tools = nil
		p.Text.Format = responses.ResponseFormatTextConfigParamOfJSONSchema("city", citySchema)
		r, err := response(ctx, openaiClient(base), p, stream)
		if err != nil {
			return seen{}, err
		}
		return fromResponse(r), nil
	}},
	{"anthropic-sdk-go", translate.Anthropic, func(ctx context.Context, base, model string, stream bool) (seen, error) {
		p := messageParams(model)
		p.Tools = nil
		p.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: citySchema}
		m, err := messageOf(ctx, anthropicClient(base), p, stream)
		if err != nil {
			return seen{}, err
		}
		return fromMessage(m), nil
	}},
	{"genai", translate.Gemini, geminiStructured(func(c *genai.GenerateContentConfig) { c.ResponseJsonSchema = citySchema })},
	{"genai Schema", translate.Gemini, geminiStructured(func(c *genai.GenerateContentConfig) {
		c.ResponseSchema = &genai.Schema{Type: genai.TypeObject, Required: []string{"city", "population"}, Properties: map[string]*genai.Schema{
			"city": {Type: genai.TypeString}, "population": {Type: genai.TypeInteger, Nullable: genai.Ptr(true)}}}
	})},
}

func geminiStructured(set func(*genai.GenerateContentConfig)) func(ctx context.Context, base, model string, stream bool) (seen, error) {
	return func(ctx context.Context, base, model string, stream bool) (seen, error) {
		config := geminiConfig()
		config.Tools, config.ResponseMIMEType = nil, "application/json"
		set(config)
		return generate(ctx, base, model, genai.Text("hi"), config, stream)
	}
}

// schemaPlaces are where providers take a schema, and what must stand beside.
var schemaPlaces = []struct {
	model  string
	make   func() *provider.HTTP
	schema string // a path; empty: the provider has none, and the answer's header says so
	beside map[string]string
}{
	{"groq/llama", provider.Groq, "response_format.json_schema.schema", map[string]string{"response_format.type": "json_schema"}},
	{"mistral/m", provider.Mistral, "response_format.json_schema.schema", map[string]string{"response_format.type": "json_schema"}},
	{"deepseek/deepseek-chat", provider.DeepSeek, "", map[string]string{"response_format.type": "json_object"}},
	{"openai/gpt-5-codex", provider.OpenAI, "text.format.schema", map[string]string{"text.format.type": "json_schema"}},
	{"anthropic/claude-sonnet-4-5", provider.Anthropic, "output_config.format.schema", map[string]string{"output_config.format.type": "json_schema"}},
	{"google-ai-studio/gemini-3-pro", provider.GoogleAIStudio, "generationConfig.responseJsonSchema", map[string]string{"generationConfig.responseMimeType": "application/json"}},
	{"cohere/command-a", provider.Cohere, "response_format.json_schema", map[string]string{"response_format.type": "json_object"}},
	{"aws-bedrock/anthropic.claude-sonnet-4-5-v1:0", func() *provider.HTTP { return provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}) },
		"outputConfig.textFormat.structure.jsonSchema.schema", map[string]string{"outputConfig.textFormat.type": "json_schema"}},
}

// pitfall 21: a schema reaches the provider in its own place, and the answer is
// what the schema says; where there is no such place, nobody is left to think
// that there is.
func TestStructuredOutput(t *testing.T) {
	for _, c := range structured {
		for _, up := range schemaPlaces {
			if _, model, _ := strings.Cut(up.model, "/"); slices.Contains(up.make().Formats(model), c.format) {
				continue
			}
			t.Run(c.name+" to "+up.model, func(t *testing.T) {
				base, server := serve(t, up.make, providertest.Text(cityAnswer), providertest.Text(cityAnswer))
				for _, stream := range []bool{false, true} {
					s, err := c.ask(t.Context(), base, up.model, stream)
					var city struct {
						City       string
						Population int
					}
					if err != nil || json.Unmarshal([]byte(s.text), &city) != nil || city.City != "Bern" || city.Population != 134506 {
						t.Errorf("stream %v: %v, %s", stream, s, message(err))
					}
				}
				for _, q := range server.Requests() {
					checkSchema(t, q.Body, up.schema, up.beside)
				}
			})
		}
	}
}

func checkSchema(t *testing.T, body []byte, path string, beside map[string]string) {
	t.Helper()
	var n node
	if err := json.Unmarshal(body, &n.v); err != nil {
		t.Fatal(err)
	}
	for p, want := range beside {
		if got := n.at(strings.Split(p, ".")...).str(); got != want {
			t.Errorf("%s is %q in %s", p, got, body)
		}
	}
	if path == "" {
		return
	}
	schema := n.at(strings.Split(path, ".")...)
	if s := schema.str(); s != "" { // Bedrock has it as a string
		if err := json.Unmarshal([]byte(s), &schema.v); err != nil {
			t.Fatal(err)
		}
	}
	population := schema.at("properties", "population")
	if got := schema.at("properties", "city", "type").str(); got != "string" || len(schema.at("required").list()) != 2 || schema.at("type").str() != "object" || !strings.Contains(population.String(), `"integer"`) || !strings.Contains(population.String(), "null") {
		t.Errorf("at %s stands %v in %s", path, schema, body)
	}
}

// What a provider cannot promise is told, and refused where the client minds.
func TestSchemaLoss(t *testing.T) {
	base, _ := serve(t, provider.DeepSeek, providertest.Text(cityAnswer))
	ask := func(strict string) *http.Response {
		body := `{"model":"deepseek/deepseek-chat","input":"hi","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}}}`
		req, _ := http.NewRequest("POST", base+"/v1/responses", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+clientKey)
		req.Header.Set("Llmproxy-Strict", strict)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if resp := ask("false"); resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Llmproxy-Loss"), "response_format") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp := ask("true"); resp.StatusCode != 400 {
		t.Errorf("strict: %d", resp.StatusCode)
	}
}
