package llmproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// recordedProviders are the providers that the folders of recordings are of.
// Those of formats in which nobody is called are not here.
func recordedProviders() map[string]*provider.HTTP {
	azure := provider.AzureOpenAI(provider.AzureConfig{Resource: "r"})
	vertex := provider.VertexAI(provider.VertexConfig{Project: "p", Location: "us-central1"})
	return map[string]*provider.HTTP{
		"anthropic-messages": provider.Anthropic(), "azure-openai-chat": azure, "azure-openai-responses": azure, "bedrock-converse": provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}),
		"cerebras-chat": provider.Cerebras(), "cohere-v2": provider.Cohere(), "deepseek-chat": provider.DeepSeek(), "gemini": provider.GoogleAIStudio(), "groq-chat": provider.Groq(),
		"huggingface-chat": provider.HuggingFace(), "mistral-chat": provider.Mistral(), "openai-chat": provider.OpenAI(), "openai-responses": provider.OpenAI(),
		"openrouter-chat": provider.OpenRouter(), "perplexity-chat": provider.Compatible("perplexity-chat", "https://api.perplexity.ai"),
		"vertex-anthropic": vertex, "vertex-gemini": vertex, "xai-chat": provider.Grok(), "xai-responses": provider.Grok(),
		"openai-embeddings": provider.OpenAI(), "mistral-embeddings": provider.Mistral(), "cohere-embed": provider.Cohere(),
	}
}

// TestRecordedUsage plays every recorded answer that tells its usage through
// the proxy, to clients of all formats, and holds the exchange's tokens and
// cost to what stands in the recording, which it reads in a way of its own.
func TestRecordedUsage(t *testing.T) {
	const root = "../shared/recordings"
	if _, err := os.Stat(root); err != nil {
		t.Skip("the recordings are not here")
	}
	played, priced := 0, 0
	for wire, p := range recordedProviders() {
		files, _ := filepath.Glob(filepath.Join(root, wire, "*", "response.*"))
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var meta struct {
				Model  string
				Status int
			}
			text, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "meta.json"))
			if err := json.Unmarshal(text, &meta); err != nil {
				t.Fatal(err)
			}
			want := recordedUsage(wire, body)
			if meta.Status != http.StatusOK || want == nil {
				continue
			}
			t.Run(wire+"/"+filepath.Base(filepath.Dir(file)), func(t *testing.T) {
				for _, x := range playRecording(t, wire, p, meta.Model, filepath.Ext(file), body) {
					if x.Err != nil && x.Usage == nil || x.ProviderFormat != recordedFormat(wire) {
						continue // the recording ends in a failure, or this client is met in another format
					}
					played++
					if x.Usage == nil || x.UsageFrom != llmproxy.UsageUpstream {
						t.Fatalf("%s: no usage; recorded is %+v", x.Route, want)
					}
					got := recordedTokens{x.Usage.TotalInput(), x.Usage.TotalOutput(), x.Usage.CacheRead, x.Usage.CacheWrite}
					if got != *want {
						t.Errorf("%s: usage %+v, recorded is %+v", x.Route, got, *want)
					}
					rate, ok := price.Default().Lookup(p.ID, x.Model, want.input)
					if ok != x.Priced {
						t.Errorf("%s: priced %v, %v by the table", x.Route, x.Priced, ok)
					}
					if x.Priced {
						priced++
						if cost := want.cost(rate); cost != x.Cost {
							t.Errorf("%s: costs %v, by the recording %v", x.Route, x.Cost, cost)
						}
					}
				}
			})
		}
	}
	t.Logf("%d answers, %d with a price", played, priced)
	if played < 300 || priced < 100 {
		t.Errorf("%d answers were played, %d of them with a price", played, priced)
	}
}

type recordedTokens struct{ input, output, read, write int64 }

// cost reckons in dollars without rounding.
func (u recordedTokens) cost(p price.Price) price.USD {
	sum := new(big.Rat)
	for _, part := range [][2]int64{{u.input - u.read - u.write, int64(p.Input)}, {u.read, int64(p.CacheRead)}, {u.write, int64(p.CacheWrite)}, {u.output, int64(p.Output)}} {
		sum.Add(sum, new(big.Rat).Mul(big.NewRat(part[0], 1), big.NewRat(part[1], 1000)))
	}
	half := sum.Add(sum, big.NewRat(1, 2))
	return price.USD(new(big.Int).Quo(half.Num(), half.Denom()).Int64())
}

