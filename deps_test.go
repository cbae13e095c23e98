package llmproxy_test

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/go-llmproxy/llmproxy"

// TestDirectDependencies holds the core to the three modules it may need.
func TestDirectDependencies(t *testing.T) {
	f, err := os.Open("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var direct []string
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(strings.TrimPrefix(s.Text(), "require "))
		if len(fields) == 2 && strings.Contains(fields[0], ".") && strings.HasPrefix(fields[1], "v") {
			direct = append(direct, fields[0])
		}
	}
	slices.Sort(direct)
	want := []string{"github.com/go-playground/validator/v10", "github.com/google/go-cmp", "golang.org/x/sync"}
	if !slices.Equal(direct, want) {
		t.Errorf("go.mod requires %q directly, want %q", direct, want)
	}
}

// TestImportRules holds the rooms apart: who may know whom.
func TestImportRules(t *testing.T) {
	out, err := goList("-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}", "./...")
	if err != nil {
		t.Fatal(err)
	}
	rules := []struct {
		room  string // packages at or below it
		allow []string
	}{
		{"/internal/", []string{"/internal/"}},
		{"/translate/translatetest", []string{"/translate", "/internal/", "github.com/google/go-cmp/"}},
		{"/translate/internal/", []string{"/translate", "/internal/"}},
		{"/translate", []string{"/translate", "/internal/"}},
		{"/rotate/rotatetest", []string{"/rotate"}},
		{"/rotate", []string{"/rotate", "golang.org/x/sync/"}},
		{"/provider", []string{"/provider", "/translate", "/rotate", "/internal/", "golang.org/x/sync/"}},
		{"/gateway", []string{"/gateway", "/provider", "/translate", "/rotate", "/internal/"}},
		{"/price", []string{"/price", "/translate", "/internal/"}},
		{"/limit", []string{".", "/limit", "/price", "/provider", "/translate"}},
		{"", []string{"/", "github.com/go-playground/validator/", "golang.org/x/sync/"}},
	}
	codecs := []string{"openai", "responses", "anthropic", "gemini", "cohere", "bedrock", "replicate"}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		for _, imp := range fields[1:] {
			local := strings.TrimPrefix(imp, module)
			if local == imp && !strings.Contains(strings.Split(imp, "/")[0], ".") {
				continue // standard library
			}
			if local == "" && imp == module && !strings.HasPrefix(pkg, "/limit") {
				t.Errorf("%s imports the root package; only limit, nested modules and examples do", fields[0])
			}
			for _, r := range rules {
				if !strings.HasPrefix(pkg, r.room) {
					continue
				}
				if !slices.ContainsFunc(r.allow, func(a string) bool {
					return strings.HasPrefix(local, a) || local == strings.TrimSuffix(a, "/") || local == "" && a == "."
				}) {
					t.Errorf("%s must not import %s", fields[0], imp)
				}
				break
			}
			for _, c := range codecs {
				if pkg == "/translate/"+c && strings.HasPrefix(local, "/translate/") && local != pkg {
					t.Errorf("codec %s imports %s; codecs never import each other", c, imp)
				}
			}
		}
	}
}

// TestConsumer shows what an importer pays in modules.
func TestConsumer(t *testing.T) {
	out, err := goList("-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	if err != nil {
		t.Fatal(err)
	}
	mods := strings.Fields(out)
	slices.Sort(mods)
	mods = slices.Compact(mods)
	for _, m := range mods {
		for _, heavy := range []string{"aws", "azure", "cloud.google", "golang.org/x/oauth2", "redis", "opentelemetry", "sqlite", "pgx", "openai", "anthropic"} {
			if m != module && strings.Contains(m, heavy) {
				t.Errorf("importing the core brings %s", m)
			}
		}
	}
	if len(mods) > 12 {
		t.Errorf("importing the core brings %d modules: %q", len(mods), mods)
	}
}

func goList(args ...string) (string, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}
