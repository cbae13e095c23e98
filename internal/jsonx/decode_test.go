package jsonx

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// White space may stand on either side of what separates values, and nothing
// else may stand there. No member is shown whose name, or colon, is wrong.
func TestSeparators(t *testing.T) {
	parts := []string{"{", "}", "[", "]", `"a"`, `"\:1"`, `"\`, ":", ",", "1", " ", "\t\r\n", "\v"}
	doc := make([]string, 0, 8)
	var all func(open string)
	all = func(open string) {
		b := []byte(open + strings.Join(doc, ""))
		if got, want := Valid(b), json.Valid(b); got != want {
			t.Fatalf("Valid(%q) = %v, encoding/json says %v", b, got, want)
		}
		d := NewDecoder(b)
		if d.Kind() == Object {
			for key := range d.Members() {
				if d.Err() != nil {
					t.Fatalf("%q: the member %q, %v", b, key, d.Err())
				}
			}
		}
		if len(doc) == 4 {
			return
		}
		for _, p := range parts {
			doc = append(doc, p)
			all(open)
			doc = doc[:len(doc)-1]
		}
	}
	for _, open := range []string{`{"a"`, `{"a":1`, `{"a" : [1`, `[1`, `[1 ,`, `{`} {
		all(open)
	}
}

// A layout finds the one member of a name, and refuses what two readers could
// read in two ways, as Top does.
func TestMember(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: "", `{"modes":1}`: "", `{"x":{"model":"no"},"mod\u0065l" : "a" ,"y":1}`: `"a"`, `{"model":null}`: "null",
		`{"model":"a","model":"b"}`: "twice", `{"model":"a","Model":"b"}`: "twice", `{"MODEL":"a"}`: "twice",
	} {
		l, _, err := Find(MaxDepth, []byte(in), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Member("model")
		var amb *AmbiguousError
		if errors.As(err, &amb) != (want == "twice") || err == nil && string(got) != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
		top, terr := Top([]byte(in), "model")
		if (terr == nil) != (err == nil) || err == nil && string(top[0]) != string(got) {
			t.Errorf("%s: Top has %s, %v", in, top, terr)
		}
	}
}
