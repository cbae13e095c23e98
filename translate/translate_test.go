package translate

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStateSealAndOpen(t *testing.T) {
	for _, s := range []*State{
		{Origin: "anthropic", Data: "c2ln"}, {Origin: "gemini", Data: "x", Key: "k_1"}, {Origin: "", Data: ""}, {Origin: "a", Data: strings.Repeat("z", 1000)},
	} {
		sealed := s.Seal("anthropic")
		if s.Origin == "anthropic" && sealed != s.Data {
			t.Errorf("native state is changed: %q", sealed)
		}
		if safe := OpenState("anthropic", strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(sealed), "=")); s.Origin != "" && *safe != *OpenState("anthropic", sealed) {
			t.Errorf("in the URL-safe alphabet it is %+v", safe)
		}
		got := OpenState("anthropic", sealed)
		if s.Origin != "" && *got != *s {
			t.Errorf("got %+v, want %+v", got, s)
		}
	}
	if got := OpenState("gemini", "+mxsbXAx!"); got.Data != "+mxsbXAx!" || got.Origin != "gemini" {
		t.Errorf("what looks sealed and is not must pass: %+v", got)
	}
}

// pitfall 15: state survives a client that only echoes tool calls.
func TestPackToolID(t *testing.T) {
	use := &State{Origin: "gemini", Data: "c2ln+/="}
	thinking := []*Thinking{
		{Text: "hm – ünï", State: &State{Origin: "anthropic", Data: "sig"}},
		{Redacted: true, State: &State{Origin: "anthropic", Data: "enc", Key: "k"}},
	}
	packed := PackToolID("toolu_1", use, thinking)
	if strings.Trim(packed, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		t.Errorf("Anthropic refuses the ID %q", packed)
	}
	bare, gotUse, gotThinking := UnpackToolID(packed)
	if bare != "toolu_1" || *gotUse != *use || !cmp.Equal(gotThinking, thinking) {
		t.Errorf("got %q %+v %s", bare, gotUse, cmp.Diff(thinking, gotThinking))
	}
	if PackToolID("x", nil, []*Thinking{{Text: "no state"}}) != "x" {
		t.Error("an ID without state must stay as it is")
	}
	for _, id := range []string{"", "x", "_llmp1_", "a_llmp1_!!", packed[:len(packed)-3], "a_llmp1_" + strings.Repeat("_", 40)} {
		if bare, s, _ := UnpackToolID(id); bare != id || s != nil {
			t.Errorf("UnpackToolID(%q) = %q, %+v", id, bare, s)
		}
	}
}

func FuzzUnpackToolID(f *testing.F) {
	f.Add(PackToolID("a", &State{Origin: "o", Data: "d"}, []*Thinking{{Text: "t", State: &State{Data: "x"}}}))
	for _, id := range []string{"_llmp1_", "+mxsbXAx", "-mxsbXAx", "+mxsbXAx====", "-mxsbXAx_-"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		UnpackToolID(id)
		OpenState("x", id)
	})
}

