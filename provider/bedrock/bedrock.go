// Package bedrock signs requests for Amazon Bedrock with AWS credentials: those
// that AWS's SDK finds (environment, shared files, SSO, containers, machines),
// and pooled ones that are a key each. It is a module of its own, so that only
// those who use it pay for the SDK. Bedrock API keys need none of it.
//
//	p, err := bedrock.New(ctx, provider.BedrockConfig{Region: "us-east-1"})
package bedrock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// service is the name that signatures are made for.
const service = "bedrock"

// New returns the provider "aws-bedrock" with the credentials that the SDK
// finds by default; those are fetched when they are first needed. An empty
// region is the one that the SDK finds.
func New(ctx context.Context, c provider.BedrockConfig) (*provider.HTTP, error) {
	var options []func(*config.LoadOptions) error
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	found, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	if c.Region = found.Region; c.Region == "" {
		return nil, errors.New("bedrock: no region is configured")
	}
	c.Auth, c.NoKey = Auth(c.Region, found.Credentials), true
	return provider.Bedrock(c), nil
}

// Auth returns what signs a region's requests. The credentials are the key's
// where there is one: "ID:SECRET" or "ID:SECRET:TOKEN" (see ParseKey), so that
// pooled credentials rotate like keys. A key of another form is a Bedrock API
// key and goes as Bearer. Requests without a key use the fallback's
// credentials; it may be nil, and is cached as aws.NewCredentialsCache does.
func Auth(region string, fallback aws.CredentialsProvider) provider.Auth {
	return auth{region: region, fallback: cached(fallback), signer: v4.NewSigner(), now: time.Now}.sign
}

func cached(p aws.CredentialsProvider) aws.CredentialsProvider {
	if p == nil {
		return nil
	}
	if c, ok := p.(*aws.CredentialsCache); ok {
		return c
	}
	return aws.NewCredentialsCache(p)
}

type auth struct {
	region   string
	fallback aws.CredentialsProvider
	signer   *v4.Signer
	now      func() time.Time
}

// ParseKey reads credentials out of a key's secret: "ID:SECRET" or
// "ID:SECRET:TOKEN". It reports whether the secret is of that form; a Bedrock
// API key is not.
func ParseKey(secret string) (aws.Credentials, bool) {
	id, rest, ok := strings.Cut(secret, ":")
	if !ok || len(id) < 16 || strings.ContainsFunc(id, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') }) {
		return aws.Credentials{}, false
	}
	key, token, _ := strings.Cut(rest, ":")
	if key == "" {
		return aws.Credentials{}, false
	}
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: key, SessionToken: token, Source: "llmproxy"}, true
}

var errNoCredentials = translate.Errorf(translate.Upstream, "no credential for the provider could be had")

func (a auth) sign(ctx context.Context, r *http.Request, k rotate.Key) error {
	creds, ok := ParseKey(k.Secret.Reveal())
	switch {
	case ok:
	case !k.Secret.IsZero():
		return provider.Bearer(ctx, r, k)
	case a.fallback == nil:
		return errNoCredentials
	default:
		var err error
		if creds, err = a.fallback.Retrieve(ctx); err != nil {
			return &translate.Error{Kind: translate.Upstream, Message: errNoCredentials.Message, Err: err}
		}
	}
	sum, err := hashBody(r)
	if err != nil {
		return err
	}
	// Only what no proxy on the way changes is signed: not the length, nor any
	// header of the client's. The path is signed as it is escaped, once more
	// escaped, as all services but S3 have it.
	bare := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	if v := r.Header.Get("Content-Type"); v != "" {
		bare.Header.Set("Content-Type", v)
	}
	if err := a.signer.SignHTTP(ctx, creds, bare, sum, service, a.region, a.now()); err != nil {
		return &translate.Error{Kind: translate.Upstream, Message: errNoCredentials.Message, Err: err}
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		r.Header.Del(name)
		if v := bare.Header.Get(name); v != "" {
			r.Header.Set(name, v)
		}
	}
	return nil
}

// hashBody returns the SHA-256 of the body.
func hashBody(r *http.Request) (string, error) {
	h := sha256.New()
	switch {
	case r.Body == nil || r.Body == http.NoBody:
	case r.GetBody == nil:
		return "", translate.Errorf(translate.TooLarge, "a request for Bedrock must be signed, and this one is too long to be held")
	default:
		body, err := r.GetBody()
		if err != nil {
			return "", err
		}
		defer body.Close()
		if _, err := io.Copy(h, body); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
