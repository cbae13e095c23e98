// Package crosstest tests the codecs against each other.
package crosstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/bedrock"
	"github.com/go-llmproxy/llmproxy/translate/cohere"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

type side struct {
	format translate.Format
	in     translate.Inbound // nil: no client speaks it
	out    translate.Outbound
}

func sides() []side {
	return []side{
		{translate.OpenAI, openai.Inbound{}, openai.Outbound{}},
		{translate.Responses, responses.Inbound{}, responses.Outbound{}},
		{translate.Anthropic, anthropic.Inbound{}, anthropic.Outbound{}},
		{translate.Gemini, gemini.Inbound{}, gemini.Outbound{}},
		{translate.Cohere, nil, cohere.Outbound{}},
		{translate.Bedrock, nil, bedrock.Outbound{}},
	}
}

func clients() []side { return sides()[:4] }

const recorded = "../../../../shared/recordings"

// formats says in which format each folder of recordings is.
func formatOf(wire string) translate.Format {
	switch {
	case strings.HasPrefix(wire, "anthropic-messages"), wire == "vertex-anthropic":
		return translate.Anthropic
	case strings.HasSuffix(wire, "-responses"):
		return translate.Responses
	case wire == "gemini", wire == "vertex-gemini":
		return translate.Gemini
	case wire == "cohere-v2":
		return translate.Cohere
	case wire == "bedrock-converse":
		return translate.Bedrock
	case wire == "ollama-chat", wire == "workers-ai":
		return "" // native formats that nobody is called in
	case strings.HasSuffix(wire, "-chat"):
		return translate.OpenAI
	}
	return ""
}

// summary is what a client's user sees of an answer.
func summary(r *translate.Response) string {
	var text, thinking, refusal strings.Builder
	var calls []string
	for _, p := range r.Parts {
		switch p := p.(type) {
		case *translate.Text:
			text.WriteString(p.Text)
		case *translate.Thinking:
			thinking.WriteString(p.Text)
		case *translate.Refusal:
			refusal.WriteString(p.Text)
		case *translate.ToolUse:
			var b bytes.Buffer
			if obj, _ := p.InputObject(); json.Compact(&b, obj) != nil {
				b.Write(obj)
			}
			calls = append(calls, p.Name+b.String())
		}
	}
	usage := "unknown"
	if u := r.Usage; u != nil {
		usage = fmt.Sprintf("%d+%d", u.TotalInput(), u.TotalOutput())
	}
	return fmt.Sprintf("text %q calls %q thinking %v usage %s", text.String()+refusal.String(), calls, thinking.Len() > 0, usage)
}

// Every recorded answer of a chat format decodes, re-encodes into each client
// format, whole and as a stream, and reads back as the same answer.
func TestRecordedAnswers(t *testing.T) {
	each(t, func(t *testing.T, s side, dir string) {
		var answers []*translate.Response
		if body, err := os.ReadFile(filepath.Join(dir, "response.json")); err == nil {
			r, err := s.out.ParseResponse(body)
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, r)
		}
		for _, name := range []string{"response.sse", "response.eventstream"} {
			body, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				continue
			}
			r, err := translate.Collect(translate.Check(s.out.Events(bytes.NewReader(body))))
			if e := translate.AsError(err); err != nil && e.Status >= 400 && !translate.IsTruncated(err) {
				t.Logf("the stream reports a failure: %v", err)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, r)
		}
		for _, r := range answers {
			want := summary(r)
			for _, c := range clients() {
				body, _ := c.in.AppendResponse(nil, &translate.Request{}, r)
				if !json.Valid(body) {
					t.Errorf("%s: not JSON: %s", c.format, body)
					continue
				}
				got, err := c.out.ParseResponse(body)
				if err != nil {
					t.Errorf("%s, whole: %v\n%s", c.format, err, body)
					continue
				}
				if g := summary(got); g != want {
					t.Errorf("%s, whole:\n got %s\nwant %s", c.format, g, want)
				}
				w := c.in.NewEventWriter(&translate.Request{Stream: true, IncludeUsage: true})
				var stream []byte
				for e := range translate.Replay(r) {
					stream = w.AppendEvent(stream, e)
				}
				if got, err = translate.Collect(translate.Check(c.out.Events(bytes.NewReader(stream)))); err != nil {
					t.Errorf("%s, stream: %v\n%.2000s", c.format, err, stream)
					continue
				}
				if g := summary(got); g != want {
					t.Errorf("%s, stream:\n got %s\nwant %s", c.format, g, want)
				}
			}
		}
	})
}

// Every recorded request of a client format becomes a request of each other
// format, or is refused by a clear 400.
func TestRecordedRequests(t *testing.T) {
	each(t, func(t *testing.T, s side, dir string) {
		body, err := os.ReadFile(filepath.Join(dir, "request.json"))
		if err != nil || s.in == nil {
			return
		}
		r, err := s.in.ParseRequest(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range sides() {
			out, _, err := to.out.AppendRequest(nil, r)
			if err != nil {
				if e := translate.AsError(err); e.Kind != translate.InvalidRequest && e.Kind != translate.Unsupported || e.Message == "" {
					t.Errorf("%s: %v", to.format, err)
				}
				continue
			}
			if !json.Valid(out) {
				t.Errorf("%s: not JSON: %s", to.format, out)
				continue
			}
			if to.in == nil {
				continue
			}
			again, err := to.in.ParseRequest(out)
			if err != nil {
				t.Errorf("%s reads its own request: %v\n%s", to.format, err, out)
				continue
			}
			if a, b := spoken(r), spoken(again); a != b {
				t.Errorf("%s says another thing:\n got %s\nwant %s", to.format, b, a)
			}
		}
	})
}

// spoken is the conversation's text and calls.
func spoken(r *translate.Request) string {
	var b strings.Builder
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			switch p := p.(type) {
			case *translate.Text:
				b.WriteString(strings.Join(strings.Fields(strings.NewReplacer("<system>", "", "</system>", "", "(begin)", "").Replace(p.Text)), ""))
			case *translate.ToolUse:
				b.WriteString("[" + p.Name + "]")
			}
		}
	}
	return b.String()
}

func each(t *testing.T, f func(t *testing.T, s side, dir string)) {
	if _, err := os.Stat(recorded); err != nil {
		t.Skip("no recordings at " + recorded)
	}
	dirs, err := filepath.Glob(filepath.Join(recorded, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, dir := range dirs {
		wire := filepath.Base(filepath.Dir(dir))
		format := formatOf(wire)
		var meta struct{ Status int }
		if b, err := os.ReadFile(filepath.Join(dir, "meta.json")); err != nil || json.Unmarshal(b, &meta) != nil || meta.Status != 200 || format == "" {
			continue
		}
		for _, s := range sides() {
			if s.format == format {
				n++
				t.Run(wire+"/"+filepath.Base(dir), func(t *testing.T) { f(t, s, dir) })
			}
		}
	}
	if n < 90 {
		t.Errorf("%d recordings only", n)
	}
}
