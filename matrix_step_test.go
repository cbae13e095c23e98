package llmproxy_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// TestEveryProviderAsAStep has each provider that the gateway knows be a step
// of a universal request: by its own path, with its credential and its body,
// answering in its own format. The others are asked by themselves.
func TestEveryProviderAsAStep(t *testing.T) {
	for _, row := range matrix() {
		if row.format == replicate.Format {
			continue // takes several exchanges: see TestGatewayUniversalTransports
		}
		t.Run(row.p.ID+"/"+strings.ReplaceAll(row.model, "/", "|"), func(t *testing.T) {
			g := &gateway.Gateway{Account: "acct", Name: "gw", Token: rotate.NewSecret("cf-token"), Universal: true}
			address, through := row.address(g, row.chat)
			text := providertest.Text("Hello, wörld")
			up := providertest.NewServer(t, providertest.Step{Reply: func(q *providertest.Request) *providertest.Reply {
				if !through {
					row.check(t, g, q, false)
					return text.Reply(q)
				}
				return text.With(providertest.Header("Cf-Aig-Step", "0")).Reply(row.step(t, q, address))
			}})
			s := stepProxy(t, &row, g, up)
			model, _ := json.Marshal(row.p.ID + "/" + row.model)
			if got := completionOf(t, do(t, s, "POST", "/v1/chat/completions", `{"model":`+string(model)+`,`+matrixChat+`}`)); got != `"Hello, wörld" [] stop 10+5` {
				t.Error(got)
			}
		})
	}
}

func stepProxy(t *testing.T, row *upstreamRow, g *gateway.Gateway, up *providertest.Server) *httptest.Server {
	return proxy(t, llmproxy.WithProvider(row.p), llmproxy.WithKeys(row.p.ID, rotate.Secrets(matrixKey)...), llmproxy.WithTransport(up.Everywhere()), llmproxy.WithGateway(g))
}

// step returns the request that the gateway makes of a universal request's one
// step, and holds it to the row.
func (row *upstreamRow) step(t *testing.T, q *providertest.Request, address string) *providertest.Request {
	t.Helper()
	var steps []struct {
		Provider, Endpoint string
		Headers            map[string]string
		Query              json.RawMessage
	}
	if err := json.Unmarshal(q.Body, &steps); err != nil || len(steps) != 1 || "https://"+q.Host+q.Path+"/" != gatewayRoot || q.Header.Get("Cf-Aig-Authorization") != "Bearer cf-token" || q.Header.Get("Authorization") != "" {
		t.Errorf("%v: %s%s %s", err, q.Host, q.Path, q.Body)
		return q
	}
	s := steps[0]
	if got := strings.ReplaceAll(gatewayRoot+s.Provider+"/"+s.Endpoint, "%3Agenerate", ":generate"); got != address {
		t.Errorf("step for %s, want %s", got, address)
	}
	made := &providertest.Request{Method: q.Method, Path: "/" + s.Endpoint, Header: http.Header{}, Body: s.Query, Format: row.format, Model: row.model}
	for name, v := range s.Headers {
		made.Header.Set(name, v)
	}
	made.Path, made.Query, _ = strings.Cut(made.Path, "?")
	row.credential(t, made)
	if err := made.Invalid(); err != nil {
		t.Errorf("%v: %s", err, s.Query)
	}
	return made
}
