package clienttest

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// atEase is the thinking of a turn without tool calls, which providers do not
// ask for again.
const atEase = "Nothing is left to do."

// toolLoop is a conversation of two questions, with parallel calls, calls with
// a text before them and without, and calls without arguments. IDs are as
// Mistral has them, which is the strictest.
func toolLoop() []step {
	n := 0
	call := func(arguments string) providertest.ToolCall {
		n++
		return providertest.ToolCall{ID: fmt.Sprintf("call%05d", n), Name: "f", Arguments: arguments}
	}
	think := func(text, answer string, calls ...providertest.ToolCall) providertest.Answer {
		a := providertest.Answer{ID: fmt.Sprintf("answer-%d", n), Thinking: text, Text: answer, Tools: calls}
		a.Signature = base64.StdEncoding.EncodeToString([]byte("signature of " + a.ID))
		return a
	}
	return []step{
		{user: "Begin.", answer: think("Two at once – better.", "I will.", call(`{"x":1}`), call(`{"x":2}`))},
		{results: []string{"result-1", "result-2"}, answer: think("One more.", "", call(`{"x":3}`))},
		{results: []string{"result-3"}, answer: think("A last one.", "Nearly there.", call(`{}`))},
		{results: []string{"result-4"}, answer: think(atEase, "Done.")},
		{user: "Again.", answer: think("Once again.", "", call(`{"x":5}`))},
		{results: []string{"result-5"}, answer: think(atEase, "Done again.")},
	}
}

// pitfall 15, pitfall 16, pitfall 17, pitfall 18: a tool loop with thinking runs
// to its end for a user who knows nothing of signatures, while the provider
// wants its own reasoning back.
func TestThinkingLoop(t *testing.T) {
	eachConversation(t, func(t *testing.T, sdk int, up loopUpstream, stream bool) {
		steps := toolLoop()
		if conversations[sdk].name == "openai-go Chat" && !up.signs {
			up.thinks = false // its ToParam drops reasoning_content, and there is no state that an ID could carry
		}
		more := llmproxy.WithKeys(up.make().ID, rotate.Secrets("sk-2", "sk-3")...) // state may be bound to the key that it was made with
		base, server := serveWith(t, []llmproxy.Option{more}, up.make, strict(up, steps)...)
		server.RequireKey("sk-up", "sk-2", "sk-3")
		talk := conversations[sdk].start(t.Context(), base, up.model, stream)
		for i, s := range steps {
			got, err := talk(s.user, s.results)
			if err != nil {
				t.Fatalf("turn %d: %s", i+1, message(err))
			}
			want := seen{text: s.answer.Text}
			for _, c := range s.answer.Tools {
				want.calls = append(want.calls, c.Name+compact(c.Arguments))
			}
			if got.String() != want.String() {
				t.Errorf("turn %d: the user sees %v, want %v", i+1, got, want)
			}
			if conversations[sdk].name != "openai-go Chat" && up.thinks && got.thought != s.answer.Thinking {
				t.Errorf("turn %d: the user sees the thought %q, want %q", i+1, got.thought, s.answer.Thinking)
			}
		}
	})
}