// Thinking comes back in front of the text that led to the call.
func TestRestore(t *testing.T) {
	state := func(s string) *State { return &State{Origin: "anthropic", Data: s} }
	text, call := &Text{Text: "t"}, &ToolUse{ID: "a"}
	bare, signed, other := &Thinking{Text: "hm"}, &Thinking{Text: "hm", State: state("1")}, &Thinking{Text: "so", State: state("2")}
	for name, c := range map[string]struct {
		turn    []Part
		carried []*Thinking
		want    []Part
	}{
		"nothing said":    {nil, []*Thinking{signed, other}, []Part{signed, other}},
		"text":            {[]Part{text}, []*Thinking{signed, other}, []Part{signed, other, text}},
		"second call":     {[]Part{signed, text, call}, []*Thinking{other}, []Part{signed, text, call, other}},
		"without state":   {[]Part{bare, text}, []*Thinking{signed}, []Part{signed, text}},
		"there already":   {[]Part{signed, text}, []*Thinking{signed}, []Part{signed, text}},
		"nothing carried": {[]Part{bare, text}, nil, []Part{bare, text}},
	} {
		if got := Restore(c.turn, c.carried); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestSequencer(t *testing.T) {
	ev := func(typ EventType, i int) Event { return Event{Type: typ, Index: i, Kind: KindToolUse} }
	in := []Event{
		{Type: EventStart}, ev(EventBlockStart, 0), ev(EventBlockDelta, 0), ev(EventBlockStart, 1), ev(EventBlockDelta, 0), ev(EventBlockDelta, 1),
		ev(EventBlockStart, 2), {Type: EventPing}, ev(EventBlockStop, 1), ev(EventBlockDelta, 2), ev(EventBlockStop, 0), ev(EventBlockDelta, 2), ev(EventBlockStop, 2), {Type: EventStop},
	}
	var s Sequencer
	n, blocks := 0, ""
	for i := range in {
		s.Push(&in[i], func(e *Event) {
			if n++; e.Kind != 0 {
				blocks += string(rune('0' + e.Index))
			}
		})
	}
	if want := "00001112222"; blocks != want || n != len(in) {
		t.Errorf("events of blocks %s, want %s; %d of %d events", blocks, want, n, len(in))
	}
}

func TestCollectReplay(t *testing.T) {
	r := &Response{
		ID: "1", Model: "m", Created: 5,
		Parts: []Part{
			&Thinking{Text: "hm", State: &State{Origin: "a", Data: "s"}}, &Thinking{Redacted: true, State: &State{Origin: "a", Data: "enc"}},
			&Text{Text: "hi", Citations: []Citation{{URL: "u"}}}, &ToolUse{ID: "c", Name: "f", Input: []byte(`{"x":1}`)},
			&ToolUse{ID: "d", Name: "g", Input: []byte(`"free text"`), Custom: true}, &Refusal{Text: "no"},
			&Media{Kind: Image, Data: "aGk="}, &Opaque{Format: Anthropic, Type: "x", Raw: []byte(`{}`)},
		},
		Finish: Finish{Reason: FinishToolUse}, Usage: &Usage{Input: 1, Output: 2},
	}
	got, err := Collect(Check(Replay(r)))
	if err != nil || cmp.Diff(r, got) != "" {
		t.Error(err, cmp.Diff(r, got))
	}
}

// pitfall 29: every provider's error body, from the cross table.
func TestParseErrorBody(t *testing.T) {
	for _, c := range []struct {
		status        int
		body          string
		message, code string
		kind          ErrorKind
	}{
		{401, `{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, "Incorrect API key provided", "invalid_api_key", Authentication},
		{529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`, "Overloaded", "", Overloaded},
		{429, `{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x","retryDelay":"46s"}]}}`, "Quota", "429", RateLimit},
		{400, `[{"error":{"code":400,"message":"arr","status":"INVALID_ARGUMENT"}}]`, "arr", "400", InvalidRequest},
		{400, `{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`, "API key not valid", "API_KEY_INVALID", InvalidRequest},
		{429, `{"message":"Too many tokens"}`, "Too many tokens", "", RateLimit},
		{422, `{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}`, "Extra inputs are not permitted", "", InvalidRequest},
		{400, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided"}`, "Incorrect API key provided", "Client specified an invalid argument", InvalidRequest},
		{402, `{"error":{"code":402,"message":"Insufficient credits","metadata":{}}}`, "Insufficient credits", "402", QuotaExceeded},
		{429, `{"success":false,"result":null,"errors":[{"code":3036,"message":"neurons"}],"messages":[]}`, "neurons", "3036", RateLimit},
		{422, `{"title":"Input validation failed","detail":"- input: prompt is required","status":422}`, "- input: prompt is required", "", InvalidRequest},
		{404, `{"error":"model 'x' not found"}`, "model 'x' not found", "", NotFound},
		{429, `{"error":{"message":"q","type":"insufficient_quota","code":"insufficient_quota"}}`, "q", "insufficient_quota", QuotaExceeded},
		{200, `{"error":{"message":"Overloaded","type":"overloaded_error"}}`, "Overloaded", "", Overloaded},
		{200, `{"error":{"code":502,"message":"Provider down"}}`, "Provider down", "502", Upstream},
		{502, "<html>Bad</html>", "the provider answered 502 Bad Gateway", "", Upstream},
		{500, "", "the provider answered 500 Internal Server Error", "", Upstream},
	} {
		e := ParseErrorBody(c.status, http.Header{}, []byte(c.body))
		if e.Message != c.message || e.Code != c.code || e.Kind != c.kind {
			t.Errorf("%s: got %q %q %q, want %q %q %q", c.body, e.Message, e.Code, e.Kind, c.message, c.code, c.kind)
		}
	}
	e := ParseErrorBody(429, http.Header{}, []byte(`{"error":{"details":[{"retryDelay":"46s"}]}}`))
	if e.RetryAfter != 46*time.Second {
		t.Errorf("RetryInfo: %v", e.RetryAfter)
	}
	if e = ParseErrorBody(429, http.Header{"Retry-After-Ms": {"120"}, "Retry-After": {"1"}}, nil); e.RetryAfter != 120*time.Millisecond {
		t.Errorf("retry-after-ms: %v", e.RetryAfter)
	}
}

func TestTurns(t *testing.T) {
	text := func(s string) Part { return &Text{Text: s} }
	result := &ToolResult{ToolUseID: "a"}
	r := &Request{Messages: []Message{
		{Role: System, Parts: []Part{text("s")}}, {Role: Developer, Parts: []Part{text("d")}},
		{Role: User, Parts: []Part{text("1")}}, {Role: User, Parts: []Part{text("2")}}, {Role: Assistant, Parts: []Part{text("3")}},
		{Role: User, Parts: []Part{text("4")}}, {Role: User, Parts: []Part{result}}, {Role: System, Parts: []Part{text("late")}},
	}}
	var l Losses
	system, turns := r.Turns(false, &l)
	if len(system) != 2 || len(turns) != 3 || len(l) != 1 || turns[2].Parts[0] != Part(result) || len(turns[0].Parts) != 2 {
		t.Errorf("got %d system, %+v, %v", len(system), turns, l)
	}
	if len(r.Messages[2].Parts) != 1 {
		t.Error("the request was changed")
	}
	if _, turns = r.Turns(true, &l); len(turns) != 4 {
		t.Errorf("got %+v", turns)
	}
}

func TestRewrite(t *testing.T) {
	mine, other := &State{Origin: "anthropic", Data: "a", Key: "k1"}, &State{Origin: "anthropic", Data: "b", Key: "k2"}
	img := &Media{Kind: Image, URL: "https://x"}
	r := &Request{Messages: []Message{
		{Role: User, Parts: []Part{&Text{Text: "q"}, img}},
		{Role: Assistant, Parts: []Part{&Thinking{State: mine}, &Thinking{State: other}, &ToolUse{ID: "1", State: other}}},
		{Role: User, Parts: []Part{&ToolResult{Parts: []Part{img}}}},
	}}
	if r.StateKey() != "k2" {
		t.Errorf("StateKey = %q", r.StateKey())
	}
	got, losses := r.WithoutStateOf("k1")
	if len(losses) != 2 || len(got.Messages[1].Parts) != 2 || got.Messages[1].Parts[1].(*ToolUse).State != nil {
		t.Errorf("got %+v, %v", got.Messages[1], losses)
	}
	if len(r.Messages[1].Parts) != 3 || r.Messages[1].Parts[2].(*ToolUse).State != other {
		t.Error("the request was changed")
	}
	mapped := MapMedia(r.Messages, func(m *Media) *Media { return &Media{Kind: Image, Data: "aGk="} })
	if mapped[0].Parts[1].(*Media).Data == "" || mapped[2].Parts[0].(*ToolResult).Parts[0].(*Media).Data == "" || img.Data != "" {
		t.Error("media were not replaced, or in place")
	}
	if same := MapMedia(r.Messages, func(m *Media) *Media { return m }); &same[0] != &r.Messages[0] {
		t.Error("nothing changed, yet it was copied")
	}
}

func TestSealed(t *testing.T) {
	s := &State{Origin: "gemini", Data: "x"}
	for body, want := range map[string]bool{
		`{"signature":"` + s.Seal("anthropic") + `"}`: true, `{"signature":"` + strings.ReplaceAll(s.Seal("anthropic"), "+", `\u002b`) + `"}`: true,
		`{"signature":"` + strings.NewReplacer("+", "-", "/", "_").Replace(s.Seal("anthropic")) + `"}`: true,
		`{"id":"` + PackToolID("a", s, nil) + `"}`:                                                     true, `{"signature":"c2ln"}`: false,
	} {
		if Sealed([]byte(body)) != want {
			t.Errorf("Sealed(%s) = %v", body, !want)
		}
	}
}

// Turns copies what it merges a few times at most, however many messages of one
// role follow one another, and leaves the request as it is.
func TestTurnsMergesManyMessages(t *testing.T) {
	shared := make([]Part, 1, 8)
	shared[0] = &Text{Text: "a"}
	r := &Request{Messages: []Message{{Role: User, Parts: shared}}}
	for range 1000 {
		r.Messages = append(r.Messages, Message{Role: User, Parts: []Part{&Text{Text: "b"}}})
	}
	var turns []Message
	allocs := testing.AllocsPerRun(1, func() { _, turns = r.Turns(false, new(Losses)) })
	if len(turns) != 1 || len(turns[0].Parts) != 1001 || allocs > 100 {
		t.Errorf("%d turns, %v allocations", len(turns), allocs)
	}
	if shared[:2][1] != nil {
		t.Error("the request's own parts were written to")
	}
}

// What a model gave as arguments comes back as it was.
func TestInputText(t *testing.T) {
	for _, text := range []string{`{}`, `{"a": 1}`, `[1]`, `null`, `"x"`, `""`, `{"a":`, "words"} {
		if u := (ToolUse{Input: ParseInput(text, false)}); u.InputText() != text {
			t.Errorf("%s: %s, and then %s", text, u.Input, u.InputText())
		}
	}
}

// Of very many losses the last ones are not named, but one can see that there
// are more.
func TestLossesAreBounded(t *testing.T) {
	var l Losses
	for range 5000 {
		l.Add("x", "unknown")
	}
	if n := len(l); n != 1001 || l[n-1].Reason != "there are more" {
		t.Errorf("%d losses, the last: %v", n, l[n-1])
	}
}
