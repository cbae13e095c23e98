// Package vertex finds Google Cloud credentials for Vertex AI: service
// accounts, workload identity, gcloud's own, and the metadata server of
// machines in Google Cloud. It is a module of its own, so that only those who
// use it pay for golang.org/x/oauth2.
//
//	source, project, err := vertex.Default(ctx)
//	p := provider.VertexAI(provider.VertexConfig{Project: project, Location: "global", Token: source})
package vertex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// scope is what tokens are for.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// early is when oauth2's own cache lets go of a token: before the provider's,
// which asks for a new one five minutes ahead.
const early = 6 * time.Minute

// Default returns a token source for the application's default credentials:
// the file that GOOGLE_APPLICATION_CREDENTIALS names, gcloud's, or the metadata
// server's. The project is empty where they name none. The context is used
// here alone; each token is fetched in the context of whoever needs it.
func Default(ctx context.Context) (source provider.TokenSource, project string, err error) {
	c, err := google.FindDefaultCredentialsWithParams(bounded(ctx), google.CredentialsParams{Scopes: []string{scope}, EarlyTokenRefresh: early})
	if err != nil {
		return nil, "", err
	}
	return wrap(c.TokenSource), c.ProjectID, nil
}

// JSON returns a token source for credentials in Google's JSON: a service
// account's key, a user's, or the configuration of workload identity. The
// latter tells the library which files and URLs to read, so it must come from
// somebody who may say that.
func JSON(ctx context.Context, credentials []byte) (source provider.TokenSource, project string, err error) {
	var kind struct {
		Type google.CredentialsType `json:"type"`
	}
	if json.Unmarshal(credentials, &kind) != nil {
		return nil, "", errJSON
	}
	switch kind.Type {
	case google.ServiceAccount, google.AuthorizedUser, google.ExternalAccount, google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount:
	default:
		return nil, "", fmt.Errorf("vertex: credentials of an unknown type %q", kind.Type)
	}
	c, err := google.CredentialsFromJSONWithTypeAndParams(bounded(ctx), credentials, kind.Type, google.CredentialsParams{Scopes: []string{scope}, EarlyTokenRefresh: early})
	if err != nil {
		return nil, "", err
	}
	return wrap(c.TokenSource), c.ProjectID, nil
}

// errJSON does not show the credentials.
var errJSON = errors.New("vertex: the credentials are no JSON")

// Auth returns the authentication for pools whose keys are service accounts:
// each key's secret is a service account's JSON, whose tokens are cached. Other
// secrets are access tokens, as without it.
//
//	p := provider.VertexAI(config)
//	p.Auth = vertex.Auth()
func Auth() provider.Auth {
	var mu sync.Mutex
	auths := make(map[string]provider.Auth)
	return func(ctx context.Context, r *http.Request, k rotate.Key) error {
		secret := k.Secret.Reveal()
		if len(secret) == 0 || secret[0] != '{' {
			return provider.Bearer(ctx, r, k)
		}
		mu.Lock()
		auth, ok := auths[secret]
		if !ok {
			if !serviceAccount(secret) {
				mu.Unlock()
				return errKey
			}
			source, _, err := JSON(ctx, []byte(secret))
			if err != nil {
				mu.Unlock()
				return errKey
			}
			auth = provider.TokenAuth(source, nil)
			auths[secret] = auth
		}
		mu.Unlock()
		return auth(ctx, r, rotate.Key{})
	}
}

// serviceAccount keeps keys from naming files and URLs to be read.
func serviceAccount(secret string) bool {
	var kind struct{ Type google.CredentialsType }
	return json.Unmarshal([]byte(secret), &kind) == nil && kind.Type == google.ServiceAccount
}

var errKey = errors.New("vertex: a key is no service account's JSON")

// bounded has token requests end after a while and not with ctx, as oauth2
// keeps the one context for all of them.
func bounded(ctx context.Context) context.Context {
	ctx = context.WithoutCancel(ctx)
	if _, ok := ctx.Value(oauth2.HTTPClient).(*http.Client); ok {
		return ctx // the caller's own
	}
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: 20 * time.Second})
}

func wrap(source oauth2.TokenSource) provider.TokenSource {
	source = oauth2.ReuseTokenSourceWithExpiry(nil, source, early)
	return provider.CacheToken(provider.TokenSourceFunc(func(ctx context.Context) (string, time.Time, error) {
		if err := ctx.Err(); err != nil {
			return "", time.Time{}, err
		}
		t, err := source.Token()
		if err != nil {
			return "", time.Time{}, err
		}
		return t.AccessToken, t.Expiry, nil
	}))
}
