package openai

import (
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Thinking that goes on while other blocks begin and end keeps its text: blocks move in
// memory then.
func TestThinkingOverlaps(t *testing.T) {
	w := Inbound{}.NewEventWriter(&translate.Request{})
	var out []byte
	add := func(typ translate.EventType, index int, kind translate.PartKind, text string, s *translate.State) {
		out = w.AppendEvent(out, &translate.Event{Type: typ, Index: index, Kind: kind, Text: []byte(text), State: s})
	}
	add(translate.EventStart, 0, 0, "", nil)
	add(translate.EventBlockStart, 0, translate.KindText, "", nil)
	add(translate.EventBlockStart, 1, translate.KindThinking, "", nil)
	add(translate.EventBlockDelta, 1, translate.KindThinking, "first, ", nil)
	for i := range 5 {
		add(translate.EventBlockStart, 2+i, translate.KindText, "", nil)
		add(translate.EventBlockDelta, 2+i, translate.KindText, "t", nil)
	}
	add(translate.EventBlockDelta, 1, translate.KindThinking, "second, ", nil)
	add(translate.EventBlockStop, 0, translate.KindText, "", nil)
	add(translate.EventBlockDelta, 1, translate.KindThinking, "third", nil)
	out = out[:0]
	add(translate.EventBlockStop, 1, translate.KindThinking, "", &translate.State{Origin: "p", Data: "d"})
	if !strings.Contains(string(out), `"text":"first, second, third"`) {
		t.Errorf("%s", out)
	}
}
