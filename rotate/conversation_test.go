package rotate

import (
	"net/http"
	"strings"
	"testing"
)

// pitfall 40: what belongs together has one name, and what does not has another.
func TestConversation(t *testing.T) {
	name := Conversation("X-Session-Id", "X-Thread")
	of := func(body string, kv ...string) string {
		return name(&http.Request{Header: header(kv...)}, []byte(body))
	}
	for what, turns := range map[string][2]string{
		"openai": {`{"model":"m","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"}]}`,
			`{"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"},{"role":"assistant","content":"hello"},{"role":"user","content":"more"}],"stream":true}`},
		"anthropic, whose cache marker moves": {`{"system":[{"type":"text","text":"be kind","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral","ttl":"5m"}}]}]}`,
			`{"system":[{"type":"text","text":"be kind"}],"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":"hello"}]}`},
		"gemini": {`{"systemInstruction":{"parts":[{"text":"be kind"}]},"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
			`{"systemInstruction":{"parts":[{"text":"be kind"}]},"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"hello"}]}]}`},
		"responses": {`{"instructions":"be kind","input":[{"role":"user","content":"hi"}]}`, `{"instructions":"be kind","input":[{"role":"user","content":"hi"},{"role":"assistant","content":"x"}]}`},
		"user":      {`{"user":"u","messages":[{"role":"user","content":"a"}]}`, `{"user":"u","messages":[{"role":"user","content":"b"}]}`},
		"cache key": {`{"prompt_cache_key":"u","input":"a"}`, `{"prompt_cache_key":"u","input":"b","user":"other"}`},
		"user id":   {`{"metadata":{"user_id":"u"},"system":"a"}`, `{"metadata":{"user_id":"u"},"system":"b"}`},
	} {
		a, b := of(turns[0]), of(turns[1])
		if a == "" || a != b {
			t.Errorf("%s: one conversation has the names %q and %q", what, a, b)
		}
		if c := of(strings.NewReplacer(`"hi"`, `"other"`, `"u"`, `"v"`).Replace(turns[0])); c == a {
			t.Errorf("%s: two conversations have one name", what)
		}
		if h := of(turns[0], "X-Thread", "7"); h == a || h != of(`{}`, "X-Thread", "7") || h == of(`{}`, "X-Thread", "8") {
			t.Errorf("%s: the header does not decide", what)
		}
		if strings.Contains(a, "kind") {
			t.Errorf("%s: the name tells what was said: %s", what, a)
		}
	}
	for _, body := range []string{``, `{}`, `[]`, `{"messages":{}}`, `not json`, `{"model":"m"}`, `{"messages":[{"role":`} {
		if got := of(body); got != "" {
			t.Errorf("%s has the name %q", body, got)
		}
	}
	long := `{"messages":[{"role":"user","content":"` + strings.Repeat("x", 1<<20) + `"}]}`
	if of(long) == "" {
		t.Error("a long message has no name")
	}
}
