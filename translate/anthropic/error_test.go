package anthropic_test

import (
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
)

// pitfall 29: OpenAI says invalid_request_error of a wrong key, an unknown model
// and a long request, too; clients of this format go by the word.
func TestErrorTypes(t *testing.T) {
	for status, want := range map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
	} {
		e := translate.ParseErrorBody(status, nil, []byte(`{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}`))
		if b := string(anthropic.Inbound{}.AppendError(nil, e)); !strings.Contains(b, `"type":"`+want+`"`) {
			t.Errorf("%d: %s", status, b)
		}
	}
	e := translate.ParseErrorBody(500, nil, []byte(`{"type":"error","error":{"type":"overloaded_error","message":"m"}}`))
	if b := string(anthropic.Inbound{}.AppendError(nil, e)); !strings.Contains(b, `"type":"overloaded_error"`) {
		t.Errorf("the provider's own word is lost: %s", b)
	}
}
