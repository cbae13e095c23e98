package anthropic_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/translatetest"
)

func TestConformance(t *testing.T) {
	translatetest.TestCodec(t, translatetest.Codec{Format: translate.Anthropic, Inbound: anthropic.Inbound{}, Outbound: anthropic.Outbound{}, Model: "claude-sonnet-4-5"})
}
