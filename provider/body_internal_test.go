package provider

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// A short body has memory of its own, in one piece, as net/http may read it when
// the exchange is over, and writes it with the header. A long one is not copied.
// Both can be read again.
func TestGetBody(t *testing.T) {
	for _, size := range []int{0, 1, longBody - 2, longBody - 1, longBody} {
		a, b := []byte(strings.Repeat("a", size)), []byte("b")
		open := pieces{a, b}.getBody()
		long := size+1 >= longBody
		want := string(a) + "b"
		for i := range a {
			a[i] = 'x'
		}
		if b[0] = 'x'; long {
			want = strings.Repeat("x", size+1)
		}
		for range 2 {
			body, err := open()
			if err != nil {
				t.Fatal(err)
			}
			if _, parts := body.(*piecesReader); parts != long {
				t.Errorf("%d bytes: a body of type %T", size, body)
			}
			if got, err := io.ReadAll(body); string(got) != want || err != nil {
				t.Errorf("%d bytes: %d others, %v", size, len(got), err)
			}
		}
	}
}

// A body is the same whether its parts have room already or not, and however
// many there are.
func TestEditedAppends(t *testing.T) {
	c := &Call{Model: "m", Body: []byte(`{"a":1,"b":2,"c":3,"d":4}`)}
	for _, name := range []string{"a", "c", "e", "f", "g", "h", "i", "j"} {
		c.Edits = append(c.Edits, Edit{Name: name, Value: []byte("0")})
	}
	const want = `{"a":0,"b":2,"c":0,"d":4,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0}`
	for room := range 20 {
		body, err := edited(make(pieces, 0, room), c, "m", nil)
		if got := bytes.Join(body, nil); string(got) != want || err != nil {
			t.Fatalf("room for %d: %s, %v", room, got, err)
		}
	}
	c.Body, c.Edits[0].Value = []byte(`{ "a" : 1 }`), nil
	if got, err := c.JSON(); string(got) != `{"c":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0 }` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
