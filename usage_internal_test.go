package llmproxy

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestLastUsageNull(t *testing.T) {
	pieces := []string{`,"usage":null`, `,"usage":null`, `,"usage"`, `:null`, `:`, `,"usage":nul`, `l`, `"`, `{"a":1}`, "\n\n"}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var b strings.Builder
		for range rng.IntN(8) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		in := []byte(b.String())
		if got, want := lastUsageNull(in), bytes.LastIndex(in, usageNull); got != want {
			t.Fatalf("%d in %q, want %d", got, in, want)
		}
	}
}
