package openai_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/translatetest"
)

func TestConformance(t *testing.T) {
	translatetest.TestCodec(t, translatetest.Codec{Format: translate.OpenAI, Inbound: openai.Inbound{}, Outbound: openai.Outbound{}, Model: "gpt-4.1"})
}
