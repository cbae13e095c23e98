package crosstest

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// seed adds what the scenarios hold under a prefix.
func seed(f *testing.F, prefix string, add func(i int, data string)) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".golden.txtar") {
			continue
		}
		for _, file := range readArchive(f, path) {
			for i, s := range sides() {
				if strings.HasPrefix(file.name, prefix+string(s.format)+".") {
					add(i, file.data)
				}
			}
		}
	}
}

// FuzzTranslate gives every codec requests of any kind: what one takes, each
// other one writes as JSON, the same each time, or refuses.
func FuzzTranslate(f *testing.F) {
	seed(f, "request.", func(i int, data string) { f.Add(uint8(i), []byte(data)) })
	f.Fuzz(func(t *testing.T, i uint8, body []byte) {
		from := clients()[int(i)%len(clients())]
		r, err := from.in.ParseRequest(body)
		if err != nil {
			if e := translate.AsError(err); e.Kind != translate.InvalidRequest && e.Kind != translate.Unsupported || e.Message == "" {
				t.Fatalf("%s: %v", from.format, err)
			}
			return
		}
		r.Format = from.format
		for _, to := range sides() {
			r.Model = models[to.format]
			out, _, err := to.out.AppendRequest(nil, r)
			if err != nil {
				if e := translate.AsError(err); e.Kind != translate.InvalidRequest && e.Kind != translate.Unsupported || e.Message == "" {
					t.Errorf("%s to %s: %v", from.format, to.format, err)
				}
				continue
			}
			if !json.Valid(out) {
				t.Errorf("%s to %s: not JSON: %s", from.format, to.format, out)
			}
			if again, _, _ := to.out.AppendRequest(nil, r); !bytes.Equal(out, again) {
				t.Errorf("%s to %s: twice, and different:\n%s\n%s", from.format, to.format, out, again)
			}
		}
	})
}

// FuzzAnswers gives every codec streams of any kind: they keep the grammar,
// however they are cut into reads, and each client's frames are whole.
func FuzzAnswers(f *testing.F) {
	seed(f, "answer.", func(i int, data string) { f.Add(uint8(i), uint64(i), []byte(data)) })
	f.Fuzz(func(t *testing.T, i uint8, cuts uint64, stream []byte) {
		from := sides()[int(i)%len(sides())]
		for _, to := range clients() {
			whole := written(t, from, to, bytes.NewReader(stream))
			if pieces := written(t, from, to, &pieces{stream, rand.New(rand.NewPCG(cuts, 0))}); !bytes.Equal(whole, pieces) {
				t.Errorf("%s as %s: the reads matter:\n%s\n%s", from.format, to.format, whole, pieces)
			}
			for line := range strings.Lines(string(whole)) {
				line = strings.TrimRight(line, "\r\n")
				data, ok := strings.CutPrefix(line, "data: ")
				if !ok && !strings.HasPrefix(line, "event: ") && !strings.HasPrefix(line, ": ") && line != "" || ok && data != "[DONE]" && !json.Valid([]byte(data)) {
					t.Fatalf("%s as %s: %q in\n%s", from.format, to.format, line, whole)
				}
			}
		}
		if r, err := from.out.ParseResponse(stream); err == nil {
			for _, to := range clients() {
				if body, _ := to.in.AppendResponse(nil, &translate.Request{}, r); !json.Valid(body) {
					t.Errorf("%s as %s: not JSON: %s", from.format, to.format, body)
				}
			}
		}
	})
}

func written(t *testing.T, from, to side, r io.Reader) []byte {
	w := to.in.NewEventWriter(&translate.Request{Stream: true, IncludeUsage: true})
	var b []byte
	for e, err := range translate.Check(from.out.Events(r)) {
		if err != nil {
			if strings.Contains(err.Error(), translate.ErrGrammar.Error()) {
				t.Fatalf("%s: %v", from.format, err)
			}
			b = w.AppendError(b, translate.AsError(err))
			break
		}
		b = w.AppendEvent(b, e)
	}
	return []byte(fixed(string(b)))
}

// pieces reads a few bytes at a time.
type pieces struct {
	b    []byte
	rand *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(1+p.rand.IntN(40), len(p.b))])
	p.b = p.b[n:]
	return n, nil
}
