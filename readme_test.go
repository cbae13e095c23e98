package llmproxy

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the documents")

// TestReadmeProviders holds the table of providers to what the code says.
func TestReadmeProviders(t *testing.T) {
	vars := map[string]string{
		"AZURE_OPENAI_BASE_URL": "https://res.openai.azure.com/openai/v1", "GOOGLE_VERTEX_PROJECT": "p", "AWS_REGION": "us-east-1", "CLOUDFLARE_ACCOUNT_ID": "a",
	}
	e := &env{config: &config{}, lookup: func(n string) (string, bool) { v, ok := vars[n]; return v, ok }}
	g := &gateway.Gateway{Account: "a"}
	var b strings.Builder
	mark := func(ok bool) string {
		if ok {
			return "✅"
		}
		return "–"
	}
	for _, ep := range envProviders() {
		p := ep.make(e)
		key := ep.key
		if key == "" {
			key = ep.prefix + "_API_KEY"
		}
		var formats []string
		seen := map[string]bool{}
		for i := range p.Endpoints {
			if f := string(p.Endpoints[i].Format); !seen[f] {
				seen[f] = true
				formats = append(formats, f)
			}
		}
		_, gw := g.Slug(p.ID)
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", p.ID, key, strings.Join(formats, ", "),
			mark(p.Supports(provider.Models, "", "") || len(p.Static) > 0), mark(p.Supports(provider.Embed, "", "")), mark(gw))
	}
	for _, file := range []string{"README.md", "README_ja.md"} {
		generated(t, file, "providers", b.String())
	}
}

// generated checks, or with -update rewrites, what stands between two markers.
func generated(t *testing.T, file, name, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	start, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	head, rest, ok := strings.Cut(string(text), start)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no markers for %s", file, name)
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s: %s is stale; run go test . -run %s -update\ngot:\n%swant:\n%s", file, name, t.Name(), got, want)
		return
	}
	if err := os.WriteFile(file, []byte(head+start+want+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestReadmesSayTheSame compares the two languages: headings, tables and code.
func TestReadmesSayTheSame(t *testing.T) {
	shape := func(file string) (out []string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code := regexp.MustCompile("(?s)```.*?```").FindAllString(string(text), -1)
		out = append(out, code...)
		for line := range strings.Lines(regexp.MustCompile("(?s)```.*?```").ReplaceAllString(string(text), "")) {
			switch {
			case strings.HasPrefix(line, "#"):
				out = append(out, line[:strings.IndexByte(line, ' ')])
			case strings.HasPrefix(line, "|"):
				first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
				if strings.Contains(first, "`") {
					out = append(out, first)
				}
			}
		}
		return out
	}
	en, ja := shape("README.md"), shape("README_ja.md")
	for i := range max(len(en), len(ja)) {
		a, b := "nothing", "nothing"
		if i < len(en) {
			a = en[i]
		}
		if i < len(ja) {
			b = ja[i]
		}
		if a != b {
			t.Fatalf("README.md has %q where README_ja.md has %q", a, b)
		}
	}
}
