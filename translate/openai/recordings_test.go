package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

const recordings = "../../../shared/recordings"

// eachRecording calls f for the recorded exchanges of this format and its
// dialects.
func eachRecording(t *testing.T, f func(t *testing.T, format, dir string)) {
	if _, err := os.Stat(recordings); err != nil {
		t.Skip("no recordings beside this clone")
	}
	for _, format := range []string{"openai-chat", "azure-openai-chat", "mistral-chat", "groq-chat", "deepseek-chat", "xai-chat",
		"perplexity-chat", "openrouter-chat", "cerebras-chat", "huggingface-chat", "workers-ai"} {
		dirs, _ := filepath.Glob(filepath.Join(recordings, format, "*"))
		if len(dirs) == 0 {
			t.Errorf("no recordings of %s", format)
		}
		for _, dir := range dirs {
			t.Run(format+"/"+filepath.Base(dir), func(t *testing.T) { f(t, format, dir) })
		}
	}
}

func TestRecordedRequests(t *testing.T) {
	eachRecording(t, func(t *testing.T, _, dir string) {
		body, err := os.ReadFile(filepath.Join(dir, "request.json"))
		if err != nil {
			t.Skip("no request was recorded")
		}
		r, err := Inbound{}.ParseRequest(body)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Losses) > 0 {
			t.Logf("losses: %v", r.Losses)
		}
		if r.Choices > 1 {
			return
		}
		sameAgain(t, r)
	})
}

// sameAgain checks that a request survives this format.
func sameAgain(t *testing.T, r *translate.Request) {
	t.Helper()
	out, losses, err := Outbound{Dialect: Dialect{CacheMark: "cache_control", ReasoningField: "reasoning_content", MaxStops: -1, ReasoningObject: true}}.AppendRequest(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out) {
		t.Fatalf("no JSON: %s", out)
	}
	again, err := Inbound{}.ParseRequest(out)
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	want := *r
	want.Losses = nil
	want.IncludeUsage = want.IncludeUsage || want.Stream
	if len(losses) == len(r.Losses) && !reflect.DeepEqual(&want, again) {
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(again)
		t.Errorf("changed on the way:\n%s\n%s", a, b)
	}
}

func TestRecordedAnswers(t *testing.T) {
	eachRecording(t, func(t *testing.T, format, dir string) {
		var meta struct{ Status int }
		raw, _ := os.ReadFile(filepath.Join(dir, "meta.json"))
		if err := json.Unmarshal(raw, &meta); err != nil {
			t.Fatal(err)
		}
		if body, err := os.ReadFile(filepath.Join(dir, "response.json")); err == nil {
			testAnswer(t, meta.Status, body)
			return
		}
		body, err := os.ReadFile(filepath.Join(dir, "response.sse"))
		if err != nil {
			t.Fatal(err)
		}
		testStream(t, dir, body)
	})
}

func testAnswer(t *testing.T, status int, body []byte) {
	if status >= 400 {
		e := Outbound{}.ParseError(status, nil, body)
		if e.Message == "" || e.StatusCode() != status {
			t.Errorf("error %+v", e)
		}
		return
	}
	resp, err := Outbound{}.ParseResponse(body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ID == "" || resp.Model == "" || len(resp.Parts) == 0 && !bytes.Contains(body, []byte(`"content": ""`)) || resp.Usage == nil || resp.Finish.Reason == translate.FinishOther {
		t.Errorf("incomplete: %+v", resp)
	}
	out, losses := Inbound{}.AppendResponse(nil, &translate.Request{}, resp)
	again, err := Outbound{}.ParseResponse(out)
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(losses) == 0 && !reflect.DeepEqual(unbound(again.Parts), unbound(resp.Parts)) {
		t.Errorf("parts changed: %s", out)
	}
	if !reflect.DeepEqual(again.Usage, resp.Usage) {
		t.Errorf("usage %+v became %+v", resp.Usage, again.Usage)
	}
	checkSchema(t, "CreateChatCompletionResponse", out)

	// The replay of a whole answer as a stream collects to the same.
	stream := writeStream(t, translate.Replay(resp))
	streamed, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(stream))))
	if err != nil {
		t.Fatal(err)
	}
	if len(losses) == 0 && !bytes.Contains(body, []byte(`"audio": {`)) && !reflect.DeepEqual(unbound(streamed.Parts), resp.Parts) {
		a, _ := json.Marshal(streamed.Parts)
		b, _ := json.Marshal(resp.Parts)
		t.Errorf("as a stream: %s\nwhole:       %s", a, b)
	}
}

func testStream(t *testing.T, dir string, body []byte) {
	resp, err := translate.Collect(translate.Check(Outbound{newID: fixedID}.Events(bytes.NewReader(body))))
	if strings.Contains(dir, "error-in-stream") || strings.Contains(dir, "na.a2e0a9") {
		// pitfall 5
		if e := translate.AsError(err); err == nil || e.Message == "" || translate.IsTruncated(err) {
			t.Errorf("error = %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	workers := strings.Contains(dir, "workers-ai")
	if len(resp.Parts) == 0 || resp.Finish.Reason == translate.FinishOther || !workers && (resp.ID == "" || resp.Usage == nil) {
		t.Errorf("incomplete: %+v", resp)
	}
	out := writeStream(t, Outbound{newID: fixedID}.Events(bytes.NewReader(body)))
	again, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(out))))
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if !reflect.DeepEqual(unbound(again.Parts), unbound(resp.Parts)) || !reflect.DeepEqual(again.Usage, resp.Usage) || again.Finish.Reason != resp.Finish.Reason {
		a, _ := json.Marshal(resp)
		b, _ := json.Marshal(again)
		t.Errorf("changed on the way:\n%s\n%s", a, b)
	}
	whole, losses := Inbound{}.AppendResponse(nil, &translate.Request{}, resp)
	if fromWhole, err := (Outbound{}).ParseResponse(whole); err != nil || len(losses) == 0 && !reflect.DeepEqual(unbound(fromWhole.Parts), resp.Parts) {
		t.Errorf("as a whole answer: %v %s", err, whole)
	}

	// pitfall 2: a stream cut anywhere before its terminal marker fails.
	last := bytes.LastIndex(body, []byte(`"finish_reason":"`))
	if last < 0 {
		last = bytes.LastIndex(body, []byte(`"finish_reason": "`))
	}
	for cut := 0; cut < last; cut += 1 + last/37 {
		_, err := translate.Collect(Outbound{}.Events(bytes.NewReader(body[:cut])))
		if err == nil && !bytes.Contains(body[:cut], []byte(`"finish_reason": "`)) {
			t.Errorf("cut at %d of %d: a clean end", cut, len(body))
		}
	}
}

