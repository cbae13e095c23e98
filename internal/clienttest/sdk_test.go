package clienttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy/translate"
)

// seen is what an SDK's user sees of an answer.
type seen struct {
	text    string
	calls   []string
	thought string // where the SDK shows it
}

func (s seen) String() string { return fmt.Sprintf("%q %q", s.text, s.calls) }

func compact(raw string) string {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return raw
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// client is an SDK, asking one question, with a tool at hand.
type client struct {
	name   string
	format translate.Format
	run    func(ctx context.Context, base, model string, stream bool) (seen, error)
}

func (c client) ask(ctx context.Context, base, model string) (seen, error) {
	return c.run(ctx, base, model, false)
}

func (c client) watch(ctx context.Context, base, model string) (seen, error) {
	return c.run(ctx, base, model, true)
}

func openaiClient(base string) openai.Client {
	return openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(clientKey), option.WithMaxRetries(0))
}

func chatParams(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("be brief"), openai.UserMessage("hi")},
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name: "f", Description: openai.String("d"), Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{"x": map[string]any{"type": "integer"}}}})},
	}
}

func fromCompletion(c *openai.ChatCompletion) (s seen) {
	if len(c.Choices) == 0 {
		return s
	}
	m := c.Choices[0].Message
	s.text = m.Content
	for _, tc := range m.ToolCalls {
		s.calls = append(s.calls, tc.Function.Name+compact(tc.Function.Arguments))
	}
	return s
}

func responseParams(model string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: model, Instructions: openai.String("be brief"), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hi")},
		Tools: []responses.ToolUnionParam{responses.ToolParamOfFunction("f", map[string]any{"type": "object", "properties": map[string]any{"x": map[string]any{"type": "integer"}}}, false)},
	}
}

func fromResponse(r *responses.Response) (s seen) {
	s.text = r.OutputText()
	for _, item := range r.Output {
		if item.Type == "function_call" {
			call := item.AsFunctionCall()
			s.calls = append(s.calls, call.Name+compact(call.Arguments))
		}
	}
	return s
}

func anthropicClient(base string) anthropic.Client {
	return anthropic.NewClient(aoption.WithBaseURL(base), aoption.WithAPIKey(clientKey), aoption.WithMaxRetries(0))
}

func messageParams(model string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 1000, System: []anthropic.TextBlockParam{{Text: "be brief"}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))},
		Tools: []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "f", Description: anthropic.String("d"),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"x": map[string]any{"type": "integer"}}}}}},
	}
}

func fromMessage(m *anthropic.Message) (s seen) {
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			s.text += b.Text
		case "tool_use":
			s.calls = append(s.calls, b.Name+compact(string(b.Input)))
		}
	}
	return s
}

func geminiClient(ctx context.Context, base string) (*genai.Client, error) {
	return genai.NewClient(ctx, &genai.ClientConfig{APIKey: clientKey, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: base}})
}

func geminiConfig() *genai.GenerateContentConfig {
	return &genai.GenerateContentConfig{
		SystemInstruction: genai.NewContentFromText("be brief", genai.RoleUser),
		Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "f", Description: "d",
			Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"x": {Type: genai.TypeInteger}}}}}}},
	}
}

func (s *seen) addGemini(r *genai.GenerateContentResponse) {
	for _, c := range r.Candidates {
		if c.Content == nil {
			continue
		}
		for _, p := range c.Content.Parts {
			switch {
			case p.FunctionCall != nil:
				args, _ := json.Marshal(p.FunctionCall.Args)
				s.calls = append(s.calls, p.FunctionCall.Name+string(args))
			case p.Thought:
				s.thought += p.Text
			default:
				s.text += p.Text
			}
		}
	}
}

var clients = []client{
	{"openai-go Chat", translate.OpenAI, func(ctx context.Context, base, model string, stream bool) (seen, error) {
		r, err := completion(ctx, openaiClient(base), chatParams(model), stream)
		if err != nil {
			return seen{}, err
		}
		return fromCompletion(r), nil
	}},
	{"openai-go Responses", translate.Responses, func(ctx context.Context, base, model string, stream bool) (seen, error) {
		r, err := response(ctx, openaiClient(base), responseParams(model), stream)
		if err != nil {
			return seen{}, err
		}
		return fromResponse(r), nil
	}},
	{"anthropic-sdk-go", translate.Anthropic, func(ctx context.Context, base, model string, stream bool) (seen, error) {
		m, err := messageOf(ctx, anthropicClient(base), messageParams(model), stream)
		if err != nil {
			return seen{}, err
		}
		return fromMessage(m), nil
	}},
	{"genai", translate.Gemini, func(ctx context.Context, base, model string, stream bool) (seen, error) {
		return generate(ctx, base, model, genai.Text("hi"), geminiConfig(), stream)
	}},
}

func completion(ctx context.Context, c openai.Client, p openai.ChatCompletionNewParams, stream bool) (*openai.ChatCompletion, error) {
	if !stream {
		return c.Chat.Completions.New(ctx, p)
	}
	s := c.Chat.Completions.NewStreaming(ctx, p)
	var acc openai.ChatCompletionAccumulator
	for s.Next() {
		acc.AddChunk(s.Current())
	}
	if s.Err() == nil && len(acc.Choices) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &acc.ChatCompletion, s.Err()
}

func response(ctx context.Context, c openai.Client, p responses.ResponseNewParams, stream bool) (*responses.Response, error) {
	if !stream {
		return c.Responses.New(ctx, p)
	}
	s := c.Responses.NewStreaming(ctx, p)
	var done *responses.Response
	for s.Next() {
		switch e := s.Current(); e.Type {
		case "response.completed":
			r := e.AsResponseCompleted().Response
			done = &r
		case "response.failed", "error":
			return nil, errors.New(e.RawJSON())
		}
	}
	if s.Err() == nil && done == nil {
		return nil, io.ErrUnexpectedEOF
	}
	return done, s.Err()
}

func messageOf(ctx context.Context, c anthropic.Client, p anthropic.MessageNewParams, stream bool) (*anthropic.Message, error) {
	if !stream {
		return c.Messages.New(ctx, p)
	}
	s := c.Messages.NewStreaming(ctx, p)
	m := new(anthropic.Message)
	for s.Next() {
		if err := m.Accumulate(s.Current()); err != nil {
			return nil, err
		}
	}
	return m, s.Err()
}

func generate(ctx context.Context, base, model string, contents []*genai.Content, config *genai.GenerateContentConfig, stream bool) (s seen, err error) {
	c, err := geminiClient(ctx, base)
	if err != nil {
		return s, err
	}
	if !stream {
		r, err := c.Models.GenerateContent(ctx, model, contents, config)
		if err == nil {
			s.addGemini(r)
		}
		return s, err
	}
	for r, err := range c.Models.GenerateContentStream(ctx, model, contents, config) {
		if err != nil {
			return s, err
		}
		s.addGemini(r)
	}
	return s, nil
}
