package responses_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/responses"
	"github.com/go-llmproxy/llmproxy/translate/translatetest"
)

func TestConformance(t *testing.T) {
	translatetest.TestCodec(t, translatetest.Codec{Format: translate.Responses, Inbound: responses.Inbound{}, Outbound: responses.Outbound{}, Model: "gpt-5.6"})
}
