package llmproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// documents returns the Markdown files that readers are sent to.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(files, "README.md", "README_ja.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/agents/README.md")
}

func readDocument(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is a fenced block of a document.
type block struct {
	file string
	line int // of its first line of text
	lang string
	text string
}

func blocks(t *testing.T, file string) (out []block) {
	t.Helper()
	var open *block
	n := 0
	for line := range strings.Lines(readDocument(t, file)) {
		n++
		mark, fenced := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fenced && open == nil:
			open = &block{file: file, line: n + 1, lang: mark}
		case fenced:
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block has no end", file, open.line)
	}
	return out
}

// documentImports are the packages that fragments may name.
var documentImports = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "log": "log", "os": "os", "slog": "log/slog", "sql": "database/sql",
	"strings": "strings", "time": "time",
	"llmproxy": module, "gateway": module + "/gateway", "limit": module + "/limit", "sqllimit": module + "/limit/sqllimit", "redislimit": module + "/limit/redislimit", "price": module + "/price", "provider": module + "/provider", "rotate": module + "/rotate", "translate": module + "/translate",
	"sqlrotate": module + "/rotate/sqlrotate", "redisrotate": module + "/rotate/redisrotate",
	"bedrock": module + "/provider/bedrock", "vertex": module + "/provider/vertex",
	"otel": module + "/observe/otel", "otelhttp": "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "propagation": "go.opentelemetry.io/otel/propagation",
	"openai": "github.com/openai/openai-go/v3", "option": "github.com/openai/openai-go/v3/option",
}

const module = "github.com/go-llmproxy/llmproxy"

// documentNames is what fragments may take for granted.
const documentNames = "ctx context.Context, w http.ResponseWriter, r *http.Request, db *sql.DB, key string, pool *rotate.Pool, limits limit.LimitsFunc"

// TestDocumentsCompile type-checks every Go block of the documents: whole
// files as they are, fragments as the body of a function.
func TestDocumentsCompile(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.lang != "go" {
				continue
			}
			n++
			at := fmt.Sprintf("//line %s:%d\n", b.file, b.line)
			if f, err := parser.ParseFile(token.NewFileSet(), "", b.text, parser.PackageClauseOnly); err == nil {
				write(fmt.Sprintf("%s%d/main.go", f.Name.Name, n), at+b.text)
				continue
			}
			write(fmt.Sprintf("fragment%d/fragment.go", n), fragment(t, b, at))
		}
	}
	if n < 10 {
		t.Errorf("only %d Go blocks were found", n)
	}
	write("go.mod", "module documents.invalid\n\ngo 1.26.0\n")
	// The workspace has every module that a document may speak of.
	work := readDocument(t, "go.work")
	work = regexp.MustCompile(`(?m)^(use |\t)(\./?)`).ReplaceAllString(work, "${1}"+filepath.ToSlash(root)+"/")
	write("go.work", work+"\nuse .\n")
	if sum, err := os.ReadFile("go.work.sum"); err == nil {
		write("go.work.sum", string(sum))
	}
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, bytes.ReplaceAll(out, []byte(dir+"/"), nil))
	}
}

// fragment makes a file of a few statements, or declarations, and the imports
// that they need.
func fragment(t *testing.T, b block, at string) string {
	t.Helper()
	text := b.text
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+text, 0)
	if err != nil {
		f, err = parser.ParseFile(token.NewFileSet(), "", "package p; func _() {\n"+text+"\n}", 0)
		if err != nil {
			t.Errorf("%s:%d: %v", b.file, b.line, err)
			return "package p\n"
		}
		fn := f.Decls[0].(*ast.FuncDecl)
		for _, s := range fn.Body.List { // a fragment need not use what it makes
			if a, ok := s.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
				for _, l := range a.Lhs {
					if name := l.(*ast.Ident).Name; name != "_" {
						text += "_ = " + name + "\n"
					}
				}
			}
		}
		text = "func _(" + documentNames + ") {\n" + at + text + "}\n"
	} else {
		text = at + text
	}
	imports := map[string]bool{"context": true, "net/http": true, "database/sql": true, module + "/rotate": true, module + "/limit": true}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && documentImports[x.Name] != "" && slices.Contains(f.Unresolved, x) {
				imports[documentImports[x.Name]] = true
			}
		}
		return true
	})
	var head strings.Builder
	head.WriteString("package p\n\n")
	for path := range imports {
		fmt.Fprintf(&head, "import %q\n", path)
	}
	return head.String() + "\nfunc _(" + documentNames + ") {}\n" + text
}

