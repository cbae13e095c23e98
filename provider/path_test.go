package provider_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
)

// FuzzJoinPath proves that pass-through stays below the base URL at its host,
// whatever a client asks for.
func FuzzJoinPath(f *testing.F) {
	bases := []string{"https://host/v1", "https://host/api/v1/", "http://127.0.0.1:80", "https://host/accounts/a%20b/ai"}
	for _, s := range []string{"/v1/files", "/v1", "//evil.com/x", "/..", "/%2e%2e/x", "/..%2f", `/..\x`, "/v1/v1/x", "/a/./b", "@evil.com", "evil", "/%zz", "/a;b/..;c/d", "/%252e%252e/", "?x", "/a#b", "/\x00"} {
		for i := range bases {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, path string) {
		base := bases[int(which)%len(bases)]
		b, _ := url.Parse(base)
		joined, err := provider.JoinPath(base, path)
		if err != nil {
			return
		}
		u, err := url.Parse(joined)
		if err != nil {
			return // http.NewRequest refuses it
		}
		root := strings.TrimSuffix(b.EscapedPath(), "/")
		if u.Host != b.Host || u.Scheme != b.Scheme || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q + %q = %q", base, path, joined)
		}
		// However often a server decodes and cleans the path, it stays below.
		p := u.EscapedPath()
		for range 3 {
			clean := pathClean(p)
			if clean != root && !strings.HasPrefix(clean, root+"/") {
				t.Fatalf("%q + %q = %q, which is %q", base, path, joined, clean)
			}
			if p, err = url.PathUnescape(p); err != nil {
				return
			}
			root = b.Path[:len(strings.TrimSuffix(b.Path, "/"))]
		}
	})
}

// pathClean resolves dots as a server that takes backslashes for slashes does.
func pathClean(p string) string {
	var out []string
	for seg := range strings.SplitSeq(strings.ReplaceAll(p, `\`, "/"), "/") {
		switch seg, _, _ := strings.Cut(seg, ";"); seg {
		case ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, seg)
		}
	}
	return strings.Join(out, "/")
}

func TestJoinPath(t *testing.T) {
	for _, tt := range [][3]string{
		{"https://h/v1", "/files", "https://h/v1/files"},
		{"https://h/v1", "/v1/files", "https://h/v1/files"},
		{"https://h/api/v1", "/api/v1/files", "https://h/api/v1/files"},
		{"https://h/api/v1", "/v1/files", "https://h/api/v1/files"},
		{"https://h/v1", "/v1", "https://h/v1"},
		{"https://h/v1", "", "https://h/v1"},
		{"https://h/v1", "/", "https://h/v1/"},
		{"https://h/v1", "/v1beta/x", "https://h/v1/v1beta/x"},
		{"https://h", "//evil.com", "https://h//evil.com"},
		{"https://h", ".evil.com", "https://h/.evil.com"},
		{"https://h", "@evil.com", "https://h/@evil.com"},
		{"https://h/v1", "/a%2Fb", "https://h/v1/a%2Fb"},
		{"https://h/v1", "/..", ""},
		{"https://h/v1", "/%2E%2e/x", ""},
		{"https://h/v1", "/..%2fx", ""},
		{"https://h/v1", "/x%2f..%2f..", ""},
		{"https://h/v1", `/..\x`, ""},
		{"https://h/v1", "/..%5cx", ""},
		{"https://h/v1", "/%252e%252e/x", ""},
		{"https://h/v1", "/..;a=b/x", ""},
		{"https://h/v1", "/v1/../x", ""},
		{"https://h/v1", "/%zz", ""},
		{"https://h/v1", "/a?b", ""},
		{"https://h/v1", "/a b", ""},
	} {
		got, err := provider.JoinPath(tt[0], tt[1])
		if got != tt[2] || (err != nil) != (tt[2] == "") {
			t.Errorf("%s + %s = %q, %v; want %q", tt[0], tt[1], got, err, tt[2])
		}
	}
}

func TestMatchModel(t *testing.T) {
	for _, tt := range []struct {
		patterns []string
		model    string
		want     bool
	}{
		{nil, "a", false},
		{[]string{"*"}, "a/b", true},
		{[]string{"*"}, "", true},
		{[]string{""}, "", true},
		{[]string{"a"}, "ab", false},
		{[]string{"a*"}, "a/b", true},
		{[]string{"*b"}, "a/b", true},
		{[]string{"a*c*e"}, "abcde", true},
		{[]string{"a*c*e"}, "abcdf", false},
		{[]string{"*ab*ab"}, "ababab", true},
		{[]string{"o[1-9]*"}, "o3-mini", true},
		{[]string{"o[1-9]*"}, "o", false},
		{[]string{"o[1-9]*"}, "openai", false},
		{[]string{"x[^a-c]?"}, "xdz", true},
		{[]string{"x[^a-c]?"}, "xbz", false},
		{[]string{"x[13]"}, "x3", true},
		{[]string{"x["}, "x[", false},
		{[]string{"*", "!a*"}, "ab", false},
		{[]string{"*", "!a*", "ab"}, "ab", true},
		{[]string{"!a*"}, "b", false},
	} {
		if got := provider.MatchModel(tt.patterns, tt.model); got != tt.want {
			t.Errorf("%q, %q: %v", tt.patterns, tt.model, got)
		}
	}
}
