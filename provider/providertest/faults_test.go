package providertest_test

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// An account without money is one in every format.
func TestQuotaExhausted(t *testing.T) {
	providers := map[translate.Format]string{
		translate.OpenAI: "openai", translate.Responses: "openai", translate.Anthropic: "anthropic", translate.Gemini: "google-ai-studio", translate.Cohere: "cohere", translate.Bedrock: "aws-bedrock",
	}
	for _, f := range formats {
		up := providertest.NewServer(t, providertest.QuotaExhausted())
		resp := post(t, up.URL+f.stream, `{"model":"m","stream":true}`)
		body, _ := io.ReadAll(resp.Body)
		if got := rotate.Classify(providers[f.format], resp.StatusCode, resp.Header, body, nil); got.Class != rotate.QuotaExhausted {
			t.Errorf("%s: %d %s is %v", f.format, resp.StatusCode, body, got.Class)
		}
	}
}

// A prompt that is blocked, and an answer that is, look like that in every format.
func TestFiltered(t *testing.T) {
	for _, f := range formats {
		for kind, path := range map[string]string{"whole": f.whole, "stream": f.stream} {
			up := providertest.NewServer(t, providertest.BlockedPrompt(), providertest.Say(providertest.Answer{Text: "So you take the", Filtered: true}))
			ask := func() (*http.Response, *translate.Response, error) {
				if kind == "whole" {
					resp := post(t, up.URL+path, `{"model":"m"}`)
					body, _ := io.ReadAll(resp.Body)
					r, err := f.codec.ParseResponse(body)
					return resp, r, err
				}
				resp := post(t, up.URL+path, `{"model":"m","stream":true}`)
				r, err := translate.Collect(translate.Check(f.codec.Events(resp.Body)))
				return resp, r, err
			}
			resp, r, err := ask()
			refused := f.format == translate.OpenAI || f.format == translate.Responses
			if refused && resp.StatusCode != 400 || !refused && (resp.StatusCode != 200 || err != nil || r.Finish.Reason != translate.FinishFiltered) {
				t.Errorf("%s, %s: a blocked prompt is %d %+v, %v", f.format, kind, resp.StatusCode, r, err)
			}
			if _, r, err = ask(); err != nil || r.Finish.Reason != translate.FinishFiltered {
				t.Errorf("%s, %s: a blocked answer is %+v, %v", f.format, kind, r, err)
			}
		}
	}
}

// Tool calls are whole however their deltas come.
func TestToolOrder(t *testing.T) {
	for _, f := range formats {
		for _, a := range []providertest.Answer{{}, {Interleave: true}, {Reverse: true}, {Interleave: true, Reverse: true}} {
			a.Text, a.Tools = "Let me look.", []providertest.ToolCall{{ID: "call_a", Name: "f", Arguments: `{"x":"a"}`}, {ID: "call_b", Name: "f", Arguments: `{"x":"b"}`}}
			up := providertest.NewServer(t, providertest.Say(a))
			resp := post(t, up.URL+f.stream, `{"model":"m","stream":true}`)
			r, err := translate.Collect(translate.Check(f.codec.Events(resp.Body)))
			if err != nil || len(r.Parts) != 3 {
				t.Errorf("%s %+v: %+v, %v", f.format, a, r, err)
				continue
			}
			first := r.Parts[1].(*translate.ToolUse).ID
			if numbered := f.format == translate.OpenAI || f.format == translate.Responses || f.format == translate.Anthropic; (first == "call_b") != (a.Reverse && numbered) {
				t.Errorf("%s %+v: %s is first", f.format, a, first)
			}
			for _, p := range r.Parts[1:] {
				if c := p.(*translate.ToolUse); string(c.Input) != `{"x":"`+strings.TrimPrefix(c.ID, "call_")+`"}` {
					t.Errorf("%s %+v: %s has %s", f.format, a, c.ID, c.Input)
				}
			}
		}
	}
}

// Over HTTP/2 a cut ends the stream and a reset the connection, which GOAWAY
// announces.
func TestFaultsOverHTTP2(t *testing.T) {
	hello := providertest.Text("Hello, world")
	up := providertest.NewTLSServer(t, hello.With(providertest.CutAfterEvents(2)), hello, hello.With(providertest.GoAway()), hello.With(providertest.GoAway(), providertest.ResetAfterEvents(2)), hello.With(providertest.ResetAfterEvents(2)), providertest.Reset())
	events := func() (int, error) {
		resp, err := up.Client().Post(up.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"stream":true}`))
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return bytes.Count(b, []byte("\n\n")), err
	}
	all := 0
	for i, want := range []string{"a broken stream", "all", "all", "a broken connection", "a broken connection", "a broken connection"} {
		n, err := events()
		got := "all"
		switch {
		case err != nil && strings.Contains(err.Error(), "stream error"):
			got = "a broken stream"
		case err != nil:
			got = "a broken connection"
		case all == 0:
			all = n
		}
		if got != want || err == nil && n != all || n > all && all > 0 {
			t.Errorf("%d: %s, %d events, %v", i, got, n, err)
		}
	}
}

func TestLongEvent(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("Hello").With(providertest.LongEvent(1, 1<<20)))
	resp := post(t, up.URL+"/v1/chat/completions", `{"stream":true}`)
	b, _ := io.ReadAll(resp.Body)
	lines := strings.Split(string(b), "\n\n")
	if len(lines[0]) > 1000 || len(lines[1]) < 1<<20 || len(lines[2]) > 1000 || !strings.Contains(lines[1], `"Hello"`) {
		t.Errorf("lines of %d, %d and %d bytes", len(lines[0]), len(lines[1]), len(lines[2]))
	}
}

func TestPauseAfterEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := providertest.NewPipeServer(t, providertest.Text("Hello").With(providertest.PauseAfterEvents(2, time.Minute)))
		began := time.Now()
		resp, err := up.Client().Post(up.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"stream":true}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		piece := make([]byte, 64<<10)
		for range 2 {
			if _, err := resp.Body.Read(piece); err != nil || time.Since(began) != 0 {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
		if _, err := io.ReadAll(resp.Body); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Over HTTP/1.1 the end of the connection is announced, too.
func TestGoAwayOverHTTP1(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("Hello").With(providertest.GoAway()))
	resp := post(t, up.URL+"/v1/chat/completions", `{}`)
	if _, err := io.ReadAll(resp.Body); err != nil || !resp.Close {
		t.Errorf("%v, close %v", err, resp.Close)
	}
}

// Whatever a host project may script has an example.
func TestExamplesUseEveryFault(t *testing.T) {
	fset := token.NewFileSet()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	pkg, err := doc.NewFromFiles(fset, parsed, "github.com/go-llmproxy/llmproxy/provider/providertest")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	all := pkg.Funcs
	for _, typ := range pkg.Types {
		all = append(all, typ.Funcs...)
	}
	if len(all) < 30 {
		t.Fatalf("%d functions", len(all))
	}
	for _, f := range all {
		if f.Doc == "" {
			t.Errorf("%s has no documentation", f.Name)
		}
		if !bytes.Contains(examples, []byte("providertest."+f.Name+"(")) {
			t.Errorf("%s is in no example", f.Name)
		}
	}
}
