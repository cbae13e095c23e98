package replicate

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-llmproxy/llmproxy/translate"
)

func ptr[T any](v T) *T { return &v }

func said(role translate.Role, parts ...translate.Part) translate.Message {
	return translate.Message{Role: role, Parts: parts}
}

func text(s string) *translate.Text { return &translate.Text{Text: s} }

func TestAppendRequest(t *testing.T) {
	for name, c := range map[string]struct {
		r      translate.Request
		want   string
		losses string
	}{
		"one message": {translate.Request{Stream: true, Messages: []translate.Message{said(translate.System, text("be brief")), said(translate.User, text("hi"), text("you"))}},
			`{"input":{"prompt":"hi\nyou","system_prompt":"be brief"},"stream":true}`, ""},
		"conversation": {translate.Request{Messages: []translate.Message{said(translate.User, text("a")), said(translate.Assistant, &translate.Thinking{Text: "hm"}, text("b")), said(translate.User, text("c"))}},
			`{"input":{"prompt":"User: a\n\nAssistant: b\n\nUser: c\n\nAssistant:"}}`, "messages[1].content[0]"},
		"prefill": {translate.Request{Messages: []translate.Message{said(translate.User, text("a")), said(translate.Assistant, text("so"))}},
			`{"input":{"prompt":"User: a\n\nAssistant: so"}}`, ""},
		"sampling": {translate.Request{MaxTokens: ptr(int64(5)), Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(int64(3)), PresencePenalty: ptr(1.0), Seed: ptr(int64(4)), Stop: []string{"x", "y,", "z"}, Messages: []translate.Message{said(translate.User, text("a"))}},
			`{"input":{"prompt":"a","max_tokens":5,"temperature":0.5,"top_p":0.9,"top_k":3,"presence_penalty":1,"seed":4,"stop_sequences":"x,z"}}`, "stop[1]"},
		"left out": {translate.Request{Format: translate.OpenAI, User: "u", Output: translate.Output{Type: translate.OutputJSON}, Extra: []translate.Member{{Name: "x"}}, Messages: []translate.Message{said(translate.User, text("a"))}},
			`{"input":{"prompt":"a"}}`, "response_format user x"},
	} {
		got, losses, err := Outbound{}.AppendRequest([]byte("x"), &c.r)
		var paths []string
		for _, l := range losses {
			paths = append(paths, l.Path)
		}
		if err != nil || string(got) != "x"+c.want || strings.Join(paths, " ") != c.losses {
			t.Errorf("%s: %s %v %v", name, got, losses, err)
		}
	}
}

