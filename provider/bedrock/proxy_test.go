package bedrock_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/bedrock"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// accounts are the access keys that the fake knows, with their secrets.
var accounts = map[string]string{"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "ASIAIOSFODNN7SESSION": "another/secret+key"}

const gatewayPrefix = "/v1/acct/gw/aws-bedrock/bedrock-runtime/us-east-1"

// verify signs a request again as AWS's own signer does, and compares. Through
// the gateway the signature is for the address that the gateway calls.
func verify(q *providertest.Request, region string, at time.Time) error {
	host, path := q.Host, q.Path
	if host == "gateway.ai.cloudflare.com" {
		var ok bool
		if path, ok = strings.CutPrefix(path, gatewayPrefix); !ok {
			return fmt.Errorf("the gateway was asked for %s", q.Path)
		}
		host = "bedrock-runtime." + region + ".amazonaws.com"
	}
	u, err := url.Parse("https://" + host + path)
	if err != nil {
		return err
	}
	u.RawQuery = q.Query
	given := q.Header.Get("Authorization")
	_, rest, _ := strings.Cut(given, "Credential=")
	id, _, _ := strings.Cut(rest, "/")
	secret, ok := accounts[id]
	if !ok {
		return fmt.Errorf("unknown access key %q in %q", id, given)
	}
	signedAt, err := time.Parse("20060102T150405Z", q.Header.Get("X-Amz-Date"))
	if err == nil && at.Sub(signedAt).Abs() > 5*time.Minute {
		err = errors.New("too long ago, or to come")
	}
	if err != nil {
		return fmt.Errorf("signed at %v: %w", signedAt, err)
	}
	again := &http.Request{Method: q.Method, URL: u, Host: host, Header: http.Header{}}
	if v := q.Header.Get("Content-Type"); v != "" {
		again.Header.Set("Content-Type", v)
	}
	creds := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
	if strings.HasPrefix(id, "ASIA") {
		creds.SessionToken = "session/token="
	}
	if got := q.Header.Get("X-Amz-Security-Token"); got != creds.SessionToken {
		return fmt.Errorf("session token %q", got)
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, again, hash(q.Body), "bedrock", region, signedAt); err != nil {
		return err
	}
	if want := again.Header.Get("Authorization"); given != want {
		return fmt.Errorf("signature\n%s, want\n%s", given, want)
	}
	return nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestSignedThroughTheProxy has clients of two formats chat by signed
// requests, directly and through the gateway, with credentials that rotate.
func TestSignedThroughTheProxy(t *testing.T) {
	for _, g := range []*gateway.Gateway{nil, {Account: "acct", Name: "gw", Token: rotate.NewSecret("cf-token")}} {
		up := providertest.NewServer(t)
		p := provider.Bedrock(provider.BedrockConfig{Region: "us-east-1", Auth: bedrock.Auth("us-east-1", nil)})
		opts := []llmproxy.Option{
			llmproxy.WithProvider(p), llmproxy.WithoutAuth(), llmproxy.WithTransport(up.Everywhere()),
			llmproxy.WithKeys("aws-bedrock", rotate.Secrets("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "ASIAIOSFODNN7SESSION:another/secret+key:session/token=")...),
		}
		if g != nil {
			opts = append(opts, llmproxy.WithGateway(g))
		}
		h, err := llmproxy.New(opts...)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(h)
		defer s.Close()
		ask := func(method, path, body, want string, script ...providertest.Step) {
			t.Helper()
			up.Then(script...)
			before := up.Count()
			r, _ := http.NewRequest(method, s.URL+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			r.Header.Set("X-Amz-Security-Token", "client's")
			r.Header.Set("Cf-Aig-Metadata", "{}")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, _ := io.ReadAll(resp.Body)
			if !bytes.Contains(answer, []byte(want)) {
				t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, answer)
			}
			for _, q := range up.Requests()[before:] {
				if err := verify(q, "us-east-1", time.Now()); err != nil {
					t.Errorf("%s %s: %v", q.Method, q.Path, err)
				}
				if err := q.Invalid(); err != nil {
					t.Errorf("%s: %v", q.Path, err)
				}
				if through := q.Host == "gateway.ai.cloudflare.com"; through != (g != nil && q.Method == "POST") {
					t.Errorf("%s%s", q.Host, q.Path)
				}
			}
		}
		text, call := providertest.Text("Hello, wörld"), providertest.Say(providertest.Answer{Tools: []providertest.ToolCall{{ID: "t1", Name: "f", Arguments: `{"x":1}`}}})
		const tools = `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
		for _, model := range []string{"amazon.nova-lite-v1:0", "us.anthropic.claude-x-v1:0", "arn:aws:bedrock:us-east-1:1:inference-profile/a b"} {
			chat := `{"model":"aws-bedrock/` + model + `","messages":[{"role":"user","content":"hi"}],"max_tokens":5`
			ask("POST", "/v1/chat/completions", chat+`}`, `wörld`, text)
			ask("POST", "/v1/chat/completions", chat+`,"stream":true}`, `data: [DONE]`, text)
			ask("POST", "/v1/chat/completions", chat+tools+`}`, `"tool_calls"`, call)
			ask("POST", "/v1/chat/completions", chat+`}`, `"bad"`, providertest.Fail(400, "bad"))
			ask("POST", "/v1/chat/completions", chat+`}`, `wörld`, providertest.Fail(503, "busy"), text) // another try is signed anew
		}
		messages := `{"model":"aws-bedrock/us.anthropic.claude-x-v1:0","messages":[{"role":"user","content":"hi"}],"max_tokens":5`
		ask("POST", "/v1/messages", messages+`}`, `wörld`, text)
		ask("POST", "/v1/messages", messages+`,"stream":true}`, `event: message_stop`, text)
		ask("POST", "/v1/messages/count_tokens", messages+`}`, `{"input_tokens":10}`, text)
		ask("POST", "/aws-bedrock/model/amazon.nova-lite-v1%3A0/converse", `{"messages":[]}`, `wörld`, text)
		ask("GET", "/v1/models", "", "aws-bedrock/model-a", text)
		used := map[bool]int{}
		for _, q := range up.Requests() {
			used[q.Header.Get("X-Amz-Security-Token") != ""]++
		}
		if used[true] < 8 || used[false] < 8 {
			t.Errorf("the credentials do not rotate: %v", used)
		}
	}
}

// In the gateway's universal requests, whose bodies it writes anew, nothing
// signed travels: chats go by themselves, and a client's own step without.
func TestUniversalIsNotSigned(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("Hello"), providertest.Raw(200, "application/json", []byte(`{}`)))
	h, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithTransport(up.Everywhere()), llmproxy.WithGateway(&gateway.Gateway{Account: "acct", Name: "gw", Universal: true}),
		llmproxy.WithProvider(provider.Bedrock(provider.BedrockConfig{Region: "us-east-1", Auth: bedrock.Auth("us-east-1", nil)})),
		llmproxy.WithKeys("aws-bedrock", rotate.Secrets("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")...))
	if err != nil {
		t.Fatal(err)
	}
	for before, ask := range [][2]string{
		{"/v1/chat/completions", `{"model":"aws-bedrock/amazon.nova-lite-v1:0","messages":[{"role":"user","content":"hi"}]}`},
		{"/", `[{"provider":"aws-bedrock","endpoint":"bedrock-runtime/us-east-1/model/m/invoke","query":{}}]`},
	} {
		path, body := ask[0], ask[1]
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
		if w.Code != 200 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		q := up.Requests()[before]
		if path == "/" {
			if q.Path != "/v1/acct/gw" || strings.Contains(string(q.Body), "AWS4") || q.Header.Get("Authorization") != "" {
				t.Errorf("%s %s", q.Path, q.Body)
			}
		} else if err := verify(q, "us-east-1", time.Now()); err != nil || q.Path != gatewayPrefix+"/model/amazon.nova-lite-v1%3A0/converse" {
			t.Errorf("%s: %v", q.Path, err)
		}
	}
}

// No request fails at the moment of refresh, and one of many alone refreshes:
// the SDK's cache renews credentials that the clients of the proxy share.
func TestRefreshUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 100
		var asked, served atomic.Int64
		source := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			asked.Add(1)
			time.Sleep(time.Second) // of the bubble
			return aws.Credentials{
				AccessKeyID: "ASIAIOSFODNN7SESSION", SecretAccessKey: accounts["ASIAIOSFODNN7SESSION"], SessionToken: "session/token=", CanExpire: true, Expires: time.Now().Add(time.Hour),
			}, nil
		}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute })
		p := provider.Bedrock(provider.BedrockConfig{Region: "us-east-1", Auth: bedrock.Auth("us-east-1", source), NoKey: true})
		h, err := llmproxy.New(llmproxy.WithProvider(p), llmproxy.WithoutAuth(), llmproxy.WithTransport(signedOnly(func(q *providertest.Request) error {
			served.Add(1)
			return verify(q, "us-east-1", time.Now())
		})))
		if err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() { // waited for below
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"aws-bedrock/amazon.nova-lite-v1:0","messages":[{"role":"user","content":"hi"}]}`)))
					if w.Code != 200 {
						t.Errorf("round %d: %d %s", round, w.Code, w.Body)
					}
				})
			}
			wg.Wait()
			if n := asked.Load(); n != int64(round+1) {
				t.Errorf("round %d: the source was asked %d times", round, n)
			}
			time.Sleep(56 * time.Minute)
		}
		if served.Load() != 4*clients {
			t.Errorf("%d served", served.Load())
		}
	})
}

// signedOnly answers Converse without a network where the signature is right.
type signedOnly func(*providertest.Request) error

func (verify signedOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	if err := verify(&providertest.Request{Method: r.Method, Host: r.URL.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header, Body: body}); err != nil {
		w.WriteHeader(403)
		fmt.Fprintf(w, `{"message":%q}`, err.Error())
	} else {
		io.WriteString(w, `{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`)
	}
	return w.Result(), nil
}
