package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

var documents = []string{
	`{}`, `[]`, `null`, ` true `, `"a\u00e9\ud83d\ude00\ud800x\n"`, `-0.5e+10`, `12345678901234567890`,
	`{"a":1,"b":[1,2,{"c":"d"}],"e":null}`, `{"a":1`, `{"a" 1}`, `[1,]`, `{"a":1,}`, `01`, `1.`, `-`, `"\x"`, "\"\x01\"", `tru`,
	`{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`, `"\u12`, `[[[[1]]]]`, `1 2`, "",
}

func FuzzDecoder(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := Valid(b), json.Valid(b); got != want {
			t.Fatalf("Valid(%q) = %v, encoding/json says %v", b, got, want)
		}
		if !Valid(b) {
			return
		}
		var want any
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Skip() // encoding/json's own limits
		}
		var got any
		dec = json.NewDecoder(bytes.NewReader(copyValue(NewDecoder(b))))
		dec.UseNumber()
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("copy of %q is not JSON: %v", b, err)
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if !bytes.Equal(g, w) {
			t.Fatalf("copy of %q = %s, want %s", b, g, w)
		}
		Path(b, len(b)/2)
	})
}

// copyValue decodes a whole value and encodes it again.
func copyValue(d *Decoder) []byte {
	var e Encoder
	var walk func()
	walk = func() {
		switch d.Kind() {
		case Object:
			e.Object()
			for k := range d.Members() {
				e.KeyString(string(k))
				walk()
			}
			e.EndObject()
		case Array:
			e.Array()
			for range d.Elements() {
				walk()
			}
			e.EndArray()
		case String:
			e.String(d.String())
		case Number:
			e.Raw(d.Number())
		case Bool:
			e.Bool(d.Bool())
		default:
			d.Null()
			e.Null()
		}
	}
	walk()
	return e.B
}

func FuzzTop(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d), "model", `"x"`)
		f.Add([]byte(d), "a", ``)
	}
	f.Fuzz(func(t *testing.T, b []byte, name, value string) {
		var edit Edit
		edit.Name = strings.ToValidUTF8(name, "")
		if Valid([]byte(value)) {
			edit.Value = []byte(value)
		}
		out, err := Splice(nil, b, edit)
		var m map[string]json.RawMessage
		if json.Unmarshal(b, &m) != nil || m == nil {
			if err == nil {
				t.Fatalf("Splice(%q) took what is no object", b)
			}
			return
		}
		if err != nil {
			t.Fatalf("Splice(%q): %v", b, err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("Splice(%q, %+v) = %q: %v", b, edit, out, err)
		}
		delete(m, edit.Name)
		if edit.Value != nil {
			m[edit.Name] = edit.Value
		}
		if len(got) != len(m) {
			t.Fatalf("Splice(%q, %+v) = %q", b, edit, out)
		}
	})
}

func TestSplice(t *testing.T) {
	set := func(n, v string) Edit { return Edit{n, []byte(v)} }
	for _, c := range []struct {
		in    string
		edits []Edit
		want  string
	}{
		{`{ "model" : "a" , "x":1.0 }`, []Edit{set("model", `"b"`)}, `{ "model" : "b" , "x":1.0 }`},
		{`{"a":1 , "b":2}`, []Edit{{"a", nil}}, `{ "b":2}`},
		{`{"a":1,"b":2}`, []Edit{{"b", nil}}, `{"a":1}`},
		{`{"a":1,"b":2}`, []Edit{{"a", nil}, {"b", nil}}, `{}`},
		{`{"a":1,"b":2}`, []Edit{{"a", nil}, {"b", nil}, set("c", "3")}, `{"c":3}`},
		{`{}`, []Edit{set("c", "3")}, `{"c":3}`},
		{`{"a":1}`, []Edit{set("c", "3")}, `{"a":1,"c":3}`},
		{`{"a":1,"a":2}`, []Edit{set("a", "3")}, `{"a":3}`},
		{`{"mod\u0065l":1}`, []Edit{set("model", "3")}, `{"mod\u0065l":3}`},
	} {
		got, err := Splice(nil, []byte(c.in), c.edits...)
		if err != nil || string(got) != c.want {
			t.Errorf("Splice(%s, %v) = %s, %v; want %s", c.in, c.edits, got, err, c.want)
		}
	}
}

