package gemini_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/translatetest"
)

func TestConformance(t *testing.T) {
	translatetest.TestCodec(t, translatetest.Codec{Format: translate.Gemini, Inbound: gemini.Inbound{}, Outbound: gemini.Outbound{}, Model: "gemini-2.5-flash"})
}
