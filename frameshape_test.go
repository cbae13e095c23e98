package llmproxy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-llmproxy/llmproxy/translate"
)

func TestFrameShape(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"content":"he","finish_reason":null}`, `{"content":" hello","finish_reason":null}`, true},
		{`{"content":"he","finish_reason":null}`, `{"content":"he","finish_reason":null}`, true},
		{`{"content":"he","finish_reason":null}`, `{"content":"","finish_reason":null}`, true},
		{`{"content":"","finish_reason":null}`, `{"content":"he, \"you\": {\n}","finish_reason":null}`, true},
		{`{"content":"he","finish_reason":null}`, `{"content":"he","finish_reason":"stop"}`, false},
		{`{"content":"he","finish_reason":null}`, `{"content":"ho","finish_reason":"stop"}`, false},
		{`{"content":"he","finish_reason":"a"}`, `{"content":"he","finish_reason":null}`, false},
		{`{"content":"a\"","x":1}`, `{"content":"b\\","x":1}`, true},
		{`{"content":"a\\","x":1}`, `{"content":"b\",\"x\":1}`, false},
		{`{"usage":null}`, `{"usage":{"a":1}}`, false},
		{`{"usage":1}`, `{"usage":{"a":1}}`, false},
		{`{"usage":1}`, `{"usage":"1"}`, false},
		{`{"a":[1,2]}`, `{"a":[1,22]}`, true},
		{`{"a":[1,2]}`, `{"a":[1,2,3]}`, false},
		{`{"a":[1,2]}`, `{"a":[-1.5e3,2]}`, true},
		{`{"content":"aa"}`, `{"content":"a"}`, true},
		{`{"a":"x","b":"y","n":9}`, `{"a":"z","b":"w","n":10}`, true},
		{`{"a":"x","b":"y"}`, `{"a":"z","c":"y"}`, false},
		{`{"a":"x","b":"y"}`, `{"a":"x" ,"b":"y"}`, false},
		{`{"a":"x"}`, "{\"a\":\"x\ny\"}", false},
		{`{"a":"x"}`, "{\"a\":\"x\\\ny\"}", false},
		{`{"abc":1}`, `{"error":1}`, false},
		{`{"abc" :1}`, `{"abd" :1}`, false},
		{`[DONE]`, `[DONE!]`, false},
		{`{"a":"x`, `{"a":"y`, false},
		{"{\"a\"\t:1}", "{\"error\"\t:1}", false},
		{`5`, `6`, false},
		{``, `{}`, false},
	} {
		a, b := []byte("data: "+c.a+"\n\n"), []byte("data: "+c.b+"\n\n")
		var like frameShape
		if like.set(a, 0); c.a == "" {
			like.set(nil, 0)
		}
		for range 2 { // the second time by what the first found
			_, got := like.learn(b)
			if n, _ := like.next(b); got != c.want || n > 0 != c.want {
				t.Errorf("%s, %s: %v, %d bytes", c.a, c.b, got, n)
			}
		}
	}
	var like frameShape
	like.set([]byte("5\n\n"), 0)
	if _, ok := like.learn([]byte("6\n\n")); ok {
		t.Error("a frame without an object has values")
	}
	like.set([]byte("data: {\"a\":\""+strings.Repeat("x", longestShape)+"\"}\n\n"), 0)
	if len(like.frame) > 0 {
		t.Error("a long frame is kept")
	}
}

