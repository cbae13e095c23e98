package llmproxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"reflect"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// Whichever key a client offers, and whether it is one at all, it is compared
// with every key, as digests of one length, by a function that takes constant
// time.
func TestKeysAreComparedInConstantTime(t *testing.T) {
	keys := []string{"first", "second-and-longer", "third", "third", "x"}
	set := newKeySet(secrets(keys...))
	if reflect.ValueOf(set.equal).Pointer() != reflect.ValueOf(subtle.ConstantTimeCompare).Pointer() {
		t.Error("keys are not compared by subtle.ConstantTimeCompare")
	}
	var with [][]byte
	set.equal = func(x, y []byte) int {
		if len(x) != sha256.Size || len(y) != sha256.Size {
			t.Errorf("%d bytes were compared with %d", len(x), len(y))
		}
		with = append(with, y)
		return subtle.ConstantTimeCompare(x, y)
	}
	for offered, known := range map[string]int{"first": 1, "second-and-longer": 1, "third": 1, "x": 1, "": 0, "firs": 0, "firstt": 0, "second-and-longeR": 0} {
		with = nil
		if set.has(offered) != known {
			t.Errorf("has(%q) is not %d", offered, known)
		}
		if len(with) != len(keys) {
			t.Fatalf("%q was compared with %d of %d keys", offered, len(with), len(keys))
		}
		for i, k := range keys {
			if want := sha256.Sum256([]byte(k)); !bytes.Equal(with[i], want[:]) {
				t.Errorf("%q was not compared with key %d", offered, i)
			}
		}
	}
}

// A wrong key beside a right one changes nothing, wherever either stands.
func TestAnyOfTheCredentials(t *testing.T) {
	auth := keyAuth(secrets("right", "also"))
	for _, c := range []struct {
		header http.Header
		query  string
		ok     bool
	}{
		{http.Header{"Authorization": {"Bearer right"}}, "", true},
		{http.Header{"Authorization": {"bearer  right "}}, "", true},
		{http.Header{"Authorization": {"Bearer wrong", "Bearer right"}}, "", true},
		{http.Header{"Authorization": {"Bearer wrong"}, "X-Api-Key": {"also"}}, "", true},
		{http.Header{"Authorization": {"Basic Og=="}, "Api-Key": {"right"}}, "", true},
		{http.Header{"X-Goog-Api-Key": {"wrong"}}, "key=right", true},
		{http.Header{"Sec-Websocket-Protocol": {"realtime, openai-insecure-api-key.right"}}, "", true},
		{http.Header{"Authorization": {"right"}}, "", false},
		{http.Header{"Authorization": {"Bearer"}}, "", false},
		{http.Header{"X-Api-Key": {"right,also"}}, "", false},
		{http.Header{"X-Api-Key": {""}}, "key=", false},
		{http.Header{"X-Custom": {"right"}}, "KEY=right", false},
		{http.Header{}, "", false},
	} {
		r, err := http.NewRequest(http.MethodGet, "/ping?"+c.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = c.header
		if _, err := auth(r); (err == nil) != c.ok {
			t.Errorf("%v ?%s: %v", c.header, c.query, err)
		}
	}
}

func secrets(keys ...string) (out []rotate.Secret) {
	for _, k := range keys {
		out = append(out, rotate.NewSecret(k))
	}
	return out
}
