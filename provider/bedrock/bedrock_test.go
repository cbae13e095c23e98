package bedrock

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

const (
	exampleID     = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	keyID         = "AKIAIOSFODNN7EXAMPLE"
)

// signature computes Signature Version 4 anew, from AWS's description of it
// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func signature(secret, region, service, date string, headers map[string]string, method, escapedPath, query, body string) (signed, sig string) {
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	var names []string
	for n := range headers {
		names = append(names, n)
	}
	slices.Sort(names)
	var canonical strings.Builder
	for _, n := range names {
		canonical.WriteString(n + ":" + headers[n] + "\n")
	}
	signed = strings.Join(names, ";")
	request := strings.Join([]string{method, escapedPath, query, canonical.String(), signed, hash(body)}, "\n")
	scope := date[:8] + "/" + region + "/" + service + "/aws4_request"
	toSign := "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hash(request)
	key := []byte("AWS4" + secret)
	for _, s := range []string{date[:8], region, service, "aws4_request", toSign} {
		key = mac(key, s)
	}
	return signed, hex.EncodeToString(key)
}

// The test's own arithmetic gives AWS's published example.
func TestPublishedExample(t *testing.T) {
	signed, sig := signature(exampleSecret, "us-east-1", "iam", "20150830T123600Z", map[string]string{
		"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": "iam.amazonaws.com", "x-amz-date": "20150830T123600Z",
	}, "GET", "/", "Action=ListUsers&Version=2010-05-08", "")
	if signed != "content-type;host;x-amz-date" || sig != "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7" {
		t.Errorf("%s %s", signed, sig)
	}
}

// escapeTwice escapes a path that is escaped already: unreserved characters
// and slashes stay.
func escapeTwice(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if c == '/' || c == '-' || c == '_' || c == '.' || c == '~' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func TestSignatures(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		call   provider.Call
		secret string
		path   string // as it is sent
		query  string
		host   string
	}{
		{"converse", provider.Call{Op: provider.Chat, Format: translate.Bedrock, Model: "us.anthropic.claude-x-v1:0", Body: []byte(`{"a":"ä"}`)}, keyID + ":" + exampleSecret,
			"/model/us.anthropic.claude-x-v1%3A0/converse", "", "bedrock-runtime.eu-west-1.amazonaws.com"},
		{"arn and session", provider.Call{Op: provider.Chat, Format: translate.Bedrock, Stream: true, Model: "arn:aws:bedrock:eu-west-1:1:inference-profile/a", Body: []byte(`{}`)}, keyID + ":" + exampleSecret + ":to/ken+=",
			"/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fa/converse-stream", "", "bedrock-runtime.eu-west-1.amazonaws.com"},
		{"messages", provider.Call{Op: provider.Chat, Format: translate.Anthropic, Model: "anthropic.claude-x", Body: []byte(`{}`), Header: http.Header{"User-Agent": {"x"}, "Anthropic-Beta": {"b"}, "X-Amz-Security-Token": {"client's"}}}, keyID + ":" + exampleSecret,
			"/model/anthropic.claude-x/invoke", "", "bedrock-runtime.eu-west-1.amazonaws.com"},
		{"list", provider.Call{Op: provider.Models}, keyID + ":" + exampleSecret, "/foundation-models", "byOutputModality=TEXT", "bedrock.eu-west-1.amazonaws.com"},
		{"pass", provider.Call{Op: provider.Pass, Method: "POST", Path: "/model/a%3Ab/invoke", Query: "b=2&a=x%20y", Body: []byte(`x`)}, keyID + ":" + exampleSecret,
			"/model/a%3Ab/invoke", "a=x%20y&b=2", "bedrock-runtime.eu-west-1.amazonaws.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := auth{region: "eu-west-1", signer: v4.NewSigner(), now: func() time.Time { return at }}
			p := provider.Bedrock(provider.BedrockConfig{Region: "eu-west-1", Auth: a.sign})
			r, err := p.NewRequest(t.Context(), &tt.call, rotate.Key{Secret: rotate.NewSecret(tt.secret)})
			if err != nil {
				t.Fatal(err)
			}
			if r.URL.EscapedPath() != tt.path || r.URL.Host != tt.host {
				t.Fatalf("%s", r.URL)
			}
			body := ""
			if r.Body != nil {
				b, _ := io.ReadAll(r.Body)
				body = string(b)
			}
			headers := map[string]string{"host": tt.host, "x-amz-date": "20261123T120000Z"}
			if v := r.Header.Get("Content-Type"); v != "" {
				headers["content-type"] = v
			}
			creds, _ := ParseKey(tt.secret)
			if creds.SessionToken != "" {
				headers["x-amz-security-token"] = creds.SessionToken
			}
			if got := r.Header.Get("X-Amz-Security-Token"); got != creds.SessionToken {
				t.Errorf("session token %q", got)
			}
			signed, sig := signature(exampleSecret, "eu-west-1", "bedrock", "20261123T120000Z", headers, r.Method, escapeTwice(tt.path), tt.query, body)
			want := "AWS4-HMAC-SHA256 Credential=" + keyID + "/20261123/eu-west-1/bedrock/aws4_request, SignedHeaders=" + signed + ", Signature=" + sig
			if got := r.Header.Get("Authorization"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if strings.Contains(r.URL.String(), exampleSecret) {
				t.Error("the secret is in the URL")
			}
		})
	}
}

