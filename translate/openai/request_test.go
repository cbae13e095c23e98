package openai

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

func user(parts string) string {
	return `{"model":"m","messages":[{"role":"user","content":` + parts + `}]}`
}

// Requests that come back as they went.
func TestSameAgain(t *testing.T) {
	for _, body := range []string{
		user(`"hi"`),
		user(`[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]`),
		user(`[{"type":"image_url","image_url":{"url":"https://a/b.png","detail":"low"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]`),
		user(`[{"type":"input_audio","input_audio":{"data":"QUJD","format":"mp3"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,QUJD","filename":"a.pdf"}},{"type":"file","file":{"file_id":"f"}}]`),
		user(`[{"type":"novel","novel":{"x":1}},{"type":"video_url","video_url":{"url":"https://a/v.mp4"}}]`),
		`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","name":"n","content":"q"},
			{"role":"assistant","content":"t","refusal":"no","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"n\":12345678901234567890}"}},{"id":"b","type":"custom","custom":{"name":"c","input":"free"}}]},
			{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"2"},{"type":"text","text":"3"}]}],
		  "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"custom","custom":{"name":"c","format":{"type":"text"}}},{"type":"openrouter:web_search","x":1}],
		  "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}]}},"parallel_tool_calls":false}`,
		`{"model":"m","messages":[{"role":"user","content":"q"}],"max_completion_tokens":5,"temperature":0,"top_p":0.5,"top_k":3,"min_p":0.1,"seed":7,"stop":["a","b"],"presence_penalty":-1,"frequency_penalty":1,"n":1,"logprobs":true,"top_logprobs":2,"logit_bias":{"1":-100},
		  "response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":true}},"modalities":["text","audio"],"reasoning_effort":"high","verbosity":"low","user":"u","prompt_cache_key":"k","metadata":{"b":"2","a":"1"},"service_tier":"flex","store":true,"stream":true,"stream_options":{"include_usage":true},
		  "audio":{"voice":"x"},"prediction":{"type":"content","content":"y"},"web_search_options":{}}`,
		`{"model":"m","messages":[{"role":"user","content":"q"}],"reasoning":{"max_tokens":2000,"exclude":true},"response_format":{"type":"json_object"},"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
		`{"model":"m","messages":[{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]}]}`,
	} {
		r, err := Inbound{}.ParseRequest([]byte(body))
		if err != nil {
			t.Errorf("%v in %s", err, body)
			continue
		}
		if len(r.Losses) > 0 {
			t.Errorf("losses %v of %s", r.Losses, body)
		}
		sameAgain(t, r)
	}
}

func TestRefusedRequests(t *testing.T) {
	for body, want := range map[string]string{
		`{`:                   "unexpected end",
		`[]`:                  "JSON object",
		`{"model":"m"}`:       "messages: this member is required",
		user(`5`):             "messages[0].content: expected",
		user(`[{"text":5}]`):  "messages[0].content[0].text: expected a string, got a number",
		user(`[{}]`):          "messages[0].content[0].type",
		`{"messages":[{}]}`:   "messages[0].role: this member is required",
		`{"messages":[null]}`: "messages[0]: expected an object",
		`{"messages":[{"role":"tool","content":"x"}]}`:                                                                     "messages[0].tool_call_id",
		`{"messages":[{"role":"alien","content":"x"}]}`:                                                                    `unknown role "alien"`,
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"a"}]}]}`:                                                    "messages[0].tool_calls[0].function.name",
		`{"messages":[],"tools":[{"type":"function","function":{}}]}`:                                                      "tools[0].function.name",
		`{"messages":[],"tools":[{"type":"function","function":{"name":5}}]}`:                                              "tools[0].function.name: expected a string",
		`{"messages":[],"tool_choice":"perhaps"}`:                                                                          `tool_choice: unknown tool choice "perhaps"`,
		`{"messages":[],"temperature":"hot"}`:                                                                              "temperature: expected a number, got a string",
		`{"messages":[],"response_format":{"type":"xml"}}`:                                                                 "response_format.type",
		user(`[{"type":"image_url","image_url":{}}]`):                                                                      "messages[0].content[0].image_url.url",
		`{"messages":[{"role":"user","content":"x"},{"role":"user","content":[{"type":"text","text":"` + "\x01" + `"}]}]}`: "messages[1].content[0].text: invalid JSON",
	} {
		_, err := Inbound{}.ParseRequest([]byte(body))
		var e *translate.Error
		if !errors.As(err, &e) || e.Kind != translate.InvalidRequest || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v; want %q", body, err, want)
		}
	}
	for want, r := range map[string]*translate.Request{
		"n:":                     {Choices: 2},
		"previous_response_id":   {PreviousResponseID: "x"},
		"background":             {Background: true},
		"conversation":           {Conversation: []byte(`"c"`)},
		"tools[0]: ":             {Tools: []translate.Tool{{Kind: translate.HostedTool, Name: "googleSearch", Format: translate.Gemini}}},
		"tools[0].name":          {Tools: []translate.Tool{{Name: "a.b"}}},
		"messages[0].content[0]": {Messages: []translate.Message{{Role: translate.User, Parts: []translate.Part{&translate.Media{Kind: translate.File, URL: "https://a"}}}}},
	} {
		_, _, err := Outbound{}.AppendRequest(nil, r)
		var e *translate.Error
		if !errors.As(err, &e) || e.Kind != translate.InvalidRequest || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestDialects(t *testing.T) {
	r, err := Inbound{}.ParseRequest([]byte(`{"model":"m","messages":[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
		{"role":"assistant","content":"x","reasoning_content":"hm","tool_calls":[{"id":"call_long","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_long","content":"1"},{"role":"system","content":"late"},{"role":"assistant","content":"go","prefix":true}],
		"max_tokens":5,"stream":true,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}},{"type":"function","function":{"name":"h"}}],
		"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		d             Dialect
		with, without []string
	}{
		"zero":     {Dialect{}, []string{`"role":"developer"`, `"max_completion_tokens":5`, `"include_usage":true`, `"allowed_tools"`, `"call_long"`}, []string{`"prefix"`, `"hm"`}},
		"mistral":  {Dialect{SystemRole: "system", MaxTokensField: "max_tokens", NoStreamOptions: true, ToolIDLength: 9, ToolResultNames: true, Prefix: true, FilterTools: true, ReasoningField: "content"}, []string{`"role":"system"`, `"max_tokens":5`, `"prefix":true`, `"tool_choice":"auto"`, `"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}],"closed":true},{"type":"text","text":"x"}]`, `"name":"f","content":"1"`}, []string{`developer`, `stream_options`, `"h"`, `call_long`}},
		"template": {Dialect{MergeSystem: true, StringContent: true, NoToolChoice: true}, []string{`"content":"a\nb"`, "<system>\\nlate"}, []string{`tool_choice`}},
	} {
		out, _, err := Outbound{Dialect: c.d}.AppendRequest(nil, r)
		if err != nil {
			t.Error(name, err)
		}
		for _, s := range c.with {
			if !strings.Contains(string(out), s) {
				t.Errorf("%s: no %s in %s", name, s, out)
			}
		}
		for _, s := range c.without {
			if strings.Contains(string(out), s) {
				t.Errorf("%s: %s in %s", name, s, out)
			}
		}
	}
	r, _ = Inbound{}.ParseRequest([]byte(user(`[{"type":"image_url","image_url":{"url":"https://a"}}]`)))
	if _, _, err := (Outbound{Dialect: Dialect{DataURLsOnly: true}}).AppendRequest(nil, r); err == nil { // pitfall 36
		t.Error("an image by URL was sent")
	}
}

// pitfall 18, 36: results of parallel calls stay together, and their images
// follow.
func TestToolResults(t *testing.T) {
	r := &translate.Request{Messages: []translate.Message{{Role: translate.User, Parts: []translate.Part{
		&translate.ToolResult{ToolUseID: "a", IsError: true, Parts: []translate.Part{&translate.Media{Kind: translate.Image, MIMEType: "image/png", Data: "QUJD"}}},
		&translate.ToolResult{ToolUseID: "b", Parts: []translate.Part{&translate.Text{Text: "2"}}},
		&translate.Text{Text: "next"},
	}}}}
	out, losses, err := Outbound{}.AppendRequest(nil, r)
	want := `[{"role":"tool","tool_call_id":"a","content":"[image below]"},{"role":"tool","tool_call_id":"b","content":"2"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"text","text":"next"}]}]`
	if err != nil || !strings.Contains(string(out), want) || len(losses) != 2 {
		t.Errorf("%s %v %v", out, losses, err)
	}
}

// pitfall 35: numbers out of range are bounded, and said so.
func TestBounds(t *testing.T) {
	hot, n := 3.0, int64(50)
	out, losses, err := Outbound{}.AppendRequest(nil, &translate.Request{Temperature: &hot, TopLogprobs: &n, TopK: &n, Stop: []string{"1", "2", "3", "4", "5"}})
	if err != nil || len(losses) != 4 || !strings.Contains(string(out), `"temperature":2`) {
		t.Errorf("%s %v %v", out, losses, err)
	}
}

// pitfall 38
func TestEmbeddingRequests(t *testing.T) {
	for body, want := range map[string]int{
		`{"model":"m","input":"a"}`: 1, `{"input":["a","b"],"encoding_format":"base64","dimensions":3}`: 2, `{"input":[1,2,3]}`: 1, `{"input":[[1],[2]]}`: 2,
		`{"input":[]}`: 0, `{}`: 0, `{"input":["a",1]}`: 0, `{"input":"a","encoding_format":"int8"}`: 0, `{"input":[{}]}`: 0, `{"input":[[1],2]}`: 0,
	} {
		r, err := Embeddings{}.ParseEmbeddingRequest([]byte(body))
		if (err == nil) != (want > 0) || err == nil && r.Len() != want {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
		if err != nil {
			continue
		}
		if out, _, err := (Embeddings{}).AppendRequest(nil, r); err != nil || !strings.Contains(string(out), `"encoding_format":"float"`) {
			t.Errorf("%s: %s, %v", body, out, err)
		}
	}
	for _, body := range []string{`{"error":{"message":"m"}}`, `{"data":[{"index":1,"embedding":[1]}]}`, `{"data":[{"embedding":"!"}]}`, `[]`} {
		if _, err := (Embeddings{}).ParseResponse([]byte(body)); err == nil {
			t.Errorf("%s was taken", body)
		}
	}
}
