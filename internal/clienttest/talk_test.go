package clienttest

import (
	"context"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"google.golang.org/genai"
)

// talk is one step of a conversation: what the user says, or the results of the
// calls of the step before, in their order.
type talk func(user string, results []string) (seen, error)

// conversations are kept as a plain user of each SDK keeps them: what the SDK
// returned is turned into a parameter by the SDK's own means, and appended.
var conversations = []struct {
	name  string
	start func(ctx context.Context, base, model string, stream bool) talk
}{
	{"openai-go Chat", talkChat},
	{"openai-go Responses", talkResponses},
	{"anthropic-sdk-go", talkMessages},
	{"genai", talkGemini},
}

func talkChat(ctx context.Context, base, model string, stream bool) talk {
	c, p := openaiClient(base), chatParams(model)
	p.Messages, p.ReasoningEffort = p.Messages[:1], shared.ReasoningEffortMedium
	var last openai.ChatCompletionMessage
	return func(user string, results []string) (seen, error) {
		if user != "" {
			p.Messages = append(p.Messages, openai.UserMessage(user))
		}
		for i, r := range results {
			p.Messages = append(p.Messages, openai.ToolMessage(r, last.ToolCalls[i].ID))
		}
		r, err := completion(ctx, c, p, stream)
		if err != nil {
			return seen{}, err
		}
		last = r.Choices[0].Message
		p.Messages = append(p.Messages, last.ToParam())
		return fromCompletion(r), nil
	}
}

func talkResponses(ctx context.Context, base, model string, stream bool) talk {
	c, p := openaiClient(base), responseParams(model)
	p.Store, p.Include = openai.Bool(false), []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortMedium, Summary: shared.ReasoningSummaryAuto}
	var items []responses.ResponseInputItemUnionParam
	var ids []string
	return func(user string, results []string) (s seen, err error) {
		if user != "" {
			items = append(items, responses.ResponseInputItemParamOfMessage(user, responses.EasyInputMessageRoleUser))
		}
		for i, r := range results {
			out := responses.ResponseInputItemParamOfFunctionCallOutput(r)
			out.OfFunctionCallOutput.CallID = openai.String(ids[i])
			items = append(items, out)
		}
		p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: items}
		r, err := response(ctx, c, p, stream)
		if err != nil {
			return s, err
		}
		ids = nil
		s = fromResponse(r)
		for _, item := range r.Output {
			var in responses.ResponseInputItemUnionParam
			switch item.Type {
			case "function_call":
				call := item.AsFunctionCall().ToParam()
				in.OfFunctionCall = &call
				ids = append(ids, item.CallID)
			case "reasoning":
				reasoning := item.AsReasoning().ToParam()
				in.OfReasoning = &reasoning
				for _, part := range item.Summary {
					s.thought += part.Text
				}
			case "message":
				message := item.AsMessage().ToParam()
				in.OfOutputMessage = &message
			}
			items = append(items, in)
		}
		return s, nil
	}
}

func talkMessages(ctx context.Context, base, model string, stream bool) talk {
	c, p := anthropicClient(base), messageParams(model)
	p.Messages, p.MaxTokens = nil, 4000
	p.Thinking = anthropic.ThinkingConfigParamOfEnabled(2000)
	var last *anthropic.Message
	return func(user string, results []string) (seen, error) {
		if user != "" {
			p.Messages = append(p.Messages, anthropic.NewUserMessage(anthropic.NewTextBlock(user)))
		}
		var blocks []anthropic.ContentBlockParamUnion
		if len(results) > 0 {
			for _, b := range last.Content {
				if b.Type == "tool_use" {
					blocks = append(blocks, anthropic.NewToolResultBlock(b.ID, results[len(blocks)], false))
				}
			}
			p.Messages = append(p.Messages, anthropic.NewUserMessage(blocks...))
		}
		m, err := messageOf(ctx, c, p, stream)
		if err != nil {
			return seen{}, err
		}
		last = m
		p.Messages = append(p.Messages, m.ToParam())
		s := fromMessage(m)
		for _, b := range m.Content {
			s.thought += b.Thinking
		}
		return s, nil
	}
}

// talkGemini uses the SDK's own chat session. Results are named but have no
// IDs, and a streamed answer is kept chunk by chunk.
func talkGemini(ctx context.Context, base, model string, stream bool) talk {
	config := geminiConfig()
	config.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](2000)}
	c, err := geminiClient(ctx, base)
	if err != nil {
		return func(string, []string) (seen, error) { return seen{}, err }
	}
	chat, err := c.Chats.Create(ctx, model, config, nil)
	if err != nil {
		return func(string, []string) (seen, error) { return seen{}, err }
	}
	return func(user string, results []string) (s seen, err error) {
		var parts []genai.Part
		if user != "" {
			parts = append(parts, *genai.NewPartFromText(user))
		}
		for _, r := range results {
			parts = append(parts, *genai.NewPartFromFunctionResponse("f", map[string]any{"output": r}))
		}
		if stream {
			for r, err := range chat.SendMessageStream(ctx, parts...) {
				if err != nil {
					return s, err
				}
				s.addGemini(r)
			}
			return s, nil
		}
		r, err := chat.SendMessage(ctx, parts...)
		if err == nil {
			s.addGemini(r)
		}
		return s, err
	}
}

// eachConversation runs f for every SDK, upstream and manner.
func eachConversation(t *testing.T, f func(t *testing.T, sdk int, up loopUpstream, stream bool)) {
	for i, c := range conversations {
		for _, up := range loopUpstreams {
			for manner, stream := range map[string]bool{"whole": false, "streamed": true} {
				t.Run(c.name+" to "+up.model+" "+manner, func(t *testing.T) { f(t, i, up, stream) })
			}
		}
	}
}
