package llmproxy

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Memory that a transport may still read must not become another request's.
func TestBodiesAreFreeOnceRead(t *testing.T) {
	for _, c := range []struct {
		name string
		read func(r *http.Request)
		free bool
	}{
		{"whole", func(r *http.Request) { io.Copy(io.Discard, struct{ io.Reader }{r.Body}) }, true},
		{"written whole", func(r *http.Request) { io.Copy(io.Discard, r.Body) }, true},
		{"written in part", func(r *http.Request) { io.Copy(cutWriter{}, r.Body) }, false},
		{"in part", func(r *http.Request) { r.Body.Read(make([]byte, 10)); r.Body.Close() }, false},
		{"not at all", func(r *http.Request) { r.Body.Close() }, false},
		{"again, in part", func(r *http.Request) {
			io.Copy(io.Discard, r.Body)
			again, _ := r.GetBody()
			again.Read(make([]byte, 10))
		}, false},
		{"twice whole", func(r *http.Request) {
			io.Copy(io.Discard, r.Body)
			again, _ := r.GetBody()
			io.Copy(io.Discard, again)
			io.Copy(io.Discard, again)
		}, true},
	} {
		freed := false
		for range 100 { // the pool may forget one
			var s bodies
			b := s.get(20_000)
			b.b = b.b[:smallBody+100]
			r, err := http.NewRequest("POST", "http://a", bytes.NewReader(b.b))
			if err != nil {
				t.Fatal(err)
			}
			s.watch(r, false)
			c.read(r)
			s.release()
			next := newBuffer(20_000)
			freed = freed || next == b
		}
		if freed != c.free {
			t.Errorf("%s: free %v, want %v", c.name, freed, c.free)
		}
	}
}

// cutWriter is a connection that breaks.
type cutWriter struct{}

func (cutWriter) Write(p []byte) (int, error) { return min(len(p), 10), io.ErrClosedPipe }

func TestBufferSizes(t *testing.T) {
	for _, n := range []int{0, 1, 2048, 2049, 1 << 20, 1<<20 + 1, 1 << 23, 1<<23 + 1, 1 << 25} {
		for range 3 {
			b := newBuffer(n)
			if cap(b.b) < n || len(b.b) != 0 {
				t.Errorf("newBuffer(%d) has room for %d, and %d bytes", n, cap(b.b), len(b.b))
			}
			b.b = append(b.b, make([]byte, n+n/3)...) // as bodies that outgrow it do
			b.free()
		}
	}
}

// A small body is sent from memory of its own: whoever has the buffer next
// changes nothing of it.
func TestSmallBodiesAreCopied(t *testing.T) {
	const text = `{"model":"m"}`
	openai := provider.OpenAI()
	for name, build := range map[string]func(body []byte) (*http.Request, bool, error){
		"a provider.HTTP's": func(body []byte) (*http.Request, bool, error) {
			r, err := openai.NewRequest(t.Context(), &provider.Call{Op: provider.Chat, Format: translate.OpenAI, Model: "m", Body: body}, rotate.Key{})
			return r, true, err
		},
		"another's": func(body []byte) (*http.Request, bool, error) {
			r, err := http.NewRequest("POST", "http://a", bytes.NewReader(body))
			return r, false, err
		},
	} {
		var s bodies
		b := s.get(len(text))
		b.b = append(b.b, text...)
		r, own, err := build(b.b)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.watch(r, own); err != nil {
			t.Fatal(err)
		}
		clear(b.b)
		again, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []io.Reader{r.Body, again} {
			if sent, err := io.ReadAll(body); string(sent) != text || err != nil {
				t.Errorf("%s body: %q, %v", name, sent, err)
			}
		}
	}
}
