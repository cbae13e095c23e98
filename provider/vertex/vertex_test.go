package vertex_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/vertex"
	"github.com/go-llmproxy/llmproxy/rotate"
)

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// account returns a service account's key whose tokens come from tokenURI.
func account(t *testing.T, tokenURI string) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(signingKey())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "proj", "private_key_id": "kid-1", "client_email": "sa@proj.iam.gserviceaccount.com", "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tokenServer checks assertions as Google does, and gives tokens that live so
// long.
type tokenServer struct {
	*httptest.Server
	asked    atomic.Int64
	lifetime atomic.Int64 // seconds
	failing  atomic.Bool
}

func newTokenServer(t *testing.T) *tokenServer {
	s := &tokenServer{}
	s.lifetime.Store(3599)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.asked.Add(1)
		if s.failing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			t.Errorf("form %v, %v", r.PostForm, err)
		}
		checkAssertion(t, r.PostForm.Get("assertion"), s.URL)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"tok-%d","expires_in":%d,"token_type":"Bearer"}`, n, s.lifetime.Load())
	}))
	t.Cleanup(s.Close)
	return s
}

// checkAssertion verifies a JWT's signature and claims.
func checkAssertion(t *testing.T, jwt, audience string) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Errorf("assertion %q", jwt)
		return
	}
	var header struct{ Alg, Typ, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	for i, v := range []any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Errorf("assertion: %v", err)
			return
		}
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&signingKey().PublicKey, crypto.SHA256, sum[:], sig) != nil {
		t.Error("the assertion's signature is wrong")
	}
	now := time.Now().Unix()
	if header.Alg != "RS256" || header.Kid != "kid-1" || claims.Iss != "sa@proj.iam.gserviceaccount.com" || claims.Aud != audience ||
		claims.Scope != "https://www.googleapis.com/auth/cloud-platform" || claims.Iat > now || claims.Exp < now || claims.Exp > now+3700 {
		t.Errorf("%+v %+v", header, claims)
	}
}

func TestServiceAccount(t *testing.T) {
	s := newTokenServer(t)
	source, project, err := vertex.JSON(t.Context(), account(t, s.URL))
	if err != nil || project != "proj" {
		t.Fatal(project, err)
	}
	p := provider.VertexAI(provider.VertexConfig{Project: project, Location: "us-central1", Token: source})
	for range 3 {
		r, err := p.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, rotate.Key{})
		if err != nil || r.Header.Get("Authorization") != "Bearer tok-1" {
			t.Fatalf("%v, %v", r, err)
		}
	}
	if s.asked.Load() != 1 {
		t.Errorf("%d tokens were asked for", s.asked.Load())
	}
}

// No request fails at the moment of refresh, and one of them alone refreshes.
func TestRefreshUnderLoad(t *testing.T) {
	s := newTokenServer(t)
	s.lifetime.Store(2) // refreshed from 1.5 s on, dead at 1.8 s
	source, _, err := vertex.JSON(t.Context(), account(t, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(5 * time.Second)
	for range 32 {
		wg.Go(func() { // the test waits below
			for time.Now().Before(end) {
				if _, expiry, err := source.Token(t.Context()); err != nil || time.Now().After(expiry) {
					t.Errorf("%v, %v", expiry, err)
				}
				requests.Add(1)
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Wait()
	if n := s.asked.Load(); n < 3 || n > 5 {
		t.Errorf("%d requests asked for %d tokens", requests.Load(), n)
	}
}

func TestPooledAccounts(t *testing.T) {
	a, b := newTokenServer(t), newTokenServer(t)
	p := provider.VertexAI(provider.VertexConfig{Project: "proj"})
	p.Auth = vertex.Auth()
	keys := []rotate.Key{
		{ID: "a", Secret: rotate.NewSecret(string(account(t, a.URL)))},
		{ID: "b", Secret: rotate.NewSecret(string(account(t, b.URL)))},
		{ID: "c", Secret: rotate.NewSecret("ya29.token")},
	}
	for range 4 {
		for _, k := range keys {
			want := "Bearer tok-1"
			if k.ID == "c" {
				want = "Bearer ya29.token"
			}
			r, err := p.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, k)
			if err != nil || r.Header.Get("Authorization") != want {
				t.Fatalf("%s: %v", k.ID, err)
			}
		}
	}
	if a.asked.Load() != 1 || b.asked.Load() != 1 {
		t.Errorf("asked %d and %d times", a.asked.Load(), b.asked.Load())
	}
	// A key must not have the library read files or URLs.
	for _, secret := range []string{"{", `{"type":"external_account","credential_source":{"file":"/etc/passwd"}}`, `{"type":"service_account"}`} {
		_, err := p.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, rotate.Key{Secret: rotate.NewSecret(secret)})
		if err == nil || strings.Contains(err.Error(), "passwd") {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

// Machines in Google Cloud ask their metadata server.
func TestMetadataServer(t *testing.T) {
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if r.Header.Get("Metadata-Flavor") != "Google" {
			t.Errorf("%s without the flavor", r.URL)
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			asked.Add(1)
			io.WriteString(w, `{"access_token":"meta","expires_in":3599,"token_type":"Bearer"}`)
		case strings.HasSuffix(r.URL.Path, "/project/project-id"):
			io.WriteString(w, "gce-proj")
		}
	}))
	defer srv.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(srv.URL, "http://"))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	source, project, err := vertex.Default(t.Context())
	if err != nil || project != "gce-proj" {
		t.Fatal(project, err)
	}
	for range 3 {
		if tok, _, err := source.Token(t.Context()); err != nil || tok != "meta" {
			t.Fatal(tok, err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// Workload identity trades a token of the platform for one of Google's.
func TestWorkloadIdentity(t *testing.T) {
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("subject_token") != "platform-jwt" || r.PostForm.Get("audience") != "//iam.googleapis.com/pool" {
			t.Errorf("form %v, %v", r.PostForm, err)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"federated","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}`)
	}))
	defer sts.Close()
	dir := t.TempDir()
	jwt := filepath.Join(dir, "jwt")
	if err := os.WriteFile(jwt, []byte("platform-jwt"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, _ := json.Marshal(map[string]any{
		"type": "external_account", "audience": "//iam.googleapis.com/pool", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": sts.URL, "credential_source": map[string]string{"file": jwt},
	})
	file := filepath.Join(dir, "credentials.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	source, _, err := vertex.Default(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tok, _, err := source.Token(t.Context()); err != nil || tok != "federated" {
		t.Fatal(tok, err)
	}
}

func TestErrors(t *testing.T) {
	for _, bad := range []string{"", "{", `{"type":"else"}`, `{"type":"service_account","private_key":"x"}`} {
		source, _, err := vertex.JSON(t.Context(), []byte(bad))
		if err == nil {
			_, _, err = source.Token(t.Context())
		}
		if err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	s := newTokenServer(t)
	s.failing.Store(true)
	// The context of the constructor is not that of the tokens.
	ctx, cancel := context.WithCancel(t.Context())
	source, _, err := vertex.JSON(ctx, account(t, s.URL))
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := source.Token(t.Context()); err == nil {
		t.Error("a failing server gave a token")
	}
	s.failing.Store(false)
	if tok, _, err := source.Token(t.Context()); err != nil || tok != "tok-2" {
		t.Error(tok, err)
	}
}
