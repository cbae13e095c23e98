package responses

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-llmproxy/llmproxy/translate"
)

const recordings = "../../../shared/recordings"

func recorded(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for _, format := range []string{"openai-responses", "azure-openai-responses", "xai-responses"} {
		files, _ := filepath.Glob(filepath.Join(recordings, format, "*", name))
		out = append(out, files...)
	}
	if len(out) == 0 {
		t.Skip("the recordings are not there: " + recordings)
	}
	return out
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fixed() Inbound {
	return Inbound{now: func() int64 { return 1700000000 }, newID: func() string { return "fixed" }}
}

// sameRequest compares requests but for what only a first reading can lose.
var sameRequest = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(translate.Request{}, "Losses"),
	cmpopts.SortSlices(func(a, b translate.Member) int { return strings.Compare(a.Name, b.Name) })}

// sameJSON compares JSON but for white space.
var sameJSON = cmp.FilterValues(func(a, b json.RawMessage) bool { return len(a) > 0 && len(b) > 0 }, cmp.Comparer(func(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes()) || bytes.Equal(a, b)
}))

func TestRecordedRequests(t *testing.T) {
	for _, file := range recorded(t, "request.json") {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			r, err := Inbound{}.ParseRequest(read(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Losses) > 0 {
				t.Errorf("losses: %v", r.Losses)
			}
			body, losses, err := Outbound{}.AppendRequest(nil, r)
			if err != nil || len(losses) > 0 {
				t.Fatalf("AppendRequest: %v %v", losses, err)
			}
			again, err := Inbound{}.ParseRequest(body)
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			if d := cmp.Diff(r, again, sameRequest); d != "" {
				t.Errorf("parse∘append∘parse: %s", d)
			}
		})
	}
}

func TestRecordedResponses(t *testing.T) {
	for _, file := range recorded(t, "response.json") {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			body := read(t, file)
			resp, err := Outbound{}.ParseResponse(body)
			if strings.Contains(file, "http-400") {
				e := translate.AsError(err)
				if err == nil || e.Code != "model_not_found" {
					t.Errorf("got %v", err)
				}
				e = Outbound{}.ParseError(400, nil, body)
				if e.Kind != translate.InvalidRequest || e.Param != "model" {
					t.Errorf("got %+v", e)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkAnswer(t, resp)
		})
	}
}

// checkAnswer writes an answer whole and as a stream, and reads both back.
func checkAnswer(t *testing.T, resp *translate.Response) {
	t.Helper()
	if len(resp.Parts) == 0 || resp.Usage == nil || resp.Finish.Reason == "" || resp.ID == "" {
		t.Errorf("poor answer: %+v", resp)
	}
	same := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(translate.Response{}, "ID", "ServiceTier"), cmpopts.IgnoreFields(translate.Usage{}, "ServerTools"), cmpopts.IgnoreFields(translate.Finish{}, "Native")}
	body, losses := fixed().AppendResponse(nil, nil, resp)
	if len(losses) > 0 || !json.Valid(body) {
		t.Fatalf("%v %s", losses, body)
	}
	again, err := Outbound{}.ParseResponse(body)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(resp, again, same); d != "" {
		t.Errorf("ParseResponse∘AppendResponse: %s", d)
	}
	w := fixed().NewEventWriter(nil)
	var stream []byte
	for e := range translate.Replay(resp) {
		stream = w.AppendEvent(stream, e)
	}
	if len(w.Losses()) > 0 {
		t.Errorf("losses: %v", w.Losses())
	}
	checkStream(t, stream)
	streamed, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(stream))))
	if err != nil {
		t.Fatalf("%v\n%s", err, stream)
	}
	if d := cmp.Diff(again, streamed, cmpopts.EquateEmpty(), sameJSON, cmpopts.IgnoreFields(translate.Response{}, "Logprobs")); d != "" {
		t.Errorf("Collect(Events) differs from ParseResponse: %s", d)
	}
}

func TestRecordedStreams(t *testing.T) {
	for _, file := range recorded(t, "response.sse") {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			body := read(t, file)
			resp, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(body))))
			if strings.Contains(file, "error-in-stream") { // pitfall 5
				e := translate.AsError(err)
				if e.Kind != translate.RateLimit || e.Code != "rate_limit_exceeded" || !strings.HasPrefix(e.Message, "Request too large") {
					t.Fatalf("got %+v", e)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkAnswer(t, resp)

			// The last event holds the whole answer.
			end := bytes.Index(body, []byte("event: response.completed"))
			last := body[end:]
			last = last[bytes.IndexByte(last, '{'):]
			last = last[:bytes.IndexByte(last, '\n')]
			var final struct{ Response json.RawMessage }
			if err := json.Unmarshal(last, &final); err != nil {
				t.Fatal(err)
			}
			whole, err := Outbound{}.ParseResponse(final.Response)
			if err != nil {
				t.Fatal(err)
			}
			// Each event encrypts the same reasoning anew.
			if d := cmp.Diff(whole, resp, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(translate.State{}, "Data")); d != "" {
				t.Errorf("Collect(Events) differs from ParseResponse: %s", d)
			}

			// pitfall 2: a stream that is cut off is no answer.
			for cut := 0; cut < end; cut += 1 + end/97 {
				var stopped bool
				var err error
				for e, er := range translate.Check(Outbound{}.Events(bytes.NewReader(body[:cut]))) {
					stopped, err = stopped || er == nil && e.Type == translate.EventStop, er
				}
				if stopped || err == nil {
					t.Fatalf("cut at %d: stopped %v, error %v", cut, stopped, err)
				}
			}
		})
	}
}
