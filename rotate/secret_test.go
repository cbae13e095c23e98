package rotate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// pitfall 44: whatever prints a secret, prints nothing of it.
func TestSecretNeverPrints(t *testing.T) {
	const canary = "sk-canary-0123456789abcdef"
	s := NewSecret(canary)
	type inner struct{ secret Secret } // fmt reads unexported fields by reflection
	values := map[string]any{"value": s, "pointer": &s, "key": Key{ID: "k", Secret: s}, "keys": []Key{{Secret: s}},
		"map": map[string]Secret{"a": s}, "unexported": inner{s}, "pointer to unexported": &inner{s}, "scope": struct{ k Key }{Key{Secret: s}}}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T", "%p"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, "canary") || strings.Contains(out, fmt.Sprintf("%x", "canary")) {
				t.Errorf("%s of %s prints %s", verb, name, out)
			}
		}
		raw, err := json.Marshal(v)
		if err != nil || bytes.Contains(raw, []byte("canary")) {
			t.Errorf("JSON of %s: %s %v", name, raw, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		if strings.Contains(log.String(), "canary") {
			t.Errorf("slog of %s: %s", name, log.String())
		}
	}
	for verb, want := range map[string]string{"%v": redacted, "%+v": redacted, "%#v": redacted, "%s": redacted, "%q": `"[redacted]"`} {
		if got := fmt.Sprintf(verb, s); got != want {
			t.Errorf("%s prints %s, want %s", verb, got, want)
		}
	}
	if s.Reveal() != canary || s.IsZero() || !(Secret{}).IsZero() || (Secret{}).Reveal() != "" {
		t.Error("the secret is not what was put in")
	}
	if hint := s.Hint(); hint != "sk-…cdef" {
		t.Errorf("hint %q", hint)
	}
	if NewSecret("short").Hint() != "…" || (Secret{}).Hint() != "" {
		t.Error("a short secret shows")
	}
	var config struct{ Key Secret }
	if err := json.Unmarshal([]byte(`{"Key":"from a file"}`), &config); err != nil || config.Key.Reveal() != "from a file" {
		t.Errorf("got %v, %v", config, err)
	}
}

func TestSelection(t *testing.T) {
	for spec, want := range map[string][]bool{
		"":    {true, true, true, true},
		"2":   {false, false, true, false},
		"1-3": {false, true, true, true},
		"2-":  {false, false, true, true},
		"-1":  {true, true, false, false},
		"0":   {true, false, false, false},
		"3-3": {false, false, false, true},
	} {
		s, err := ParseSelection(spec)
		if err != nil {
			t.Errorf("%q: %v", spec, err)
			continue
		}
		for i, w := range want {
			if s.Contains(i) != w {
				t.Errorf("%q contains %d: %v", spec, i, !w)
			}
		}
		if err := s.Check(4); err != nil {
			t.Errorf("%q of 4 keys: %v", spec, err)
		}
		if again, err := ParseSelection(s.String()); err != nil || again != s {
			t.Errorf("%q comes back as %q", spec, s)
		}
	}
	for _, spec := range []string{"-", "a", "1-a", "3-1", "+1", "-1-2", " 1", "1 ", "1--2", "99999999999999999999", "١"} {
		if s, err := ParseSelection(spec); err == nil {
			t.Errorf("%q is read as %q", spec, s)
		}
	}
	for _, spec := range []string{"4", "1-4", "4-"} {
		s, _ := ParseSelection(spec)
		if err := s.Check(4); err == nil || !strings.Contains(err.Error(), "4 keys") {
			t.Errorf("%q of 4 keys: %v", spec, err)
		}
	}
}
