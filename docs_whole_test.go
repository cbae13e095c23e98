package llmproxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/gateway"
)

// TestDocumentsAreWhole has every option and its fields, variable, route, header,
// attribute of the log and package named where it is to be found.
func TestDocumentsAreWhole(t *testing.T) {
	names := map[string][]string{} // by document
	const configuration, routing = "docs/configuration.md", "docs/routes.md"
	names[configuration] = quoted(t, `(?m)^func (With\w+)\(`, "*.go")
	if _, err := New(FromEnv(func(name string) (string, bool) {
		names[configuration] = append(names[configuration], name)
		return "", false
	})); err == nil {
		t.Error("a proxy without providers was made")
	}
	for _, ep := range envProviders() {
		names[configuration] = append(names[configuration], ep.needs...)
	}
	for route := range routes {
		names[routing] = append(names[routing], route)
	}
	names[routing] = append(names[routing], forwardPrefixes...)
	names[routing] = append(names[routing], "/compat/", "/key/", "/g/", ":generateContent", ":embedContent", ":batchEmbedContents")
	names["docs/observability.md"] = quoted(t, `slog\.\w+\("(\w+)"`, "observer.go") // attributes of the log
	names[routing] = append(names[routing], quoted(t, `"(Llmproxy-[\w-]*\w)"`, "*.go")...)
	for file, structs := range map[string][]any{
		configuration:           {Limits{}, Timeouts{}, Retry{}, Concurrency{}, OnAbort{}, Cache{}},
		"docs/observability.md": {Exchange{}},
		"docs/gateway.md":       {gateway.Gateway{}},
	} {
		for _, s := range structs {
			for _, f := range reflect.VisibleFields(reflect.TypeOf(s)) {
				names[file] = append(names[file], f.Name+"`")
			}
		}
	}
	packages, err := exec.CommandContext(t.Context(), "go", "list", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(packages)) {
		if !strings.Contains(pkg, "/internal/") {
			names["docs/architecture.md"] = append(names["docs/architecture.md"], path.Base(pkg)+"`")
		}
	}
	for file, list := range names {
		text := readDocument(t, file)
		for _, name := range list {
			if !strings.Contains(text, name) {
				t.Errorf("%s does not speak of %s", file, name)
			}
		}
	}
	// No document is left out of the list in README.
	err = fs.WalkDir(os.DirFS("."), "docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") && !strings.Contains(readDocument(t, "README.md"), "("+path+")") {
			t.Errorf("README.md does not link to %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOptionsHaveExamples has every option used by an Example, which is where
// pkg.go.dev's readers look.
func TestOptionsHaveExamples(t *testing.T) {
	files, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Example") {
				ast.Inspect(fn, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						used[s.Sel.Name] = true
					}
					return true
				})
			}
		}
	}
	for _, name := range quoted(t, `(?m)^func (With\w+|FromEnv|Options|WriteError)\(`, "*.go") {
		if !used[name] {
			t.Errorf("no Example uses %s", name)
		}
	}
}

// TestPackagesHaveExamples has each package that is not a mere codec shown at
// work.
func TestPackagesHaveExamples(t *testing.T) {
	work := readDocument(t, "go.work")
	dirs := []string{".", "translate", "provider", "rotate", "gateway", "limit", "price", "rotate/sqlrotate", "limit/sqllimit",
		"provider/providertest", "rotate/rotatetest", "limit/limittest", "translate/translatetest"}
	for _, m := range regexp.MustCompile(`\./(\S+)`).FindAllStringSubmatch(work, -1) {
		if !strings.Contains(m[1], "internal") && m[1] != "examples" {
			dirs = append(dirs, m[1])
		}
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool { return strings.Contains(readDocument(t, file), "\nfunc Example") }) {
			t.Errorf("%s has no Example", dir)
		}
	}
}

// quoted returns what an expression's group matches in source files.
func quoted(t *testing.T, expression, files string) (out []string) {
	t.Helper()
	list, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range list {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(readDocument(t, file), -1) {
			out = append(out, m[1])
		}
	}
	if len(out) == 0 {
		t.Errorf("%s has nothing like %s", files, expression)
	}
	return out
}