// What a stream's frames have in common is known to the next stream of the format,
// and to no other. What is the stream's alone, as its ID, still does not vary.
func TestFrameShapeOutlivesStream(t *testing.T) {
	frame := func(id, text string) []byte {
		return []byte(`data: {"id":"` + id + `","choices":[{"delta":{"content":"` + text + `","refusal":null},"finish_reason":null}]}` + "\n\n")
	}
	var like frameShape
	like.begin(translate.OpenAI)
	like.set(frame("a", "one"), 3)
	for i, c := range []struct {
		id, text     string
		begin        bool
		shaped, made bool // by next, by learn
	}{
		{"a", "three", false, false, true}, {"a", "", false, true, true},
		{"bcd", "seven", true, false, true}, {"bcd", "x\\n", false, true, true},
		{"a", "x", false, false, true}, {"e", "x", false, true, true}, // one stream with several IDs
		{"f", "eight", true, true, true}, {"f", `x","error":"`, false, false, false}, {"f", "x", false, true, true},
	} {
		if c.begin {
			like.begin(translate.OpenAI)
		}
		b := frame(c.id, c.text)
		find := textFinder{keys: like.keys}
		if n, text := like.next(b); n > 0 != c.shaped || n > 0 && (n != len(b) || text != find.len(b)) {
			t.Errorf("%d: next returns %d, %d for %s", i, n, text, b)
		}
		if text, ok := like.learn(b); ok != c.made || ok && text != find.len(b) {
			t.Errorf("%d: learn returns %d, %v for %s", i, text, ok, b)
		}
	}
	like.begin(translate.Anthropic)
	if n, _ := like.next(frame("f", "x")); n > 0 {
		t.Error("a frame is known by the shape of another format's")
	}
}

// Every frame of a shape is one that the skimmer would pass over, in all
// recorded streams, and the shapes are of use: they have most such frames.
func TestFrameShapeOfRecordings(t *testing.T) {
	files, _ := filepath.Glob("../shared/recordings/*/stream-*/response*")
	if len(files) == 0 {
		t.Skip("../shared/recordings is not there")
	}
	shaped, content := 0, 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		skim := skimmer(formatOfRecording(file))
		like := frameShape{keys: contentKeys[formatOfRecording(file)]}
		for len(b) > 0 {
			n := firstFrameEnd(b)
			frame := b[:n]
			text, has := like.learn(frame)
			skims := skim(frame)
			if has && !skims {
				t.Errorf("%s: %q has the shape of %q", file, frame, like.frame)
			}
			if found, _ := like.next(b); found != 0 && found != n {
				t.Errorf("%s: %q is %d bytes long, not %d", file, frame, n, found)
			}
			find := textFinder{keys: like.keys}
			if want := find.len(frame); has && text != want {
				t.Errorf("%s: %q has %d bytes of text, not %d", file, frame, text, want)
			}
			switch {
			case has:
				shaped++
				content++
			case skims:
				like.set(frame, find.len(frame))
				content++
			}
			b = b[n:]
		}
	}
	if shaped < content*2/3 {
		t.Errorf("%d of %d frames of content are known by their shape", shaped, content)
	}
}

func formatOfRecording(file string) translate.Format {
	switch provider := filepath.Base(filepath.Dir(filepath.Dir(file))); {
	case strings.Contains(provider, "responses"):
		return translate.Responses
	case strings.Contains(provider, "anthropic"):
		return translate.Anthropic
	case strings.Contains(provider, "gemini"):
		return translate.Gemini
	}
	return translate.OpenAI
}

// Two documents of one shape have the same members, and the same values but for
// strings and numbers; and a frame ends where its first blank line does.
func FuzzFrameShape(f *testing.F) {
	f.Add(`{"a":"x","b":[1,null],"c":{"d":"e"}}`, `{"a":"y\"","b":[-2.5,null],"c":{"d":""}}`)
	f.Add(`{"a":"x"}`, "{\"a\":\"x\\\n\n\"}")
	f.Fuzz(func(t *testing.T, a, b string) {
		var like frameShape
		like.set([]byte("data: "+a+"\n\n"), 0)
		frame := []byte("data: " + b + "\n\n")
		frame = frame[:firstFrameEnd(frame)]
		_, has := like.learn(frame)
		if n, _ := like.next(slices.Concat(frame, []byte("data: {}\n\n"))); n != 0 && n != len(frame) {
			t.Fatalf("%q, %q: %d bytes", a, b, n)
		}
		var x, y any
		if !has || json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
			return
		}
		if d := cmp.Diff(without(x), without(y)); d != "" {
			t.Fatalf("%q, %q: %s", a, b, d)
		}
	})
}

// without returns a value of JSON without what its strings and numbers hold.
func without(v any) any {
	switch v := v.(type) {
	case string:
		return "a string"
	case float64:
		return "a number"
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = without(v[k])
		}
	}
	return v
}
