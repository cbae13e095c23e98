package crosstest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

var update = flag.Bool("update", false, "rewrite the generated table in the READMEs")

func ptr[T any](v T) *T { return &v }

// concepts are requests that ask for one thing each.
func concepts() []struct {
	name string
	make func(r *translate.Request)
} {
	first := func(parts ...translate.Part) func(r *translate.Request) {
		return func(r *translate.Request) { r.Messages[0].Parts = append(r.Messages[0].Parts, parts...) }
	}
	call := func(r *translate.Request, results ...translate.Part) {
		r.Tools = []translate.Tool{{Kind: translate.FunctionTool, Name: "f", Description: "d", Schema: json.RawMessage(`{"type":"object","properties":{"x":{"type":"integer"}}}`)}}
		r.Messages = append(r.Messages,
			translate.Message{Role: translate.Assistant, Parts: []translate.Part{&translate.ToolUse{ID: "call_1", Name: "f", Input: json.RawMessage(`{"x":1}`)}}},
			translate.Message{Role: translate.User, Parts: results})
	}
	tools := func(r *translate.Request) {
		call(r, &translate.ToolResult{ToolUseID: "call_1", Parts: []translate.Part{&translate.Text{Text: "ok"}}})
	}
	type concept = struct {
		name string
		make func(r *translate.Request)
	}
	return []concept{
		{"system message in front", func(r *translate.Request) {
			r.Messages = append([]translate.Message{{Role: translate.System, Parts: []translate.Part{&translate.Text{Text: "s"}}}}, r.Messages...)
		}},
		{"system message later on", func(r *translate.Request) {
			r.Messages = append(r.Messages, translate.Message{Role: translate.System, Parts: []translate.Part{&translate.Text{Text: "s"}}}, r.Messages[0])
		}},
		{"image, base64", first(&translate.Media{Kind: translate.Image, MIMEType: "image/png", Data: "aGk="})},
		{"image by URL", first(&translate.Media{Kind: translate.Image, URL: "https://example.com/a.png"})},
		{"audio", first(&translate.Media{Kind: translate.Audio, MIMEType: "audio/wav", Data: "aGk="})},
		{"PDF, base64", first(&translate.Media{Kind: translate.File, MIMEType: "application/pdf", Data: "aGk=", Name: "a.pdf"})},
		{"tools, calls and results", tools},
		{"image in a tool result", func(r *translate.Request) {
			call(r, &translate.ToolResult{ToolUseID: "call_1", Parts: []translate.Part{&translate.Media{Kind: translate.Image, MIMEType: "image/png", Data: "aGk="}}})
		}},
		{"failed tool result", func(r *translate.Request) {
			call(r, &translate.ToolResult{ToolUseID: "call_1", IsError: true, Parts: []translate.Part{&translate.Text{Text: "no"}}})
		}},
		{"tool choice: required", func(r *translate.Request) { tools(r); r.ToolChoice.Mode = translate.ToolRequired }},
		{"tool choice: one tool", func(r *translate.Request) {
			tools(r)
			r.ToolChoice = translate.ToolChoice{Mode: translate.ToolRequired, Names: []string{"f"}}
		}},
		{"no parallel calls", func(r *translate.Request) { tools(r); r.ParallelTools = ptr(false) }},
		{"custom (free text) tool", func(r *translate.Request) { r.Tools = []translate.Tool{{Kind: translate.CustomTool, Name: "c"}} }},
		{"another provider's hosted tool", func(r *translate.Request) {
			r.Tools = []translate.Tool{{Kind: translate.HostedTool, Name: "x", Format: "other", Raw: json.RawMessage(`{"type":"x"}`)}}
		}},
		{"structured output (JSON Schema)", func(r *translate.Request) {
			r.Output = translate.Output{Type: translate.OutputSchema, Name: "n", Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`)}
		}},
		{"any JSON object", func(r *translate.Request) { r.Output.Type = translate.OutputJSON }},
		{"reasoning effort", func(r *translate.Request) { r.Reasoning.Effort = "high" }},
		{"own reasoning state", nil},
		{"another provider's reasoning state", func(r *translate.Request) {
			r.Messages = append(r.Messages, translate.Message{Role: translate.Assistant, Parts: []translate.Part{&translate.Thinking{Text: "t", State: &translate.State{Origin: "other", Data: "x"}}, &translate.Text{Text: "a"}}}, r.Messages[0])
		}},
		{"cache mark", func(r *translate.Request) {
			r.Messages[0].Parts = []translate.Part{&translate.Text{Text: "q", Cache: &translate.CacheMark{}}}
		}},
		{"max tokens", func(r *translate.Request) { r.MaxTokens = ptr(int64(100)) }},
		{"temperature", func(r *translate.Request) { r.Temperature = ptr(0.5) }},
		{"top_k", func(r *translate.Request) { r.TopK = ptr(int64(40)) }},
		{"seed", func(r *translate.Request) { r.Seed = ptr(int64(1)) }},
		{"stop sequences", func(r *translate.Request) { r.Stop = []string{"x"} }},
		{"penalties", func(r *translate.Request) { r.PresencePenalty = ptr(0.5) }},
		{"several answers (n)", func(r *translate.Request) { r.Choices = 2 }},
		{"log probabilities", func(r *translate.Request) { r.Logprobs = ptr(true) }},
		{"end user's ID", func(r *translate.Request) { r.User = "u" }},
		{"metadata", func(r *translate.Request) { r.Metadata = map[string]string{"a": "b"} }},
		{"service tier: flex", func(r *translate.Request) { r.ServiceTier = "flex" }},
		{"previous_response_id", func(r *translate.Request) { r.PreviousResponseID = "resp_1" }},
	}
}

// models are ones that take what their format can say.
var models = map[translate.Format]string{
	translate.OpenAI: "gpt-4.1", translate.Responses: "gpt-5.6", translate.Anthropic: "claude-sonnet-4-5", translate.Gemini: "gemini-2.5-flash", translate.Cohere: "command-a", translate.Bedrock: "anthropic.claude-sonnet-4-5",
}

// TestTable holds the READMEs' table of what a request keeps on its way to
// each format: what is neither kept nor reported would be lost silently.
func TestTable(t *testing.T) {
	origins := map[translate.Format]string{translate.OpenAI: "", translate.Responses: "openai", translate.Anthropic: "anthropic", translate.Gemini: "gemini", translate.Cohere: "cohere", translate.Bedrock: "anthropic"}
	var b strings.Builder
	for _, c := range concepts() {
		fmt.Fprintf(&b, "| %s |", c.name)
		for _, s := range sides() {
			r := &translate.Request{Format: "other", Model: models[s.format], Messages: []translate.Message{{Role: translate.User, Parts: []translate.Part{&translate.Text{Text: "q"}}}}}
			if c.make != nil {
				c.make(r)
			} else {
				state := &translate.State{Origin: origins[s.format], Data: "c2ln"}
				r.Messages = append(r.Messages, translate.Message{Role: translate.Assistant, Parts: []translate.Part{&translate.Thinking{Text: "t", State: state}, &translate.Text{Text: "a"}}}, r.Messages[0])
			}
			plain := &translate.Request{Format: "other", Model: r.Model, Messages: []translate.Message{{Role: translate.User, Parts: []translate.Part{&translate.Text{Text: "q"}}}}}
			base, _, err := s.out.AppendRequest(nil, plain)
			if err != nil {
				t.Fatal(s.format, err)
			}
			body, losses, err := s.out.AppendRequest(nil, r)
			switch {
			case err != nil:
				if translate.AsError(err).Kind != translate.InvalidRequest && translate.AsError(err).Kind != translate.Unsupported {
					t.Errorf("%s, %s: %v", c.name, s.format, err)
				}
				b.WriteString(" refused |")
			case len(losses) > 0 && string(body) != string(base):
				b.WriteString(" in part |")
			case len(losses) > 0:
				b.WriteString(" lost |")
			default:
				if string(body) == string(base) {
					t.Errorf("%s is lost silently on the way to %s", c.name, s.format)
				}
				b.WriteString(" kept |")
			}
		}
		b.WriteString("\n")
	}
	for _, file := range []string{"../../../README.md", "../../../README_ja.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		start, end := "<!-- losses -->\n", "<!-- /losses -->\n"
		head, rest, ok := strings.Cut(string(text), start)
		got, tail, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no markers", file)
		}
		if got == b.String() {
			continue
		}
		if !*update {
			t.Errorf("%s is stale; run go test ./translate/internal/crosstest -run TestTable -update\n%s", file, b.String())
			continue
		}
		if err := os.WriteFile(file, []byte(head+start+b.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
