package translate

import (
	"slices"
	"testing"
)

// pitfall 38: a base64 vector has as many dimensions as it had before.
func TestBase64Vector(t *testing.T) {
	v := []float32{0, 1, -0.5, 3.4e38, 1e-45}
	s := EncodeBase64Vector(v)
	if s != "AAAAAAAAgD8AAAC/nsl/fwEAAAA=" {
		t.Errorf("encoded %s", s)
	}
	got, err := DecodeBase64Vector(s)
	if err != nil || !slices.Equal(got, v) {
		t.Errorf("decoded %v, %v; want %v", got, err, v)
	}
	for _, bad := range []string{"AAAA", "!"} {
		if _, err := DecodeBase64Vector(bad); err == nil {
			t.Errorf("%q was decoded", bad)
		}
	}
}