func TestKeys(t *testing.T) {
	for secret, want := range map[string]bool{
		keyID + ":s": true, "ASIAIOSFODNN7EXAMPLE:s:t": true, "": false, keyID: false, keyID + ":": false,
		"bedrock-api-key-YWJj": false, "ABSKQmVkcm9ja0FQSUtleQ==": false, "short:s": false, "has space in it AAAA:s": false,
	} {
		if _, ok := ParseKey(secret); ok != want {
			t.Errorf("%q: %v", secret, ok)
		}
	}
	a := Auth("us-east-1", nil)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if err := a(t.Context(), r, rotate.Key{Secret: rotate.NewSecret("bedrock-api-key-YWJj")}); err != nil || r.Header.Get("Authorization") != "Bearer bedrock-api-key-YWJj" {
		t.Errorf("%v %v", r.Header, err)
	}
	if err := a(t.Context(), r, rotate.Key{}); err == nil {
		t.Error("a request without credentials was signed")
	}
	long := &http.Request{Method: "POST", URL: &url.URL{Scheme: "https", Host: "h", Path: "/"}, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("x"))}
	var e *translate.Error
	if err := a(t.Context(), long, rotate.Key{Secret: rotate.NewSecret(keyID + ":s")}); !errors.As(err, &e) || e.Kind != translate.TooLarge {
		t.Errorf("%v", err)
	}
}

// Containers get credentials from an address that their environment names.
// The SDK renews them five minutes ahead, here after two seconds: no request
// fails meanwhile.
func TestContainerCredentialsUnderLoad(t *testing.T) {
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		time.Sleep(20 * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"AccessKeyId":"ASIA%016d","SecretAccessKey":"s","Token":"t","Expiration":"%s"}`, n, time.Now().Add(5*time.Minute+2*time.Second).UTC().Format(time.RFC3339))
	}))
	defer srv.Close()
	for name, value := range map[string]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": srv.URL, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_PROFILE": "", "AWS_REGION": "us-west-2", "AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
	} {
		t.Setenv(name, value)
	}
	p, err := New(t.Context(), provider.BedrockConfig{})
	if err != nil || p.BaseURL != "https://bedrock-runtime.us-west-2.amazonaws.com" || !p.KeyOptional() {
		t.Fatal(p, err)
	}
	var wg sync.WaitGroup
	end := time.Now().Add(4 * time.Second)
	for range 16 {
		wg.Go(func() { // the test waits below
			for time.Now().Before(end) {
				r, err := p.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, rotate.Key{})
				if err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=ASIA") {
					t.Errorf("%v", err)
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	if n := asked.Load(); n < 2 || n > 8 {
		t.Errorf("asked %d times", n)
	}
}

func TestFailingCredentials(t *testing.T) {
	a := Auth("us-east-1", aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("secret detail")
	}))
	var e *translate.Error
	if err := a(t.Context(), httptest.NewRequest(http.MethodGet, "/", nil), rotate.Key{}); !errors.As(err, &e) || strings.Contains(e.Message, "detail") {
		t.Errorf("%v", err)
	}
	a = Auth("us-east-1", credentials.NewStaticCredentialsProvider(keyID, "s", ""))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if err := a(t.Context(), r, rotate.Key{}); err != nil || r.Header.Get("Authorization") == "" {
		t.Error(err)
	}
}