// playRecording returns the records of the exchanges of clients of all formats.
func playRecording(t *testing.T, wire string, p *provider.HTTP, model, ext string, body []byte) []llmproxy.Exchange {
	t.Helper()
	var seen []llmproxy.Exchange
	stream := ext != ".json"
	proxy, err := llmproxy.New(llmproxy.WithProvider(p), llmproxy.WithKeys(p.ID, rotate.Secrets("k")...), llmproxy.WithoutAuth(),
		llmproxy.WithTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			contentType := map[string]string{".json": "application/json", ".sse": "text/event-stream", ".eventstream": "application/vnd.amazon.eventstream"}[ext]
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}, nil
		})),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen = append(seen, *x) }}))
	if err != nil {
		t.Fatal(err)
	}
	name, _ := json.Marshal(p.ID + "/" + model)
	send := func(path, members string) {
		w := httptest.NewRecorder()
		text := "{" + members + "}"
		if stream && !strings.HasPrefix(path, "/v1beta") {
			text = `{"stream":true,` + members + "}"
		}
		func() {
			defer func() { _ = recover() }() // a stream that ends in a failure breaks the connection
			proxy.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(text)))
		}()
	}
	if strings.Contains(wire, "embed") {
		send("/v1/embeddings", `"input":"q","model":`+string(name))
		return seen
	}
	question := `"messages":[{"role":"user","content":"q"}],"model":` + string(name)
	send("/v1/chat/completions", question)
	send("/v1/messages", `"max_tokens":9,`+question)
	send("/v1/responses", `"input":"q","model":`+string(name))
	call := ":generateContent"
	if stream {
		call = ":streamGenerateContent?alt=sse"
	}
	send("/v1beta/models/"+p.ID+"/"+model+call, `"contents":[{"role":"user","parts":[{"text":"q"}]}]`)
	return seen
}

func recordedFormat(wire string) translate.Format {
	switch wire {
	case "anthropic-messages", "vertex-anthropic":
		return translate.Anthropic
	case "gemini", "vertex-gemini":
		return translate.Gemini
	case "cohere-v2":
		return translate.Cohere
	case "bedrock-converse":
		return translate.Bedrock
	case "openai-responses", "azure-openai-responses", "xai-responses":
		return translate.Responses
	case "cohere-embed":
		return "" // a format for embeddings alone
	}
	return translate.OpenAI
}

var usageMember = regexp.MustCompile(`"(usage|usageMetadata)"\s*:\s*\{`)

// recordedUsage adds up what the usage objects of an answer say, of which
// later ones amend earlier ones. Nil: it tells none.
func recordedUsage(wire string, body []byte) *recordedTokens {
	all := map[string]any{}
	for _, at := range usageMember.FindAllIndex(body, -1) {
		var one map[string]any
		if json.NewDecoder(bytes.NewReader(body[at[1]-1:])).Decode(&one) == nil {
			for name, v := range one {
				if v != nil {
					all[name] = v
				}
			}
			if strings.HasSuffix(wire, "-responses") {
				break // a recording of several turns; the first one is played
			}
		}
	}
	n := func(path ...string) int64 {
		var v any = all
		for _, name := range path {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		f, _ := v.(float64)
		return int64(f)
	}
	var u recordedTokens
	switch {
	case len(all) == 0:
		return nil
	case wire == "anthropic-messages", wire == "vertex-anthropic":
		u = recordedTokens{n("input_tokens"), n("output_tokens"), n("cache_read_input_tokens"), n("cache_creation_input_tokens")}
		u.input += u.read + u.write
	case wire == "bedrock-converse":
		u = recordedTokens{n("inputTokens"), n("outputTokens"), n("cacheReadInputTokens"), n("cacheWriteInputTokens")}
		u.input += u.read + u.write
	case wire == "cohere-v2", wire == "cohere-embed":
		u = recordedTokens{input: n("tokens", "input_tokens"), output: n("tokens", "output_tokens"), read: n("cached_tokens")}
	case wire == "gemini", wire == "vertex-gemini":
		u = recordedTokens{n("promptTokenCount") + n("toolUsePromptTokenCount"), n("candidatesTokenCount") + n("thoughtsTokenCount"), n("cachedContentTokenCount"), 0}
	case strings.HasSuffix(wire, "-responses"):
		u = recordedTokens{n("input_tokens"), n("output_tokens"), n("input_tokens_details", "cached_tokens"), n("input_tokens_details", "cache_write_tokens")}
	default:
		u = recordedTokens{n("prompt_tokens"), n("completion_tokens"), n("prompt_tokens_details", "cached_tokens"), n("prompt_tokens_details", "cache_write_tokens")}
		if wire == "deepseek-chat" {
			u.read = n("prompt_cache_hit_tokens")
		}
		if reasoning := n("completion_tokens_details", "reasoning_tokens"); wire == "xai-chat" && n("total_tokens") == u.input+u.output+reasoning {
			u.output += reasoning // beside the output, not inside
		}
	}
	return &u
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
