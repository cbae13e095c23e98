package llmproxy

import (
	"strings"
	"testing"
)

func TestWithoutKey(t *testing.T) {
	for raw, want := range map[string]string{
		"":                        "",
		"a=b&c":                   "a=b&c",
		"key=1":                   "",
		"key=1&a=%20&key=2&&k=3":  "a=%20&&k=3",
		"%6bey=1&a=%zz&%zz=1":     "a=%zz&%zz=1",
		"monkey=1&Key=2&key&ke=y": "monkey=1&Key=2&ke=y",
	} {
		if got := withoutKey(raw); got != want {
			t.Errorf("%q: %q, not %q", raw, got, want)
		}
	}
	// A query of a megabyte is not copied once for each of its parameters.
	many := strings.Repeat("k&", 10_000)
	if n := testing.AllocsPerRun(1, func() { withoutKey(many) }); n > 50 {
		t.Errorf("%v allocations", n)
	}
}
