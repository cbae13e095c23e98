package crosstest

import (
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// A citation of a whole block, as Anthropic's are, has the block's bounds in
// formats that must tell some.
func TestCitationOfABlock(t *testing.T) {
	want := map[translate.Format]string{
		translate.OpenAI:    `"start_index":7,"end_index":12`,
		translate.Responses: `"start_index":0,"end_index":5`, // within its own part
		translate.Gemini:    `"startIndex":8,"endIndex":13`,  // in bytes
	}
	for _, s := range sides() {
		bounds, ok := want[s.format]
		if s.in == nil || !ok {
			continue
		}
		delete(want, s.format)
		r := &translate.Response{Parts: []translate.Part{
			&translate.Text{Text: "Héllo, "},
			&translate.Text{Text: "world", Citations: []translate.Citation{{URL: "https://example.com", Title: "w"}}},
		}}
		whole, _ := s.in.AppendResponse(nil, new(translate.Request), r)
		var stream []byte
		w := s.in.NewEventWriter(new(translate.Request))
		for e, _ := range translate.Replay(r) { // which does not fail
			stream = w.AppendEvent(stream, e)
		}
		for how, out := range map[string][]byte{"whole": whole, "stream": stream} {
			if !strings.Contains(string(out), bounds) {
				t.Errorf("%s, %s: no %s in %s", s.format, how, bounds, out)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not tried: %v", want)
	}
}
