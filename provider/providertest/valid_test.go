package providertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// What a strict server accepts, and what it finds wrong.
func TestInvalid(t *testing.T) {
	const anthropic = "Anthropic-Version"
	for _, tt := range []struct{ path, header, body, want string }{
		{"/v1/chat/completions", "", `{"model":"m","messages":[{"role":"user","content":"x"}]}`, ""},
		{"/v1/chat/completions", "", `{"model":"m","messages":[{"content":"x"}]}`, ".messages.role is missing"},
		{"/v1/chat/completions", "", `{"model":"m","messages":[],"max_output_tokens":1}`, ".max_output_tokens is unknown"},
		{"/v1/chat/completions", "", `{"model":"m","messages":"x"}`, ".messages is string"},
		{"/v1/chat/completions", "", `{"model":"m","messages":null}`, ".messages is <nil>"},
		{"/v1/chat/completions", "", `{`, "unexpected end"},
		{"/v1/responses", "", `{"model":"m"}`, ".input is missing"},
		{"/v1/messages", anthropic, `{"model":"m","messages":[],"max_tokens":1}`, ""},
		{"/v1/messages", anthropic, `{"messages":[],"max_tokens":1}`, "model is missing"},
		{"/v1/messages", "", `{"model":"m","messages":[],"max_tokens":1}`, "anthropic-version"},
		{"/v1/messages", anthropic, `{"model":"m","messages":[]}`, ".max_tokens is missing"},
		{"/x/models/claude:rawPredict", "", `{"anthropic_version":"v","messages":[],"max_tokens":1,"stream":false}`, ""},
		{"/x/models/claude:rawPredict", "", `{"anthropic_version":"v","model":"m","messages":[],"max_tokens":1}`, "model: extra"},
		{"/model/anthropic.claude/invoke", "", `{"messages":[],"max_tokens":1}`, "anthropic_version is missing"},
		{"/model/anthropic.claude/invoke-with-response-stream", "", `{"anthropic_version":"v","messages":[],"max_tokens":1,"stream":true}`, "stream: extra"},
		{"/model/amazon.titan/invoke", "", `{"inputText":"x"}`, ""},
		{"/v1beta/models/g:generateContent", "", `{"contents":[{"parts":[]}]}`, ".contents.role is missing"},
		{"/v2/chat", "", `{"model":"m","messages":[],"top_p":1}`, ".top_p is unknown"},
		{"/model/m/converse", "", `{"messages":[],"toolConfig":{"tools":[{"toolSpec":{"inputSchema":{}}}]}}`, ".toolConfig.tools.toolSpec.name is missing"},
		{"/v1/predictions", "", `{"input":{"system_prompt":"x"}}`, ".input.prompt is missing"},
		{"/v1/models", "", "", ""},
	} {
		up := providertest.NewServer(t, providertest.Text("x"))
		u, _ := url.Parse(up.URL + tt.path)
		r, _ := http.NewRequest(http.MethodPost, u.String(), strings.NewReader(tt.body))
		r.Header.Set(tt.header, "2023-06-01")
		if tt.header == "" {
			r.Header = http.Header{}
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		err = up.Requests()[0].Invalid()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.path, tt.body, err, tt.want)
		}
	}
}
