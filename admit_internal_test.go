package llmproxy

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
)

func TestEstimate(t *testing.T) {
	image := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xfb\xef\xbe\x01", 30_000)))
	for _, c := range []struct {
		op            provider.Op
		body          string
		input, output int64
	}{
		{provider.Chat, `{"messages":"0123456789"}`, 7, 0},
		{provider.Chat, `{"messages":"` + strings.Repeat("word ", 800) + `"}`, 1004, 0},
		{provider.Chat, `{"messages":"` + strings.Repeat("語", 1000) + `"}`, 754, 0}, // no run, though without a space
		{provider.Chat, `{"image":"` + image + `"}`, 1003, 0},
		{provider.Chat, `{"image":"` + strings.ReplaceAll(image, "/", `\/`) + `"}`, 1003, 0},
		{provider.Chat, `{"a":"` + image + `","b":"` + image + `","c":"` + image[:1000] + `"}`, 2256, 0},
		{provider.Chat, `{"max_tokens":100}`, 5, 100},
		{provider.Chat, `{"max_completion_tokens":1e3,"max_tokens":5,"n":3}`, 13, 3000},
		{provider.Chat, `{"max_output_tokens":0.5}`, 7, 1},
		{provider.Chat, `{"generationConfig":{"maxOutputTokens":7,"candidateCount":2}}`, 16, 14},
		{provider.Chat, `{"generation_config":{"max_output_tokens":7}}`, 12, 7},
		{provider.Chat, `{"max_tokens":-1}`, 5, 0},
		{provider.Chat, `{"max_tokens":"5"}`, 5, 0},
		{provider.Chat, `{"max_tokens":1e300,"n":1e300}`, 8, 1 << 50},
		{provider.Chat, `{"max_tokens":1,"Max_Tokens":100}`, 9, 0},
		{provider.Embed, `{"max_tokens":100}`, 5, 0},
		{provider.CountTokens, `{"max_tokens":100}`, 5, 0},
		{provider.Pass, ` {"max_tokens":100}`, 5, 100},
		{provider.Forward, "--boundary\r\n" + image, 0, 0},
	} {
		q := Admission{Op: c.op}
		q.estimate([]byte(c.body))
		if q.InputTokens != c.input || q.MaxOutputTokens != c.output {
			t.Errorf("%s %.60s: %d in, %d out, want %d and %d", c.op, c.body, q.InputTokens, q.MaxOutputTokens, c.input, c.output)
		}
	}
}

// TestTextBytes holds the search that skips to one that looks at every byte.
func TestTextBytes(t *testing.T) {
	plain := func(body []byte) (text, media int) {
		run := 0
		for i := 0; i <= len(body); i++ {
			if i < len(body) && isBase64[body[i]] {
				run++
				continue
			}
			if run >= 1024 {
				media++
			} else {
				text += run
			}
			if run = 0; i < len(body) {
				text++
			}
		}
		return text, media
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var body []byte
		for range r.IntN(8) {
			body = append(body, strings.Repeat("A", 1000+r.IntN(60))...)
			body = append(body, strings.Repeat(" ", r.IntN(3))...)
		}
		text, media := textBytes(body)
		if wantText, wantMedia := plain(body); text != wantText || media != wantMedia {
			t.Fatalf("%d bytes of text and %d media, want %d and %d, in %d bytes", text, media, wantText, wantMedia, len(body))
		}
	}
}

func TestNoAdmissionCostsNothing(t *testing.T) {
	x := &exchange{p: &Proxy{}}
	tg := &target{}
	if n := testing.AllocsPerRun(100, func() {
		if x.admit(provider.Chat, tg) != nil {
			t.Error("refused")
		}
		x.setAdmitted(nil)
		x.settle()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEstimate(b *testing.B) {
	for name, body := range map[string]string{
		"text":  `{"max_tokens":100,"messages":"` + strings.Repeat("Some text of a prompt. ", 10_000) + `"}`,
		"media": `{"max_tokens":100,"messages":"` + strings.Repeat("QUJD", 60_000) + `"}`,
	} {
		b.Run(fmt.Sprintf("%s/%dKB", name, len(body)/1000), func(b *testing.B) {
			data := []byte(body)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				q := Admission{Op: provider.Chat}
				q.estimate(data)
			}
		})
	}
}
