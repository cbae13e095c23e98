package crosstest

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Media come in standard base64 whatever alphabet the client's language writes
// bytes in, and with or without padding: providers decode nothing else.
func TestBareBase64(t *testing.T) {
	const sent, want = `AP-_AA`, `AP+/AA==`
	for name, r := range map[string][2]string{
		"audio":       {"openai", `{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"` + sent + `","format":"wav"}}]}]}`},
		"file":        {"openai", `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"` + sent + `"}}]}]}`},
		"data URL":    {"openai", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + sent + `"}}]}]}`},
		"input_file":  {"responses", `{"input":[{"role":"user","content":[{"type":"input_file","file_data":"` + sent + `"}]}]}`},
		"inline data": {"gemini", `{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"` + sent + `"}}]}]}`},
	} {
		req, err := sizeIn[r[0]].ParseRequest([]byte(r[1]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m, ok := req.Messages[0].Parts[0].(*translate.Media); !ok || m.Data != want {
			t.Errorf("%s: %+v", name, req.Messages[0].Parts[0])
		}
	}
}
