package rotate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret holds an API key so that it cannot be printed by accident: every fmt
// verb, JSON, text encoding and slog write "[redacted]". The zero value is an
// empty secret, as a server that asks for no key has one. Secrets may be copied
// and used concurrently.
//
// The string sits behind a pointer because fmt reads unexported fields of other
// structs by reflection, without asking their methods.
type Secret struct{ p *string }

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the secret itself. It is the only way to read it.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.p == nil || *s.p == "" }

// Equal reports whether both hold the same string.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" whatever the verb; %q quotes it.
func (Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		io.WriteString(f, `"`+redacted+`"`)
		return
	}
	io.WriteString(f, redacted)
}

// MarshalJSON writes "[redacted]": a key is configuration that is read, never written.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText writes "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes the text as the secret, so that configuration files can hold one.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(string(b))
	return nil
}

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Hint returns a few characters that help a person tell keys apart, such as
// "sk-…9f2c". Of a secret shorter than 16 characters it shows nothing.
func (s Secret) Hint() string {
	v := s.Reveal()
	switch {
	case v == "":
		return ""
	case len(v) < 16:
		return "…"
	}
	return v[:3] + "…" + v[len(v)-4:]
}

// fingerprint names a secret without telling it: 32 bits of its SHA-256.
func (s Secret) fingerprint() string {
	sum := sha256.Sum256([]byte(s.Reveal()))
	return hex.EncodeToString(sum[:4])
}
