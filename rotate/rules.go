package rotate

import (
	"slices"
	"time"
)

// DefaultRules returns a copy of the table that Classify uses. Its rows, in
// order: what providers say in their own codes, then what statuses mean.
func DefaultRules() Rules { return slices.Clone(defaultRules) }

// defaultRules is never changed.
var defaultRules = Rules{
	// Money and long quotas: waiting a minute and trying again burns requests.
	{Code: "insufficient_quota", Class: QuotaExhausted, Cover: CoverGroup, Why: "OpenAI 429, Perplexity 401: never retry"},
	{Code: "credit_balance_exhausted", Class: QuotaExhausted, Cover: CoverGroup, Why: "OpenAI 429: never retry"},
	{Code: "billing_hard_limit_reached", Class: QuotaExhausted, Cover: CoverGroup, Why: "OpenAI: spend limit"},
	{Code: "billing_not_active", Class: QuotaExhausted, Cover: CoverGroup, Why: "OpenAI 429: never retry"},
	{Code: "*spend_limit*", Class: QuotaExhausted, Cover: CoverGroup, Why: "OpenAI and Anthropic (contract_, enforced_, linked_organization_spend_limit_reached): never retry"},
	{Code: "billing_error", Class: QuotaExhausted, Cover: CoverGroup, Why: "Anthropic 402"},
	{Provider: "anthropic", Status: 400, Text: "credit balance is too low", Class: QuotaExhausted, Cover: CoverGroup, Why: "Anthropic says it with 400 invalid_request_error"},
	{Code: "ServiceQuotaExceededException", Class: QuotaExhausted, Cover: CoverModel, Why: "Bedrock 400"},
	{Provider: "workers-ai", Code: "3036", Class: QuotaExhausted, Cover: CoverGroup, Why: "daily allocation of neurons is used up"},
	{Code: quotaPerDay, Class: QuotaExhausted, Cover: CoverModel, Floor: time.Hour, Why: "Gemini QuotaFailure with a PerDay quota: its RetryInfo speaks of seconds"},
	{Code: quotaZero, Class: QuotaExhausted, Cover: CoverModel, Floor: time.Hour, Why: "Gemini 429 'limit: 0': the project has no quota for the model"},
	{Provider: "grok", Status: 403, Text: "credit", Class: QuotaExhausted, Cover: CoverGroup, Why: "xAI says 403 when the team has no credits"},
	{Provider: "grok", Status: 403, Text: "spending limit", Class: QuotaExhausted, Cover: CoverGroup, Why: "xAI says 403 at the spending limit"},

	// Bad keys that do not come as 401.
	{Code: "API_KEY_INVALID", Class: Unauthorized, Cover: CoverKey, Why: "Gemini 400: ErrorInfo.reason"},
	{Status: 400, Text: "api key not valid", Class: Unauthorized, Cover: CoverKey, Why: "Gemini 400 without details"},
	{Code: "API_KEY_SERVICE_BLOCKED", Class: Unauthorized, Cover: CoverKey, Why: "Gemini 403: the key may not call this API"},
	{Status: 403, Text: "unregistered callers", Class: Unauthorized, Cover: CoverKey, Why: "Google 403: no key arrived"},
	{Status: 400, Text: "incorrect api key provided", Class: Unauthorized, Cover: CoverKey, Why: "xAI 400"},
	{Code: "invalid_api_key", Class: Unauthorized, Cover: CoverKey, Why: "OpenAI and those like it"},
	{Code: "ExpiredTokenException", Class: Unauthorized, Cover: CoverKey, Why: "Bedrock 403"},
	{Code: "InvalidSignatureException", Class: Unauthorized, Cover: CoverKey, Why: "Bedrock 403"},
	{Code: "SignatureDoesNotMatch", Class: Unauthorized, Cover: CoverKey, Why: "Bedrock 403"},
	{Code: "UnrecognizedClientException", Class: Unauthorized, Cover: CoverKey, Why: "Bedrock 403: unknown access key"},
	{Provider: "cohere", Status: 498, Class: Unauthorized, Cover: CoverKey, Why: "Cohere: blocked or invalid token"},
	{Provider: "workers-ai", Code: "10000", Class: Unauthorized, Cover: CoverKey, Why: "Cloudflare: authentication error"},

	// The target is overloaded, whoever asks.
	{Provider: "groq", Status: 498, Class: TargetFault, Why: "Groq: flex capacity exceeded"},
	{Provider: "workers-ai", Code: "3040", Class: TargetFault, Why: "429 for: out of capacity"},
	{Code: "queue_exceeded", Class: TargetFault, Why: "Cerebras 429: its queue is full"},
	{Provider: "mistral", Status: 429, Code: "3505", Class: TargetFault, Why: "Mistral 429: capacity of the service tier"},
	{Code: "ModelNotReadyException", Class: TargetFault, Why: "Bedrock 429: cold model"},
	{Code: "ModelErrorException", Class: TargetFault, Why: "Bedrock 424"},
	{Code: "ModelStreamErrorException", Class: TargetFault, Why: "Bedrock 424"},
	{Code: "overloaded_error", Class: TargetFault, Why: "Anthropic 529, also inside streams"},
	{Code: "server_is_overloaded", Class: TargetFault, Why: "OpenAI 503"},

	// The request is at fault, whatever the status says.
	{Status: 429, Text: "must be reduced in order to run", Class: ClientFault, Why: "OpenAI 429: the request alone is larger than the limit per minute"},
	{Provider: "openrouter", Status: 403, Code: "*moderation*", Class: ClientFault, Why: "OpenRouter: input flagged"},
	{Provider: "openrouter", Status: 403, Text: "flagged", Class: ClientFault, Why: "OpenRouter: input flagged"},
	{Provider: "grok", Status: 403, Text: "content violates", Class: ClientFault, Why: "xAI: input flagged"},

	// Not for this key, perhaps for the next.
	{Provider: "google-ai-studio", Status: 400, Code: "FAILED_PRECONDITION", Class: Forbidden, Why: "Gemini: region or billing of this project"},

	// By status.
	{Status: 401, Class: Unauthorized, Cover: CoverKey},
	{Status: 402, Class: QuotaExhausted, Cover: CoverGroup},
	{Status: 403, Class: Forbidden, Why: "often about one request or one model: the key is not banned"},
	{Status: 429, Class: RateLimited},
	{Status: 499, Class: Canceled, Why: "the provider saw the connection close"},
	{Status: 408, Class: TargetFault},
	{Status: 409, Class: TargetFault, Why: "a conflict with another request: SDKs retry it"},
	{Status: 425, Class: TargetFault},
	{Status: 529, Class: TargetFault},
	{Status: 501, Class: ClientFault},
	{Status: 505, Class: ClientFault},
}
