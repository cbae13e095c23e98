package jsonx

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// plain finds the first byte that is none, wherever it stands.
func TestPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, r.IntN(600))
		if r.IntN(20) == 0 {
			b = make([]byte, r.IntN(60000))
		}
		for i := range b {
			if b[i] = byte('#' + r.IntN('['-'#')); r.IntN(50) == 0 {
				b[i] = byte(0x80 + r.IntN(0x80))
			}
		}
		for range r.IntN(3) {
			if len(b) > 0 {
				b[r.IntN(len(b))] = []byte{'"', '\\', 0, 31, '\n'}[r.IntN(5)]
			}
		}
		want := bytes.IndexFunc(b, func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' })
		if want < 0 {
			want = len(b)
		}
		if got := Plain(b); got != want {
			t.Fatalf("of %d bytes %d are plain, want %d", len(b), got, want)
		}
		if i := bytes.IndexFunc(b[:want], func(r rune) bool { return r >= 0x80 }); i >= 0 {
			want = i
		}
		if got := span(b, highs); got != want {
			t.Fatalf("of %d bytes %d are plain ASCII, want %d", len(b), got, want)
		}
	}
}

// A string that is read ends where it ends when it is skipped, is the one that
// encoding/json reads, and is refused for the same reason.
func TestQuoted(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"a", "a longer stretch of text", `\n`, `\"`, `\\`, `\/`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\ude00`, `\ud83d\n`, "é", "\xff",
		`\x`, `\u12`, `\ud83d\u1`, "\n", `"`, `\`}
	for range 50000 {
		s := `"`
		bad := r.IntN(2) * 6 // pieces that make it wrong, or end it
		for range r.IntN(8) {
			s += pieces[r.IntN(len(pieces)-6+bad)]
		}
		if r.IntN(8) > 0 {
			s += `"`
		}
		read, skip := Decoder{b: []byte(s)}, Decoder{b: []byte(s)}
		got := read.String()
		skip.Skip()
		if !reflect.DeepEqual(read.err, skip.err) || read.pos != skip.pos {
			t.Fatalf("%q: read to %d, %v, skipped to %d, %v", s, read.pos, read.err, skip.pos, skip.err)
		}
		var want string
		if read.err == nil && (json.Unmarshal([]byte(s[:read.pos]), &want) != nil || string([]rune(got)) != want) {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	}
}

// What is not UTF-8 does not make a long string cost more than its length.
func TestAppendStringNoUTF8(t *testing.T) {
	for _, piece := range []string{"\xff", "é\xff", "\xe8\xaa", "word \x80"} {
		s := strings.Repeat(piece, 1<<20/len(piece))
		start := time.Now()
		AppendString(nil, s)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q again and again: %v", piece, took)
		}
	}
}

// A string is written as its runes are, one by one.
func TestAppendStringRunes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"a", "word ", "a longer stretch of plain text, ", "\"", "\\", "\n", "\x00", "\x1f", "\x7f", "é", "語", "😀", "\ufffd", "\x80", "\xe8\xaa", "\xff", "\xed\xa0\x80"}
	escapes := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, 0: `\u0000`, 31: `\u001f`}
	for range 20000 {
		var s string
		for range r.IntN(12) {
			s += pieces[r.IntN(len(pieces))]
		}
		want := `"`
		for _, c := range s {
			if e, ok := escapes[c]; ok {
				want += e
			} else {
				want += string(c)
			}
		}
		if got := AppendString(nil, s); string(got) != want+`"` {
			t.Fatalf("%q: %s, want %s", s, got, want)
		}
	}
}

func BenchmarkPlain(b *testing.B) {
	for _, n := range []int{40, 200, 1000, 1 << 20} {
		s := bytes.Repeat([]byte("abcdefgh"), n/8)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				Plain(s)
			}
		})
	}
}

// A template matches what differs from the learnt document in its string
// alone, and tells the string as a Decoder does.
func TestTemplate(t *testing.T) {
	doc := []byte(`{"a":"x\"\\","text":"one \" two\\","b":["y"]} `)
	d := NewDecoder(doc)
	var tpl Template
	for k := range d.Members() {
		if string(k) == "text" {
			d.StringBytes()
			tpl.Learn(doc, d.Offset())
		}
	}
	for in, want := range map[string]string{
		`{"a":"x\"\\","text":"one \" two\\","b":["y"]} `:       `one " two\`,
		`{"a":"x\"\\","text":"other","b":["y"]} `:              `other`,
		`{"a":"x\"\\","text":"","b":["y"]} `:                   ``,
		`{"a":"x\"\\","text":"\u00e9\n\"","b":["y"]} `:         "\u00e9\n\"",
		`{"a":"x\"\\","text":"é","b":["y"]} `:                  "é",
		`{"a":"x\"\\","text":"a","c":"","b":["y"]} `:           "no",
		`{"a":"x\"\\","text":"a\","b":["y"]} `:                 "no", // the quote is escaped: no JSON
		"{\"a\":\"x\\\"\\\\\",\"text\":\"\n\",\"b\":[\"y\"]} ": "no",
		`{"a":"x\"\\","text":5,"b":["y"]} `:                    "no",
		`{"a":"x","text":"a","b":["y"]} `:                      "no",
		`{"a":"x\"\\","text":"`:                                "no",
		``:                                                     "no",
	} {
		got, ok := tpl.Match([]byte(in))
		if ok != (want != "no") || ok && string(got) != want {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
	tpl.Forget()
	if _, ok := tpl.Match(doc); ok {
		t.Error("what was forgotten matches")
	}
}

// What a template says of a document is what reading it says.
func FuzzTemplate(f *testing.F) {
	f.Add(`{"t":"a","b":1}`, `{"t":"b","b":1}`)
	f.Add(`{"t":"a\\"}`, `{"t":"\"","t":"c"}`)
	read := func(doc string) (text string, end, n int, err error) {
		d := NewDecoder([]byte(doc))
		for k := range d.Members() {
			if n++; string(k) == "t" {
				text, end = d.String(), d.Offset()
			}
		}
		return text, end, n, d.End()
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		_, end, n, err := read(a)
		if err != nil || end == 0 || a[end-1] != '"' {
			return
		}
		var tpl Template
		tpl.Learn([]byte(a), end)
		got, ok := tpl.Match([]byte(b))
		text, _, m, err := read(b)
		if ok && (err != nil || string(got) != text && n == m && n == 1) {
			t.Errorf("%q after %q: %q, read %q, %v", b, a, got, text, err)
		}
	})
}

// What is trusted is read as what is checked, where it is JSON, and never past
// its end.
func FuzzTrust(f *testing.F) {
	f.Add(`{"a":"x\\\"y\\\\","b":[1,{"c":"}"}],"a":null}`)
	f.Add(`{"a":"x`)
	f.Fuzz(func(t *testing.T, doc string) {
		edits := []Edit{{"a", []byte("1")}, {"b", nil}, {"z", []byte(`"z"`)}}
		want, err := Splice(nil, []byte(doc), edits...)
		found, _, terr := Find(MaxDepth, []byte(doc), nil)
		if terr != nil {
			if err == nil {
				t.Errorf("%q: %v", doc, terr)
			}
			return
		}
		got := bytes.Join(found.Pieces(nil, edits...), nil)
		if err == nil && string(got) != string(want) {
			t.Errorf("%q: %q; checked: %q", doc, got, want)
		}
	})
}
