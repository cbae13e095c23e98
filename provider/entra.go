package provider

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// EntraClient is a TokenSource for Azure: Microsoft Entra's client-credentials
// flow. Other ways to a token (managed and workload identity) come from Azure's
// own SDK, as a TokenSourceFunc.
type EntraClient struct {
	Tenant   string
	ClientID string
	Secret   rotate.Secret
	// Scope is what the token is for; empty: https://ai.azure.com/.default.
	// Dated API versions may want https://cognitiveservices.azure.com/.default.
	Scope string
	// Authority is the sign-in service; empty: https://login.microsoftonline.com.
	Authority string
	// Client sends the requests; nil: http.DefaultClient.
	Client *http.Client
}

// Token asks Entra for a token.
func (c *EntraClient) Token(ctx context.Context) (string, time.Time, error) {
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {c.ClientID},
		"client_secret": {c.Secret.Reveal()},
		"scope":         {cmp.Or(c.Scope, "https://ai.azure.com/.default")},
	}
	address := strings.TrimSuffix(cmp.Or(c.Authority, "https://login.microsoftonline.com"), "/") + "/" + url.PathEscape(c.Tenant) + "/oauth2/v2.0/token"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", time.Time{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := c.Client
	if client == nil {
		client = http.DefaultClient
	}
	asked := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		return "", time.Time{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", time.Time{}, err
	}
	return parseToken(resp.StatusCode, body, asked)
}

// parseToken reads an OAuth 2.0 token response (RFC 6749, 5.1 and 5.2).
func parseToken(status int, body []byte, asked time.Time) (value string, expiry time.Time, err error) {
	var code, description string
	d := jsonx.NewDecoder(body)
	for key := range d.Members() {
		switch string(key) {
		case "access_token":
			value = d.String()
		case "expires_in":
			var seconds float64
			if d.Kind() == jsonx.String { // some authorities quote it
				seconds, _ = strconv.ParseFloat(d.String(), 64)
			} else {
				seconds = d.Float()
			}
			if seconds > 0 {
				expiry = asked.Add(time.Duration(seconds * float64(time.Second)))
			}
		case "error":
			code = d.String()
		case "error_description":
			description = d.String()
		}
	}
	switch {
	case d.End() != nil:
		return "", time.Time{}, fmt.Errorf("the token endpoint answered %d, and no JSON", status)
	case status != http.StatusOK || value == "":
		return "", time.Time{}, fmt.Errorf("the token endpoint answered %d %s: %s", status, code, description)
	}
	return value, expiry, nil
}
