package llmproxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Some providers quote the key that they are sent. It goes no further: neither
// to a client nor to a log.

// minSecret is the least that is taken for a secret: shorter ones are words,
// and stand in texts that tell nothing.
const minSecret = 8

// mask writes stars over a key's secret in b, so that no length changes.
func mask(b []byte, of rotate.Secret) {
	secret := of.Reveal()
	if len(secret) < minSecret {
		return
	}
	for {
		i := indexSecret(b, secret)
		if i < 0 {
			return
		}
		for j := range secret {
			b[i+j] = '*'
		}
		b = b[i+len(secret):]
	}
}

// indexSecret is bytes.Index for what is hardly ever there. It looks for the
// byte of the secret that is rarest in text, as every answer is searched whole:
// many secrets begin with "sk-", and many words with "s".
func indexSecret(b []byte, secret string) int {
	rare, least := 0, byte(255)
	for i := 0; i < len(secret) && least > 0; i++ {
		if f := frequency[secret[i]]; f < least {
			rare, least = i, f
		}
	}
	last := len(b) - len(secret) // where it may begin
	for at := 0; at <= last; at++ {
		i := bytes.IndexByte(b[at+rare:last+rare+1], secret[rare])
		if i < 0 {
			break
		}
		if at += i; b[at] == secret[0] && string(b[at:at+len(secret)]) == secret {
			return at
		}
	}
	return -1
}

// frequency says how often bytes stand in answers, as ranks.
var frequency = func() (rank [256]byte) {
	const often = ` eta"oinsr:,lhdcum_pfgy{}wbk.v0125-34678[]9\xAT/zjqS`
	for i := range len(often) {
		rank[often[i]] = byte(len(often) - i)
	}
	return rank
}()

// masked reads what a provider sends with a key's secret masked, also where
// it comes in pieces: an end that may be the secret's beginning waits for what
// follows.
type masked struct {
	r      io.Reader
	secret rotate.Secret
	held   int // so many bytes of the secret were read and not passed on
}

// withoutSecret returns r, masked where there is a secret. Reads must have room
// for more than that.
func withoutSecret(r io.Reader, secret rotate.Secret) io.Reader {
	if len(secret.Reveal()) < minSecret {
		return r
	}
	return &masked{r: r, secret: secret}
}

func (m *masked) Read(p []byte) (int, error) {
	for {
		n := copy(p, m.secret.Reveal()[:m.held])
		read, err := m.r.Read(p[n:])
		n += read
		mask(p[:n], m.secret)
		m.held = 0
		if err == nil {
			m.held = beginning(p[:n], m.secret.Reveal())
		}
		if n > m.held || err != nil {
			return n - m.held, err
		}
	}
}

// beginning returns how many bytes at the end of b are the secret's first.
func beginning(b []byte, secret string) int {
	if len(b) == 0 || strings.IndexByte(secret, b[len(b)-1]) < 0 {
		return 0
	}
	for n := min(len(secret)-1, len(b)); n > 0; n-- {
		if string(b[len(b)-n:]) == secret[:n] {
			return n
		}
	}
	return 0
}

// maskHeader masks a key's secret in an answer's header.
func maskHeader(h http.Header, of rotate.Secret) {
	for _, values := range h {
		maskValues(values, of)
	}
}

func maskValues(values []string, of rotate.Secret) {
	secret := of.Reveal()
	if len(secret) < minSecret {
		return
	}
	for i, v := range values {
		if len(v) >= len(secret) && strings.Contains(v, secret) {
			values[i] = strings.ReplaceAll(v, secret, strings.Repeat("*", len(secret)))
		}
	}
}

// maskError masks a key's secret in an error that a provider's words are in.
func maskError(err error, of rotate.Secret) {
	var e *translate.Error
	secret := of.Reveal()
	if len(secret) < minSecret || !errors.As(err, &e) {
		return
	}
	stars := strings.Repeat("*", len(secret))
	e.Message = strings.ReplaceAll(e.Message, secret, stars)
	mask(e.Body, of)
	if e.Err != nil && strings.Contains(e.Err.Error(), secret) {
		e.Err = errors.New(strings.ReplaceAll(e.Err.Error(), secret, stars))
	}
}
