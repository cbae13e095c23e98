package translatetest_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/translatetest"
)

// In the test of a codec of one's own: func TestCodec(t *testing.T).
func ExampleTestCodec() {
	_ = func(t *testing.T) {
		translatetest.TestCodec(t, translatetest.Codec{
			Format: translate.Anthropic, Inbound: anthropic.Inbound{}, Outbound: anthropic.Outbound{}, Model: "claude-sonnet-5-5",
		})
	}
}