// pitfall 36
func TestRefusals(t *testing.T) {
	for path, r := range map[string]translate.Request{
		"tools":                  {Tools: []translate.Tool{{Name: "f"}}},
		"n":                      {Choices: 2},
		"messages[0].content[1]": {Messages: []translate.Message{said(translate.User, text("a"), &translate.Media{Kind: translate.Image, Data: "aGk="})}},
		"messages[1].content[0]": {Messages: []translate.Message{said(translate.User, text("a")), said(translate.Assistant, &translate.ToolUse{Name: "f"})}},
	} {
		_, _, err := Outbound{}.AppendRequest(nil, &r)
		if e := translate.AsError(err); err == nil || e.Kind != translate.InvalidRequest || e.Param != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestParseResponse(t *testing.T) {
	want := &translate.Response{ID: "i", Model: "a/b", Created: 1, Parts: []translate.Part{text("Hello")}, Finish: translate.Finish{Reason: translate.FinishStop, Native: "succeeded"}, Usage: &translate.Usage{Input: 3, Output: 2}}
	for _, output := range []string{`["Hel","lo"]`, `"Hello"`} {
		got, err := Outbound{}.ParseResponse([]byte(`{"id":"i","model":"a/b","created_at":"1970-01-01T00:00:01.5Z","status":"succeeded","error":null,"output":` + output + `,"metrics":{"input_token_count":3,"output_token_count":2,"predict_time":1.5}}`))
		if err != nil || cmp.Diff(want, got) != "" {
			t.Error(err, cmp.Diff(want, got))
		}
	}
	for body, kind := range map[string]translate.ErrorKind{
		`{"status":"failed","error":"boom","output":null}`: translate.Upstream, `{"status":"canceled"}`: translate.Upstream, `{"status":"starting"}`: translate.Timeout, `{"status":"processing","output":["x"]}`: translate.Timeout,
		`{"detail":"x","status":401,"title":"Unauthenticated"}`: translate.Upstream, `[]`: translate.Upstream, `{`: translate.Upstream, `{"status":"new"}`: translate.Upstream,
	} {
		if _, err := (Outbound{}).ParseResponse([]byte(body)); err == nil || translate.AsError(err).Kind != kind {
			t.Errorf("%s: %v", body, err)
		}
	}
}

const wire = "event: output\nid: 1:0\ndata: Hel\n\nevent: logs\ndata: x\n\nevent: output\ndata: lo\ndata:  you\n\n"

// pitfall 2 and 5
func TestEvents(t *testing.T) {
	collect := func(s string) (*translate.Response, error) {
		return translate.Collect(translate.Check(Outbound{}.Events(strings.NewReader(s))))
	}
	r, err := collect(wire + "event: done\ndata: {}\n\n")
	if err != nil || cmp.Diff([]translate.Part{text("Hello\n you")}, r.Parts) != "" || r.Finish.Reason != translate.FinishStop {
		t.Errorf("%+v %v", r, err)
	}
	for tail, want := range map[string]string{
		"": "ended before", "event: done\ndata: {\"reason\":\"canceled\"}\n\n": "canceled", "event: error\ndata: boom\n\n": "boom", "event: error\ndata: {\"detail\":\"bad\"}\n\n": "bad", "event: done\ndata: {": "understood",
	} {
		if _, err := collect(wire + tail); err == nil || !strings.Contains(translate.AsError(err).Message, want) {
			t.Errorf("%q: %v", tail, err)
		}
	}
	if _, err := collect(""); !translate.IsTruncated(err) {
		t.Error(err)
	}
}

// pitfall 29
func TestParseError(t *testing.T) {
	e := Outbound{}.ParseError(429, nil, []byte(`{"detail":"Request was throttled. Expected available in 12 seconds.","status":429,"title":"Too many requests"}`))
	if e.Kind != translate.RateLimit || e.RetryAfter != 12*time.Second || !strings.HasPrefix(e.Message, "Request was throttled") {
		t.Errorf("%+v", e)
	}
}

func TestRecordings(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/recordings/replicate/*/response.json")
	if len(files) == 0 {
		t.Skip("the recordings are not here")
	}
	for _, file := range files {
		body, _ := os.ReadFile(file)
		r, err := Outbound{}.ParseResponse(body)
		switch e := translate.AsError(err); {
		case strings.Contains(file, "http-401"):
			if e := (Outbound{}).ParseError(401, nil, body); e.Kind != translate.Authentication || !strings.Contains(e.Message, "token") {
				t.Errorf("%s: %+v", file, e)
			}
		case bytes.Contains(body, []byte(`"status":"starting"`)):
			if err == nil || e.Kind != translate.Timeout {
				t.Errorf("%s: %v", file, err)
			}
		case err != nil || r.ID == "" || r.Created == 0 || len(r.Parts) == 0:
			t.Errorf("%s: %+v %v", file, r, err)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(wire + "event: done\ndata: {}\n\n"))
	f.Add([]byte(wire + "event: error\ndata: boom\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(b))))
		two, err2 := translate.Collect(translate.Check(Outbound{}.Events(iotest.HalfReader(bytes.NewReader(b)))))
		if err != nil && strings.Contains(err.Error(), "events out of order") || (err == nil) != (err2 == nil) || cmp.Diff(one, two) != "" {
			t.Fatal(err, err2)
		}
		if r, err := (Outbound{}).ParseResponse(b); (r == nil) == (err == nil) {
			t.Fatal(r, err)
		}
	})
}
