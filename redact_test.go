package llmproxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// However an answer is cut into reads, no secret in it passes, and every other
// byte does.
func TestMaskedReader(t *testing.T) {
	const secret = "sk-sk-secret-1"
	stars := strings.Repeat("*", len(secret))
	for _, in := range []string{
		"", "s", "sk-", secret, secret + secret, "a" + secret + "b", "sk-" + secret, "sk-sk-" + secret + "sk-sk-secret-", secret[:len(secret)-1], secret[1:], strings.Repeat(secret[:5], 9) + secret, "sk-sk-sk-secret-1",
		strings.Repeat("word ", 20000) + secret + strings.Repeat(" word", 20000),
	} {
		want := strings.ReplaceAll(in, secret, stars)
		for name, cut := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "with its end": iotest.DataErrReader,
			"threes": func(r io.Reader) io.Reader { return &pieces{r, 3} },
		} {
			got, err := io.ReadAll(withoutSecret(cut(strings.NewReader(in)), rotate.NewSecret(secret)))
			if err != nil || string(got) != want {
				t.Errorf("%s: %.100q gave %.100q, %v", name, in, got, err)
			}
		}
	}
	// What is held when a stream breaks is passed on, with the error.
	broken := errors.New("broken")
	r := withoutSecret(io.MultiReader(strings.NewReader("x "+secret[:5]), iotest.ErrReader(broken)), rotate.NewSecret(secret))
	if got, err := io.ReadAll(r); string(got) != "x "+secret[:5] || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
	// Nothing waits that cannot be the secret's beginning.
	r = withoutSecret(io.MultiReader(strings.NewReader("data: x\n\n"), iotest.ErrReader(broken)), rotate.NewSecret(secret))
	if n, err := r.Read(make([]byte, 100)); n != len("data: x\n\n") || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if r := strings.NewReader("x"); withoutSecret(r, rotate.Secret{}) != io.Reader(r) {
		t.Error("an answer to no key is read through a mask")
	}
}

// pieces reads at most n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

func TestIndexSecret(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, rng.IntN(24))
		for i := range b {
			b[i] = "skQ"[rng.IntN(3)]
		}
		secret := strings.Repeat("s", rng.IntN(3)) + []string{"k", "Q", "kQs", "sk"}[rng.IntN(4)]
		if got, want := indexSecret(b, secret), bytes.Index(b, []byte(secret)); got != want {
			t.Fatalf("%q in %q at %d, not %d", secret, b, got, want)
		}
	}
}
