package rotate

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func header(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Set(kv[i], kv[i+1])
	}
	return h
}

type classified struct {
	name, provider string
	status         int
	h              http.Header
	body           string
	class          Class
	cover          Coverage
	wait           time.Duration // RetryAfter, or Floor where that is longer
}

// Each provider's own answers; bodies as documented or recorded.
// pitfall 9, pitfall 11, pitfall 12, pitfall 13
var classifiedAnswers = []classified{
	{"limit with headers", "openai", 429, header("Retry-After", "20", "Retry-After-Ms", "19500", "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "6m0s"),
		`{"error":{"message":"Rate limit reached for gpt-4o on requests per min","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, RateLimited, CoverModel, 6 * time.Minute},
	{"a limit with something left says nothing", "openai", 429, header("Retry-After-Ms", "120", "X-Ratelimit-Remaining-Tokens", "0", "X-Ratelimit-Reset-Tokens", "120ms", "X-Ratelimit-Remaining-Requests", "99", "X-Ratelimit-Reset-Requests", "1h"),
		``, RateLimited, CoverModel, 120 * time.Millisecond},
	{"limit in words", "openai", 429, nil, `{"error":{"message":"Rate limit reached. Please try again in 6m0s. Visit https://x.","type":"tokens","code":"rate_limit_exceeded"}}`, RateLimited, CoverModel, 6 * time.Minute},
	{"slow down", "openai", 429, nil, `{"error":{"message":"Slow down","type":"rate_limit_error","code":"slow_down"}}`, RateLimited, CoverModel, 0},
	{"no money", "openai", 429, nil, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, QuotaExhausted, CoverGroup, 0},
	{"no credit", "openai", 429, nil, `{"error":{"message":"x","code":"credit_balance_exhausted"}}`, QuotaExhausted, CoverGroup, 0},
	{"spend limit", "openai", 429, nil, `{"error":{"message":"x","code":"project_spend_limit_reached"}}`, QuotaExhausted, CoverGroup, 0},
	{"hard limit", "openai", 429, nil, `{"error":{"message":"x","code":"billing_hard_limit_reached"}}`, QuotaExhausted, CoverGroup, 0},
	{"inactive", "openai", 429, nil, `{"error":{"message":"x","code":"billing_not_active"}}`, QuotaExhausted, CoverGroup, 0},
	{"request larger than the limit", "openai", 429, nil, `{"error":{"message":"Request too large for gpt-4o (TPM): Limit 30000, Requested 50000. The input or output tokens must be reduced in order to run successfully.","code":"rate_limit_exceeded"}}`, ClientFault, 0, 0},
	{"bad key", "openai", 401, nil, `{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, Unauthorized, CoverKey, 0},
	{"country", "openai", 403, nil, `{"error":{"message":"Country not supported","code":"unsupported_country_region_territory"}}`, Forbidden, 0, 0},
	{"no such model", "openai", 404, nil, `{"error":{"message":"The model does not exist or you do not have access to it.","type":"invalid_request_error","code":"model_not_found"}}`, ClientFault, 0, 0},
	{"overloaded", "openai", 503, header("Retry-After", "3"), `{"error":{"message":"x","code":"server_is_overloaded"}}`, TargetFault, 0, 3 * time.Second},
	{"content filter", "openai", 400, nil, `{"error":{"message":"flagged","code":"content_policy_violation"}}`, ClientFault, 0, 0},

	{"only the empty bucket", "anthropic", 429, header("Date", "Mon, 23 Nov 2026 08:00:00 GMT",
		"Anthropic-Ratelimit-Requests-Remaining", "4", "Anthropic-Ratelimit-Requests-Reset", "2026-11-23T09:00:00Z",
		"Anthropic-Ratelimit-Input-Tokens-Remaining", "0", "Anthropic-Ratelimit-Input-Tokens-Reset", "2026-11-23T08:00:42Z"),
		`{"type":"error","error":{"type":"rate_limit_error","message":"x"}}`, RateLimited, CoverModel, 42 * time.Second},
	{"ramp", "anthropic", 429, header("Retry-After", "7"), `{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"ramp_limit_exceeded"}}}`, RateLimited, CoverModel, 7 * time.Second},
	{"contract", "anthropic", 429, nil, `{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"contract_spend_limit_reached"}}}`, QuotaExhausted, CoverGroup, 0},
	{"enforced", "anthropic", 429, nil, `{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"enforced_spend_limit_reached"}}}`, QuotaExhausted, CoverGroup, 0},
	{"linked", "anthropic", 429, nil, `{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"linked_organization_spend_limit_reached"}}}`, QuotaExhausted, CoverGroup, 0},
	{"billing", "anthropic", 402, nil, `{"type":"error","error":{"type":"billing_error","message":"x"}}`, QuotaExhausted, CoverGroup, 0},
	{"credit as 400", "anthropic", 400, nil, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."}}`, QuotaExhausted, CoverGroup, 0},
	{"bad request", "anthropic", 400, nil, `{"type":"error","error":{"type":"invalid_request_error","message":"messages.0: Input does not match the expected shape."}}`, ClientFault, 0, 0},
	{"bad key", "anthropic", 401, nil, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, Unauthorized, CoverKey, 0},
	{"permission", "anthropic", 403, nil, `{"type":"error","error":{"type":"permission_error","message":"x"}}`, Forbidden, 0, 0},
	{"overloaded", "anthropic", 529, nil, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`, TargetFault, 0, 0},
	{"overloaded in a stream", "anthropic", 200, nil, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, TargetFault, 0, 0},
	{"too large", "anthropic", 413, nil, `{"type":"error","error":{"type":"request_too_large","message":"x"}}`, ClientFault, 0, 0},

	{"per minute", "google-ai-studio", 429, nil, `{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel","quotaValue":"15"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46s"}]}}`, RateLimited, CoverModel, 46 * time.Second},
	{"per day", "google-ai-studio", 429, nil, `{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaValue":"50"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"21s"}]}}`, QuotaExhausted, CoverModel, time.Hour},
	{"limit 0", "google-ai-studio", 429, nil, `{"error":{"code":429,"message":"Quota exceeded for metric: x, limit: 0, model: m","status":"RESOURCE_EXHAUSTED"}}`, QuotaExhausted, CoverModel, time.Hour},
	{"per user", "google-ai-studio", 429, nil, `{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"RequestsPerMinutePerUser"}]}]}}`, RateLimited, CoverKeyModel, 0},
	{"in words", "google-ai-studio", 429, nil, `{"error":{"code":429,"message":"Please retry in 46.5s.","status":"RESOURCE_EXHAUSTED"}}`, RateLimited, CoverModel, 46500 * time.Millisecond},
	{"bad key", "google-ai-studio", 400, nil, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, Unauthorized, CoverKey, 0},
	{"bad key without details, in an array", "google-ai-studio", 400, nil, `[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]`, Unauthorized, CoverKey, 0},
	{"blocked key", "google-ai-studio", 403, nil, `{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED","details":[{"reason":"API_KEY_SERVICE_BLOCKED"}]}}`, Unauthorized, CoverKey, 0},
	{"no key", "google-ai-studio", 403, nil, `{"error":{"code":403,"message":"Method doesn't allow unregistered callers (callers without established identity).","status":"PERMISSION_DENIED"}}`, Unauthorized, CoverKey, 0},
	{"region", "google-ai-studio", 400, nil, `{"error":{"code":400,"message":"User location is not supported","status":"FAILED_PRECONDITION"}}`, Forbidden, 0, 0},
	{"bad request in an array", "google-ai-studio", 400, nil, `[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]`, ClientFault, 0, 0},
	{"canceled", "google-ai-studio", 499, nil, `{"error":{"code":499,"status":"CANCELLED"}}`, Canceled, 0, 0},
	{"unavailable", "google-vertex-ai", 503, nil, `{"error":{"code":503,"status":"UNAVAILABLE"}}`, TargetFault, 0, 0},
	{"shared quota", "google-vertex-ai", 429, nil, `{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}`, RateLimited, CoverModel, 0},

	{"limit", "azure-openai", 429, header("Retry-After", "17"), `{"error":{"code":"429","message":"Requests have exceeded call rate limit. Please retry after 18 seconds."}}`, RateLimited, CoverModel, 18 * time.Second},
	{"limit of the gateway", "azure-openai", 429, nil, `{"statusCode":429,"message":"Rate limit is exceeded. Try again in 23 seconds."}`, RateLimited, CoverModel, 23 * time.Second},
	{"content filter", "azure-openai", 400, nil, `{"error":{"code":"content_filter","message":"x","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, ClientFault, 0, 0},
	{"bad key", "azure-openai", 401, nil, `{"error":{"code":"401","message":"Access denied"}}`, Unauthorized, CoverKey, 0},

	{"throttled", "aws-bedrock", 429, header("X-Amzn-Errortype", "ThrottlingException:http://internal.amazon.com/"), `{"message":"Too many tokens"}`, RateLimited, CoverModel, 0},
	{"cold", "aws-bedrock", 429, header("X-Amzn-Errortype", "ModelNotReadyException"), `{"message":"x"}`, TargetFault, 0, 0},
	{"quota", "aws-bedrock", 400, nil, `{"__type":"com.amazon#ServiceQuotaExceededException","message":"x"}`, QuotaExhausted, CoverModel, 0},
	{"expired", "aws-bedrock", 403, header("X-Amzn-Errortype", "ExpiredTokenException:http://x"), `{"message":"The security token included in the request is expired"}`, Unauthorized, CoverKey, 0},
	{"signature", "aws-bedrock", 403, header("X-Amzn-Errortype", "InvalidSignatureException"), ``, Unauthorized, CoverKey, 0},
	{"signature of old", "aws-bedrock", 403, header("X-Amzn-Errortype", "SignatureDoesNotMatch"), ``, Unauthorized, CoverKey, 0},
	{"unknown key", "aws-bedrock", 403, header("X-Amzn-Errortype", "UnrecognizedClientException"), ``, Unauthorized, CoverKey, 0},
	{"denied", "aws-bedrock", 403, header("X-Amzn-Errortype", "AccessDeniedException"), `{"Message":"x"}`, Forbidden, 0, 0},
	{"model error", "aws-bedrock", 424, header("X-Amzn-Errortype", "ModelErrorException"), `{"message":"x"}`, TargetFault, 0, 0},
	{"model stream error", "aws-bedrock", 424, header("X-Amzn-Errortype", "ModelStreamErrorException"), `{"message":"x"}`, TargetFault, 0, 0},
	{"model timeout", "aws-bedrock", 408, header("X-Amzn-Errortype", "ModelTimeoutException"), ``, TargetFault, 0, 0},

	{"limit", "cohere", 429, nil, `{"id":"u","message":"You are using a Trial key, which is limited to 10 API calls / minute."}`, RateLimited, CoverModel, 0},
	{"blocked token", "cohere", 498, nil, `{"message":"blocked"}`, Unauthorized, CoverKey, 0},
	{"billing", "cohere", 402, nil, `{"message":"x"}`, QuotaExhausted, CoverGroup, 0},

	{"invalid", "mistral", 422, nil, `{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}`, ClientFault, 0, 0},
	{"tier capacity", "mistral", 429, nil, `{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","param":null,"code":"3505"}`, TargetFault, 0, 0},
	{"limit", "mistral", 429, header("Retry-After", "4"), `{"object":"error","message":{"detail":[{"msg":"Requests rate limit exceeded"}]},"code":1300}`, RateLimited, CoverModel, 4 * time.Second},
	{"bad key", "mistral", 401, nil, `{"detail":"Unauthorized"}`, Unauthorized, CoverKey, 0},

	{"no balance", "deepseek", 402, nil, `{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}`, QuotaExhausted, CoverGroup, 0},
	{"limit", "deepseek", 429, nil, `{"error":{"message":"Rate limit reached"}}`, RateLimited, CoverModel, 0},

	{"bad key", "grok", 400, nil, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided"}`, Unauthorized, CoverKey, 0},
	{"no credits", "grok", 403, nil, `{"code":"The caller does not have permission to execute the specified operation","error":"Your newly created team doesn't have any credits yet."}`, QuotaExhausted, CoverGroup, 0},
	{"spending limit", "grok", 403, nil, `{"code":"x","error":"Your team has reached its monthly spending limit."}`, QuotaExhausted, CoverGroup, 0},
	{"flagged", "grok", 403, nil, `{"code":"x","error":"Content violates usage guidelines."}`, ClientFault, 0, 0},
	{"permission", "grok", 403, nil, `{"code":"x","error":"no"}`, Forbidden, 0, 0},
	{"gone", "grok", 410, nil, `{"code":"x","error":"Live search is deprecated"}`, ClientFault, 0, 0},

	{"flex capacity", "groq", 498, nil, `{"error":{"message":"x","type":"x","code":"capacity_exceeded"}}`, TargetFault, 0, 0},
	{"limit", "groq", 429, header("Retry-After", "7", "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "2m59.56s", "X-Ratelimit-Remaining-Tokens", "100", "X-Ratelimit-Reset-Tokens", "7.66s"),
		`{"error":{"message":"Rate limit reached. Please try again in 7.66s.","type":"requests","code":"rate_limit_exceeded"}}`, RateLimited, CoverModel, 179560 * time.Millisecond},
	{"its own generation", "groq", 400, nil, `{"error":{"message":"x","type":"invalid_request_error","code":"tool_use_failed"}}`, ClientFault, 0, 0},

	{"queue", "cerebras", 429, nil, `{"message":"We're experiencing high traffic right now!","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}`, TargetFault, 0, 0},
	{"limit", "cerebras", 429, header("X-Ratelimit-Remaining-Tokens-Minute", "0", "X-Ratelimit-Reset-Tokens-Minute", "11.382"), `{"message":"Tokens per minute limit exceeded","type":"too_many_tokens_error"}`, RateLimited, CoverModel, 11382 * time.Millisecond},

	{"quota", "perplexity", 401, nil, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":401}}`, QuotaExhausted, CoverGroup, 0},
	{"bad key as a page", "perplexity", 401, nil, `<html><head><title>401 Authorization Required</title></head></html>`, Unauthorized, CoverKey, 0},

	{"credits", "openrouter", 402, nil, `{"error":{"code":402,"message":"Insufficient credits","metadata":{}}}`, QuotaExhausted, CoverGroup, 0},
	{"limit in a 200", "openrouter", 200, nil, `{"error":{"code":429,"message":"limited"}}`, RateLimited, CoverModel, 0},
	{"provider down in a stream", "openrouter", 200, nil, `{"error":{"message":"Upstream error from Venice","code":502,"metadata":{"provider_name":"Venice"}},"user_id":"u"}`, TargetFault, 0, 0},
	{"moderation", "openrouter", 403, nil, `{"error":{"code":403,"message":"Your input was flagged","metadata":{"reasons":["x"],"flagged_input":"y"}}}`, ClientFault, 0, 0},
	{"moderation by type", "openrouter", 403, nil, `{"error":{"code":403,"message":"no","metadata":{"error_type":"input_moderation"}}}`, ClientFault, 0, 0},
	{"bad gateway", "openrouter", 502, nil, `{"error":{"code":502,"message":"x"}}`, TargetFault, 0, 0},

	{"neurons", "workers-ai", 429, nil, `{"success":false,"result":null,"errors":[{"code":3036,"message":"you have used up your daily free allocation"}],"messages":[]}`, QuotaExhausted, CoverGroup, 0},
	{"capacity", "workers-ai", 429, nil, `{"success":false,"errors":[{"code":3040,"message":"Capacity temporarily exceeded"}]}`, TargetFault, 0, 0},
	{"bad key", "workers-ai", 403, nil, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`, Unauthorized, CoverKey, 0},
	{"not allowed", "workers-ai", 403, nil, `{"success":false,"errors":[{"code":5018,"message":"x"}]}`, Forbidden, 0, 0},

	{"monthly credits", "huggingface", 402, nil, `{"error":"You have exceeded your monthly included credits"}`, QuotaExhausted, CoverGroup, 0},
	{"limit", "replicate", 429, nil, `{"detail":"Request was throttled. Expected available in 12 seconds.","status":429,"title":"Too many requests"}`, RateLimited, CoverModel, 12 * time.Second},
	{"invalid", "replicate", 422, nil, `{"title":"Input validation failed","detail":"- input: prompt is required","status":422}`, ClientFault, 0, 0},
	{"no such model", "ollama", 404, nil, `{"error":"model 'x' not found"}`, ClientFault, 0, 0},
	{"cloud limit", "ollama", 429, nil, `{"error":"limit"}`, RateLimited, CoverModel, 0},

	{"early", "any", 425, nil, ``, TargetFault, 0, 0},
	{"conflict", "any", 409, nil, ``, TargetFault, 0, 0},
	{"not implemented", "any", 501, nil, ``, ClientFault, 0, 0},
	{"version", "any", 505, nil, ``, ClientFault, 0, 0},
	{"cloudflare", "any", 522, nil, `error code: 522`, TargetFault, 0, 0},
	{"a success that speaks of errors", "any", 200, nil, `{"choices":[{"message":{"content":"the \"error\" is"}}],"error":null}`, Success, 0, 0},
	{"a date", "any", 429, header("Date", "Mon, 23 Nov 2026 08:00:00 GMT", "Retry-After", "Mon, 23 Nov 2026 08:00:30 GMT"), ``, RateLimited, CoverModel, 30 * time.Second},
	{"a week", "any", 429, header("Retry-After", "604800"), ``, RateLimited, CoverModel, 7 * 24 * time.Hour},
	{"nonsense", "any", 429, header("Retry-After", "soon", "X-Ratelimit-Reset", "-1"), `{"error":{"message":5,"code":{},"details":"x"}}`, RateLimited, CoverModel, 0},
	{"out of all range", "any", 429, header("Retry-After", "1e300"), ``, RateLimited, CoverModel, 0},
}

func TestClassify(t *testing.T) {
	for _, c := range classifiedAnswers {
		t.Run(c.provider+"/"+c.name, func(t *testing.T) {
			o := Classify(c.provider, c.status, c.h, []byte(c.body), nil)
			if o.Class != c.class {
				t.Fatalf("class %v, want %v (code %q)", o.Class, c.class, o.Code)
			}
			if c.class.Cools() && o.Cover != c.cover {
				t.Errorf("covers %v, want %v", o.Cover, c.cover)
			}
			if got := max(o.RetryAfter, o.Floor); got != c.wait {
				t.Errorf("waits %v, want %v", got, c.wait)
			}
		})
	}
}

// Every row of the table decides at least one of the answers above.
func TestEveryRuleIsProven(t *testing.T) {
	for i, r := range DefaultRules() {
		used := false
		for _, c := range classifiedAnswers {
			b := readError([]byte(c.body))
			if e := c.h.Get("X-Amzn-Errortype"); e != "" {
				e, _, _ = strings.Cut(e, ":")
				b.note(e)
			}
			status := c.status
			if status == 200 && b.isError {
				status = b.guessStatus()
			}
			if r.matches(c.provider, status, b) && c.class == r.Class {
				used = true
			}
		}
		if !used {
			t.Errorf("rule %d (%+v) has no test", i, r)
		}
	}
}

func TestClassifyErrors(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for err, want := range map[error]Class{dial: TargetFault, context.Canceled: Canceled, context.DeadlineExceeded: TargetFault} {
		if o := Classify("openai", 0, nil, nil, err); o.Class != want {
			t.Errorf("%v: %v, want %v", err, o.Class, want)
		}
	}
}

func TestClassifyOverridden(t *testing.T) {
	rules := append(Rules{{Provider: "acme", Status: 420, Code: "calm*", Class: RateLimited, Cover: CoverKey, Floor: time.Minute}}, DefaultRules()...)
	o := rules.Classify("acme", 420, nil, []byte(`{"error":{"code":"calm_down"}}`), nil)
	if o.Class != RateLimited || o.Cover != CoverKey || o.Floor != time.Minute {
		t.Errorf("got %+v", o)
	}
	if o := rules.Classify("acme", 429, nil, nil, nil); o.Class != RateLimited {
		t.Errorf("the default table is gone: %+v", o)
	}
}

func TestHeadroom(t *testing.T) {
	o := Classify("groq", 200, header("X-Ratelimit-Limit-Requests", "1000", "X-Ratelimit-Remaining-Requests", "982", "X-Ratelimit-Reset-Requests", "25m54.826s",
		"X-Ratelimit-Limit-Tokens", "30000", "X-Ratelimit-Remaining-Tokens", "28998", "X-Ratelimit-Reset-Tokens", "2.003s"), nil, nil)
	if o.Requests != (Headroom{Known: true, Remaining: 982, Limit: 1000, Reset: 1554826 * time.Millisecond}) || o.Tokens != (Headroom{Known: true, Remaining: 28998, Limit: 30000, Reset: 2003 * time.Millisecond}) {
		t.Errorf("got %+v", o)
	}
	// Of several limits of a kind the tightest counts.
	o = Classify("anthropic", 200, header("Anthropic-Ratelimit-Input-Tokens-Limit", "100", "Anthropic-Ratelimit-Input-Tokens-Remaining", "90",
		"Anthropic-Ratelimit-Output-Tokens-Limit", "100", "Anthropic-Ratelimit-Output-Tokens-Remaining", "10"), nil, nil)
	if o.Tokens.Remaining != 10 {
		t.Errorf("got %+v", o.Tokens)
	}
	if o := Classify("azure-openai", 200, header("X-Ratelimit-Remaining-Requests", "-1", "X-Ratelimit-Remaining-Tokens", "0"), nil, nil); o.Requests.Known || o.Tokens.Known {
		t.Errorf("Azure's meaningless values are believed: %+v", o)
	}
}

// What real services answered.
func TestClassifyRecordings(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "recordings")
	want := map[string]Class{
		"anthropic-messages/plain-http-400.claude-3-opus-20240229.7a4b99":           ClientFault,
		"azure-openai-chat/plain-http-404.gpt-5-nano.eded37":                        ClientFault,
		"bedrock-converse/plain-http-403.anthropic-claude-3-sonnet-20.e52535":       Unauthorized,
		"gemini/plain-http-400.gemini-2-5-flash-image.0dea44":                       ClientFault,
		"gemini/plain-http-403.gemini-2-0-flash.82025f":                             Unauthorized,
		"openai-chat/plain-http-400.gpt-4o-mini.77b2a3":                             ClientFault,
		"openai-chat/plain-http-404.gpt-4-1-nano-wrong.b3b34d":                      ClientFault,
		"openai-responses/plain-http-400.this-model-does-not-exist.a65558":          ClientFault,
		"openai-responses/stream-error-in-stream.gpt-4o-2024-08-06.34123b":          ClientFault,
		"openrouter-chat/plain-http-429.llama-3-2-3b-instruct-free.5449d8":          RateLimited,
		"openrouter-chat/stream-error-in-stream.llama-3-3-70b-instruct-free.af041d": TargetFault,
		"groq-chat/stream-error-in-stream.llama-4-scout-17b-16e-instru.10570f":      ClientFault,
		"replicate/plain-http-401.na.fcb726":                                        Unauthorized,
		"vertex-gemini/plain-http-400.gemini-2-5-pro.43d1b5":                        ClientFault,
		"vertex-gemini/plain-http-404.gemini-does-not-exist.910632":                 ClientFault,
		"xai-chat/plain-http-404.grok-beta.5aa70b":                                  ClientFault,
	}
	if _, err := os.Stat(root); err != nil {
		t.Skip("no recordings here")
	}
	names := map[string]string{"gemini": "google-ai-studio", "vertex-gemini": "google-vertex-ai", "xai-chat": "grok", "bedrock-converse": "aws-bedrock", "azure-openai-chat": "azure-openai"}
	for name, class := range want {
		t.Run(name, func(t *testing.T) {
			var meta struct {
				Status  int               `json:"status"`
				Headers map[string]string `json:"response_headers"`
			}
			raw, err := os.ReadFile(filepath.Join(root, name, "meta.json"))
			if err != nil {
				t.Skip(err)
			}
			if err := json.Unmarshal(raw, &meta); err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			for k, v := range meta.Headers {
				h.Set(k, v)
			}
			format, _, _ := strings.Cut(name, "/")
			provider := names[format]
			if provider == "" {
				provider, _, _ = strings.Cut(format, "-")
			}
			o := Classify(provider, meta.Status, h, recordedError(t, filepath.Join(root, name)), nil)
			if o.Class != class {
				t.Errorf("class %v, want %v: %+v", o.Class, class, o)
			}
			if format == "openrouter-chat" && class == RateLimited && !o.Until.Equal(time.UnixMilli(1754667660000)) {
				t.Errorf("until %v", o.Until)
			}
		})
	}
}

// recordedError returns the answer's body, or of a stream the last error event.
func recordedError(t *testing.T, dir string) []byte {
	t.Helper()
	if b, err := os.ReadFile(filepath.Join(dir, "response.json")); err == nil {
		return b
	}
	b, err := os.ReadFile(filepath.Join(dir, "response.sse"))
	if err != nil {
		t.Fatal(err)
	}
	var last string
	for line := range strings.Lines(string(b)) {
		if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data:"); ok && strings.Contains(data, `"error":{`) {
			last = strings.TrimSpace(data)
		}
	}
	return []byte(last)
}

func FuzzClassify(f *testing.F) {
	for _, c := range classifiedAnswers {
		f.Add(c.provider, c.status, c.body, c.h.Get("Retry-After"), c.h.Get("X-Ratelimit-Reset-Requests"))
	}
	f.Fuzz(func(t *testing.T, provider string, status int, body, retry, reset string) {
		o := Classify(provider, status, header("Retry-After", retry, "X-Ratelimit-Reset-Requests", reset), []byte(body), nil)
		if o.RetryAfter < 0 || o.RetryAfter > maxHint || o.Requests.Reset < 0 {
			t.Errorf("waits %v", o.RetryAfter)
		}
	})
}

// Names of limits are the providers' own, and so may be headers of other
// beginnings.
func TestHeadroomNames(t *testing.T) {
	known := func(n, limit int64) Headroom { return Headroom{Known: true, Remaining: n, Limit: limit} }
	for _, c := range []struct {
		h                http.Header
		requests, tokens Headroom
	}{
		{header("X-RateLimit-Remaining", "3", "X-RateLimit-Limit", " 7 "), known(3, 7), Headroom{}},
		{header("x-ratelimit-remaining-req-minute", "3", "x-ratelimit-limit-req-minute", "4"), known(3, 4), Headroom{}},
		{header("x-ratelimit-remaining-tokens-day", "5", "x-ratelimit-limit-tokens-day", "9", "x-ratelimit-remaining-tokens-minute", "1", "x-ratelimit-limit-tokens-minute", "9",
			"x-ratelimit-remaining-tokens-month", "8", "x-ratelimit-limit-tokens-month", "9", "x-ratelimit-remaining-requests-day", "2", "x-ratelimit-remaining-requests-minute", "6"), known(2, 0), known(1, 9)},
		{header("anthropic-ratelimit-requests-remaining", "3", "anthropic-ratelimit-requests-limit", "4", "anthropic-ratelimit-requests-other", "0"), known(3, 4), Headroom{}},
		{header("X-Ratelimit-Remaining-Tokens", "3000000000", "X-Ratelimit-Limit-Tokens", "4000000000"), Headroom{}, known(3000000000, 4000000000)},
		{header("X-Ratelimit-", "1", "X-Ratelimit", "1", "X-Ratelimit-Other", "1", "X-Ratelimit-Other-Requests", "1", "Anthropic-Ratelimit-", "1", "Anthropic-Ratelimit-Remaining", "1",
			"X-Ratelimiter-Remaining", "1", "Anthropic-Version-Remaining", "1", "X-Ratelimit-Remaining-Requests", "many"), Headroom{}, Headroom{}},
		{http.Header{"X-Ratelimit-Remaining": nil, "": {"1"}}, Headroom{}, Headroom{}},
		{header("X-Ratelimit-Remaining", "9223372036854775808", "X-Ratelimit-Remaining-Tokens", "5", "X-Ratelimit-Limit-Tokens", "-9"), Headroom{}, known(5, 0)},
		{header("X-Ratelimit-Remaining", "5", "X-Ratelimit-Reset", "6ms"), Headroom{Known: true, Remaining: 5, Reset: 6 * time.Millisecond}, Headroom{}},
		{header("X-Ratelimit-Remaining", "5", "X-Ratelimit-Reset", "1m6ms"), Headroom{Known: true, Remaining: 5, Reset: 60_006 * time.Millisecond}, Headroom{}},
		{header("X-Ratelimit-Remaining", "5", "X-Ratelimit-Reset", "900000000000000000ms"), Headroom{Known: true, Remaining: 5, Reset: maxHint}, Headroom{}},
		{header("X-Ratelimit-Remaining", "5", "X-Ratelimit-Reset", "ms"), known(5, 0), Headroom{}},
	} {
		if o := Classify("acme", 200, c.h, nil, nil); o.Requests != c.requests || o.Tokens != c.tokens {
			t.Errorf("%v: %+v, %+v", c.h, o.Requests, o.Tokens)
		}
	}
	// Limits of any name that are used up say when to come back.
	if o := Classify("acme", 429, header("x-ratelimit-remaining-images-day", "0", "x-ratelimit-reset-images-day", "90s", "x-ratelimit-reset-other", "30s"), nil, nil); o.RetryAfter != 90*time.Second {
		t.Errorf("comes back after %v", o.RetryAfter)
	}
}
