package clienttest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/translate"
)

// screenshots give back an image as what a tool returned, as agents do that look
// at a screen. Chat has no place for it.
var screenshots = []struct {
	name   string
	format translate.Format
	send   func(ctx context.Context, base, model string) error
}{
	{"openai-go Responses", translate.Responses, func(ctx context.Context, base, model string) error {
		image := responses.ResponseInputImageContentParam{ImageURL: openai.String("data:image/png;base64," + mediaData)}
		out := responses.ResponseInputItemParamOfFunctionCallOutput(responses.ResponseFunctionCallOutputItemListParam{{OfInputImage: &image}})
		out.OfFunctionCallOutput.CallID = openai.String("call00001")
		p := responseParams(model)
		p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("Look.", responses.EasyInputMessageRoleUser),
			responses.ResponseInputItemParamOfFunctionCall(`{"x":1}`, "call00001", "f"), out}}
		_, err := response(ctx, openaiClient(base), p, false)
		return err
	}},
	{"anthropic-sdk-go", translate.Anthropic, func(ctx context.Context, base, model string) error {
		result := anthropic.NewToolResultBlock("call00001", "The screen:", false)
		result.OfToolResult.Content = append(result.OfToolResult.Content, anthropic.ToolResultBlockParamContentUnion{
			OfImage: anthropic.NewImageBlockBase64("image/png", mediaData).OfImage})
		p := messageParams(model)
		p.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Look.")),
			anthropic.NewAssistantMessage(anthropic.NewToolUseBlock("call00001", map[string]any{"x": 1}, "f")), anthropic.NewUserMessage(result)}
		_, err := messageOf(ctx, anthropicClient(base), p, false)
		return err
	}},
	{"genai", translate.Gemini, func(ctx context.Context, base, model string) error {
		image := genai.NewFunctionResponsePartFromBytes(mediaBytes, "image/png")
		result := genai.NewPartFromFunctionResponseWithParts("f", map[string]any{"output": "The screen:"}, []*genai.FunctionResponsePart{image})
		_, err := generate(ctx, base, model, []*genai.Content{genai.NewContentFromText("Look.", genai.RoleUser),
			genai.NewContentFromFunctionCall("f", map[string]any{"x": 1}, genai.RoleModel), genai.NewContentFromParts([]*genai.Part{result}, genai.RoleUser)}, geminiConfig(), false)
		return err
	}},
}

// pitfall 36: an image that a tool returned arrives, in the result where the
// provider takes it there and after it elsewhere.
func TestToolImages(t *testing.T) {
	for _, c := range screenshots {
		for _, up := range viewers {
			if _, model, _ := strings.Cut(up.model, "/"); slices.Contains(up.make().Formats(model), c.format) {
				continue
			}
			t.Run(c.name+" to "+up.model, func(t *testing.T) {
				if strings.HasPrefix(up.model, "cohere/") { // its results hold text, and its models that see have no tools
					base, _ := serve(t, up.make)
					if err := c.send(t.Context(), base, up.model); status(err) != 400 || !strings.Contains(message(err), "no image") {
						t.Errorf("not refused by name: %v", err)
					}
					return
				}
				base, server := serve(t, up.make, providertest.Text("A cat."))
				if err := c.send(t.Context(), base, up.model); err != nil {
					t.Fatal(message(err))
				}
				where, _ := up.place(attachment{})
				where = strings.ReplaceAll(where, "DATA", mediaData)
				if got := string(server.Requests()[0].Body); !strings.Contains(got, where) {
					t.Errorf("%s is not in %s", where, got)
				}
			})
		}
	}
}
