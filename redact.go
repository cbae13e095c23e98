package llmproxy

import (
	"bytes"
	"errors"
	"strings"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Some providers quote the key that they refuse. It goes no further: neither
// to a client nor to a log.

// minSecret is the least that is taken for a secret: shorter ones are words,
// and stand in texts that tell nothing.
const minSecret = 8

// mask writes stars over the key's secret in b, so that no length changes.
func mask(b []byte, k rotate.Key) {
	secret := k.Secret.Reveal()
	if len(secret) < minSecret {
		return
	}
	for {
		i := bytes.Index(b, []byte(secret))
		if i < 0 {
			return
		}
		for j := range secret {
			b[i+j] = '*'
		}
		b = b[i+len(secret):]
	}
}

// maskError masks the key's secret in an error that a provider's words are in.
func maskError(err error, k rotate.Key) {
	var e *translate.Error
	secret := k.Secret.Reveal()
	if len(secret) < minSecret || !errors.As(err, &e) {
		return
	}
	stars := strings.Repeat("*", len(secret))
	e.Message = strings.ReplaceAll(e.Message, secret, stars)
	mask(e.Body, k)
	if e.Err != nil && strings.Contains(e.Err.Error(), secret) {
		e.Err = errors.New(strings.ReplaceAll(e.Err.Error(), secret, stars))
	}
}