// unbound takes the citations' bounds out: one of a whole text comes back with
// the text's.
func unbound(parts []translate.Part) []translate.Part {
	for _, p := range parts {
		if text, ok := p.(*translate.Text); ok {
			for i := range text.Citations {
				text.Citations[i].Start, text.Citations[i].End = 0, 0
			}
		}
	}
	return parts
}

func fixedID() string { return "fixed" }

// writeStream writes events as a client that wants usage reads them, and
// checks each chunk.
func writeStream(t *testing.T, events func(func(*translate.Event, error) bool)) []byte {
	t.Helper()
	w := Inbound{now: func() int64 { return 1 }}.NewEventWriter(&translate.Request{Model: "m", Stream: true, IncludeUsage: true})
	var out []byte
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		out = w.AppendEvent(out, e)
	}
	s := sse.NewScanner(bytes.NewReader(out), 0)
	for {
		ev, err := s.Next()
		if err == io.EOF {
			break
		}
		if string(ev.Data) == "[DONE]" {
			continue
		}
		if !json.Valid(ev.Data) {
			t.Fatalf("no JSON: %s", ev.Data)
		}
		checkSchema(t, "CreateChatCompletionStreamResponse", ev.Data)
	}
	return out
}

// checkSchema checks the members that OpenAI's document requires of an answer
// or a chunk.
func checkSchema(t *testing.T, schema string, raw []byte) {
	t.Helper()
	var v struct {
		ID      *string
		Object  string
		Created *int64
		Model   *string
		Choices *[]map[string]json.RawMessage
		Usage   *struct {
			Prompt     *int64 `json:"prompt_tokens"`
			Completion *int64 `json:"completion_tokens"`
			Total      *int64 `json:"total_tokens"`
		}
		Error json.RawMessage
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v in %s", schema, err, raw)
	}
	object, required := "chat.completion", []string{"index", "message", "logprobs", "finish_reason"}
	if schema == "CreateChatCompletionStreamResponse" {
		object, required = "chat.completion.chunk", []string{"index", "delta", "finish_reason"}
	}
	if v.ID == nil || *v.ID == "" || v.Object != object || v.Created == nil || v.Model == nil || v.Choices == nil || v.Error != nil {
		t.Errorf("%s: a required member is missing: %s", schema, raw)
		return
	}
	if v.Usage != nil && (v.Usage.Prompt == nil || v.Usage.Completion == nil || v.Usage.Total == nil) {
		t.Errorf("%s: usage: %s", schema, raw)
	}
	for _, c := range *v.Choices {
		for _, name := range required {
			if c[name] == nil {
				t.Errorf("%s: choices[].%s is missing: %s", schema, name, raw)
			}
		}
		switch string(c["finish_reason"]) {
		case "null":
			if object == "chat.completion" {
				t.Errorf("%s: no finish_reason", schema)
			}
		case `"stop"`, `"length"`, `"tool_calls"`, `"content_filter"`:
		default:
			t.Errorf("%s: finish_reason %s", schema, c["finish_reason"])
		}
		if m := c["message"]; m != nil {
			var msg map[string]json.RawMessage
			if err := json.Unmarshal(m, &msg); err != nil || msg["role"] == nil || msg["content"] == nil || msg["refusal"] == nil {
				t.Errorf("%s: message: %s", schema, m)
			}
		}
	}
}

func TestRecordedEmbeddings(t *testing.T) {
	dirs, _ := filepath.Glob(recordings + "/*i-embeddings/*")
	more, _ := filepath.Glob(recordings + "/mistral-embeddings/*")
	n := 0
	for _, dir := range append(dirs, more...) {
		if strings.Contains(dir, "gemini") {
			continue
		}
		n++
		if req, err := os.ReadFile(dir + "/request.json"); err == nil {
			if _, err := (Embeddings{}).ParseEmbeddingRequest(req); err != nil {
				t.Error(err)
			}
		}
		body, _ := os.ReadFile(dir + "/response.json")
		r, err := Embeddings{}.ParseResponse(body)
		if err != nil || len(r.Vectors) == 0 || len(r.Vectors[0]) < 10 || r.Usage == nil {
			t.Fatalf("%s: %v, %v", dir, r, err)
		}
		for _, f := range []string{"float", "base64"} {
			out := Embeddings{}.AppendEmbeddingResponse(nil, &translate.EmbeddingRequest{EncodingFormat: f}, r)
			again, err := Embeddings{}.ParseResponse(out)
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("%s: changed in %s: %v", dir, f, err)
			}
		}
	}
	if n == 0 {
		t.Skip("no recordings beside this clone")
	}
}
