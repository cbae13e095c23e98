package main

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const audience = "llmproxy"

// signer makes and checks tokens. A host whose users sign in elsewhere only
// checks them, with that service's public key.
type signer struct{ secret []byte }

func newSigner(secret string) (*signer, error) {
	if len(secret) < 32 { // RFC 7518, section 3.2: no shorter than the hash
		return nil, errors.New("set JWT_SECRET to at least 32 bytes")
	}
	return &signer{[]byte(secret)}, nil
}

// sign returns a token for a day.
func (s *signer) sign(subject string) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject: subject, Audience: jwt.ClaimStrings{audience}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(24 * time.Hour)),
	}).SignedString(s.secret)
}

// principal is an llmproxy.AuthFunc. Its errors are for the log: clients learn
// no more than that their key is wrong.
func (s *signer) principal(r *http.Request) (string, error) {
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(bearer(r), &claims, func(*jwt.Token) (any, error) { return s.secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	if err == nil && claims.Subject == "" {
		err = errors.New("the token has no subject")
	}
	return claims.Subject, err
}

// bearer returns the token from where the SDKs of OpenAI, Anthropic and Gemini
// put their key.
func bearer(r *http.Request) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	if token := r.Header.Get("X-Api-Key"); token != "" {
		return token
	}
	return r.Header.Get("X-Goog-Api-Key")
}
