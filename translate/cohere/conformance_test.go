package cohere_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/cohere"
	"github.com/go-llmproxy/llmproxy/translate/translatetest"
)

func TestConformance(t *testing.T) {
	translatetest.TestCodec(t, translatetest.Codec{Format: translate.Cohere, Outbound: cohere.Outbound{}, Model: "command-a"})
}
