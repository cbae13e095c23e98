package llmproxy

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

func TestCopyHeader(t *testing.T) {
	provider := http.Header{
		"Access-Control-Allow-Origin": {"https://provider"}, "Access-Control-Allow-Headers": {"X"}, "Access-Control-Expose-Headers": {"Y"},
		"X-Request-Id": {"theirs"}, "X-Note": {"your key is sk-0123456789", "plain"}, "X-Hop": {"1"}, "Connection": {"x-hop, keep-alive"}, "Keep-Alive": {"5"},
		"Set-Cookie": {"a=b"}, "Content-Length": {"7"}, "Alt-Svc": {"h3"}, "Strict-Transport-Security": {"max-age=1"}, "Trailer": {"X"},
	}
	const passed = "Llmproxy-Upstream-Request-Id X-Note X-Request-Id"
	for _, c := range []struct {
		own, hop, want string
	}{
		{"", "", "Access-Control-Allow-Headers Access-Control-Allow-Origin Access-Control-Expose-Headers " + passed},
		{"https://mine", "", "Access-Control-Allow-Origin " + passed},
		{"https://mine", "X-Request-ID", "Access-Control-Allow-Origin X-Note X-Request-Id"},
	} {
		for range 20 { // the order of a map's keys must not matter
			src, dst := provider.Clone(), http.Header{"X-Request-Id": {"mine"}}
			if c.own != "" {
				dst.Set("Access-Control-Allow-Origin", c.own)
			}
			if c.hop != "" {
				src.Add("Connection", c.hop)
			}
			copyHeader(dst, src, rotate.NewSecret("sk-0123456789"))
			if got := strings.Join(slices.Sorted(maps.Keys(dst)), " "); got != c.want {
				t.Fatalf("%+v: got %s", c, got)
			}
			if v := dst["X-Note"]; dst.Get("X-Request-Id") != "mine" || v[0] != "your key is *************" || v[1] != "plain" {
				t.Fatalf("got %v", dst)
			}
			if c.own != "" && dst.Get("Access-Control-Allow-Origin") != c.own || c.hop == "" && dst.Get("Llmproxy-Upstream-Request-Id") != "theirs" {
				t.Fatalf("got %v", dst)
			}
		}
	}
}

// What a translated answer passes of a provider's headers.
func TestTranslatedDown(t *testing.T) {
	for name, want := range map[string]bool{
		"Retry-After": true, "X-Ratelimit-Remaining-Tokens": true, "Anthropic-Ratelimit-Tokens-Reset": true, "Request-Id": true,
		"Content-Type": false, "Date": false, "Etag": false, "Server": false, "X-Note": false, "Anthropic-Organization-Id": false,
	} {
		if translatedDown(name) != want {
			t.Errorf("%s passes: %v", name, !want)
		}
	}
}

func TestHeaderText(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ path, reason, want string }{
		{"logit_bias", "has no counterpart", "logit_bias: has no counterpart"},
		{"tools[é]", "~", "tools[?]: ~"},
		{"a\r\nSet-Cookie", "\x7f", "a??Set-Cookie: ?"},
		{long, "", long[:200]},
	} {
		if got := headerText(translate.Loss{Path: c.path, Reason: c.reason}); got != c.want {
			t.Errorf("%q: got %q", c.path, got)
		}
	}
}