func TestTopRefusesTwoReadings(t *testing.T) {
	for _, in := range []string{
		`{"model":"a","model":"b"}`, `{"model":"a","Model":"b"}`, `{"MODEL":"a"}`, `{"mod\u0065l":"a","model":"b"}`,
	} {
		var amb *AmbiguousError
		if _, err := Top([]byte(in), "model"); !errors.As(err, &amb) {
			t.Errorf("Top(%s) = %v, want an AmbiguousError", in, err)
		}
	}
	got, err := Top([]byte(`{"x":{"model":"no"},"mod\u0065l":"a","stream":true}`), "model", "stream", "none")
	if err != nil || string(got[0]) != `"a"` || string(got[1]) != "true" || got[2] != nil {
		t.Errorf("Top = %s, %v", got, err)
	}
}

func TestPath(t *testing.T) {
	doc := []byte(`{"a":1,"messages":[{},{"content":[1,{"x":true}]}]}`)
	if got, want := Path(doc, bytes.Index(doc, []byte("true"))), "messages[1].content[1].x"; got != want {
		t.Errorf("Path = %q, want %q", got, want)
	}
}

func TestDepthIsBounded(t *testing.T) {
	if Valid([]byte(strings.Repeat("[", 1<<20))) || Valid([]byte(strings.Repeat("[", MaxDepth+1)+strings.Repeat("]", MaxDepth+1))) {
		t.Error("a document nested too deep was taken")
	}
}

func TestTypeErrorsStick(t *testing.T) {
	d := NewDecoder([]byte(`{"a":"x","b":3.0,"c":null,"d":1.5}`))
	for k := range d.Members() {
		switch string(k) {
		case "b":
			if d.Int() != 3 {
				t.Error("3.0 is a whole number")
			}
		case "c":
			if d.String() != "" || d.Err() != nil {
				t.Error("null reads as absent")
			}
		case "d":
			d.Int()
		}
	}
	if d.Err() == nil {
		t.Error("1.5 is no whole number")
	}
	var te *TypeError
	d = NewDecoder([]byte(`{"a":[]}`))
	for range d.Members() {
		_ = d.String()
	}
	if !errors.As(d.End(), &te) || te.Want != String || te.Got != Array {
		t.Errorf("got %v", d.End())
	}
}

func TestAllocations(t *testing.T) {
	doc := []byte(`{"messages":[{"role":"user","content":"some text \" here"}],"model":"m","stream":true}`)
	buf := make([]byte, 0, 1024)
	for name, c := range map[string]struct {
		want float64
		f    func()
	}{
		"Top":    {1, func() { Top(doc, "model", "stream") }},
		"Skip":   {0, func() { d := Decoder{b: doc}; d.Skip() }},
		"encode": {0, func() { e := Encoder{B: buf}; e.Object().Key("a").String("text <\n>").Key("b").Int(1).EndObject() }},
		"members": {0, func() {
			d := Decoder{b: doc}
			for k := range d.Members() {
				if string(k) == "messages" {
					for range d.Elements() {
						for range d.Members() {
						}
					}
				}
			}
		}},
	} {
		if got := testing.AllocsPerRun(100, c.f); got > c.want {
			t.Errorf("%s: %v allocations, want at most %v", name, got, c.want)
		}
	}
	for w := range strings.FieldsSeq(commonWords + " max_tokenx ab") {
		literal := []byte(`"` + w + `"`)
		var got string
		allocs := testing.AllocsPerRun(100, func() { d := Decoder{b: literal}; got = d.String() })
		if common := slices.Contains(strings.Fields(commonWords), w); got != w || common != (allocs == 0) {
			t.Errorf("%s: got %q with %v allocations", w, got, allocs)
		}
	}
}

func agentRequest() []byte {
	var e Encoder
	e.Object().Key("model").String("m").Key("messages").Array()
	for len(e.B) < 225<<10 {
		e.Object().Key("role").String("user").Key("content").String(strings.Repeat("some text that is \"quoted\" now and then,\n and goes on for a while without anything. ", 12)).EndObject()
	}
	e.EndArray().Key("stream").Bool(true).EndObject()
	return e.B
}

func BenchmarkTop(b *testing.B) {
	doc := agentRequest()
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Top(doc, "model", "stream"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendString(b *testing.B) {
	s := string(agentRequest())
	buf := make([]byte, 0, 2*len(s))
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		AppendString(buf, s)
	}
}