// TestDocumentsJSON reads the JSON blocks, and has FromEnv take the servers.
func TestDocumentsJSON(t *testing.T) {
	n := 0
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.lang != "json" {
				continue
			}
			if !json.Valid([]byte(b.text)) {
				t.Errorf("%s:%d: no JSON", b.file, b.line)
			}
			if !strings.HasPrefix(b.text, "[") {
				continue
			}
			n++
			if _, err := New(FromEnv(func(name string) (string, bool) {
				if name == "PROXY_API_KEY" {
					return "secret", true
				}
				return b.text, name == customVar
			})); err != nil {
				t.Errorf("%s:%d: %v", b.file, b.line, err)
			}
		}
	}
	if n == 0 {
		t.Error("no list of servers was found")
	}
}

// TestDocumentsCommands holds the paths and targets in shell blocks to what is
// there.
func TestDocumentsCommands(t *testing.T) {
	makefile := readDocument(t, "Makefile")
	command := regexp.MustCompile(`^\s*(?:[A-Z_]+=\S+ +)*(go (?:run|test|build|vet)|make)\b(.*)`)
	n := 0
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.lang != "sh" && b.lang != "bash" {
				continue
			}
			for line := range strings.Lines(b.text) {
				m := command.FindStringSubmatch(line)
				if m == nil {
					continue
				}
				n++
				if strings.HasPrefix(m[1], "go") && regexp.MustCompile(`-update +\S`).MatchString(m[2]) {
					t.Errorf("%s:%d: go takes what follows -update for its value, and tests another package", file, b.line)
				}
				for word := range strings.FieldsSeq(m[2]) {
					switch {
					case m[1] == "make":
						if !strings.Contains(makefile, "\n"+word+":") {
							t.Errorf("%s:%d: the Makefile has no target %q", file, b.line, word)
						}
					case strings.HasPrefix(word, "./"):
						path := strings.TrimSuffix(word, "...")
						if found, _ := filepath.Glob(filepath.Join(path, "*.go")); len(found) == 0 {
							t.Errorf("%s:%d: there is no Go file in %s", file, b.line, word)
						}
					}
				}
			}
		}
	}
	if n == 0 {
		t.Error("no command was found")
	}
}

// TestDocumentsLinks follows the relative links, with their anchors, and looks
// for the files that the architecture names.
func TestDocumentsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fences := regexp.MustCompile("(?s)```.*?```")
	for _, m := range regexp.MustCompile("`(\\w+\\.go)`").FindAllStringSubmatch(readDocument(t, "docs/architecture.md"), -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("docs/architecture.md: %v", err)
		}
	}
	for _, file := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(fences.ReplaceAllString(readDocument(t, file), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			name, anchor, _ := strings.Cut(m[1], "#")
			path := file
			if name != "" {
				path = filepath.Join(filepath.Dir(file), name)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %s leads nowhere", file, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, path), anchor) {
				t.Errorf("%s: %s has no heading for #%s", file, path, anchor)
			}
		}
	}
}

// anchors returns the names that a document's headings have in links.
func anchors(t *testing.T, file string) (out []string) {
	t.Helper()
	for line := range strings.Lines(readDocument(t, file)) {
		if title := strings.TrimLeft(line, "#"); title != line {
			out = append(out, strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
					return unicode.ToLower(r)
				}
				return -1
			}, strings.TrimSpace(title)))
		}
	}
	return out
}
