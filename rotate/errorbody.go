package rotate

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Codes that readError adds for what a Gemini QuotaFailure says.
const (
	quotaPerDay = "quota:per-day"
	quotaZero   = "quota:zero"
)

// maxBody bounds how much of an error body is read.
const maxBody = 64 << 10

// errorBody is what any provider's error body says, as far as keys are concerned.
type errorBody struct {
	isError bool     // there is an error member, so even a 200 is a failure
	codes   []string // every code, type, status and reason, most telling first
	message string
	delay   string   // google.rpc.RetryInfo.retryDelay
	resets  []string // X-RateLimit-Reset inside OpenRouter's body
	perKey  bool     // the quota is one of the user or key, not of the project
}

// looksLikeError is a cheap test, so that no answer is parsed that cannot be an error.
func looksLikeError(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 || body[0] != '{' && body[0] != '[' {
		return false
	}
	return bytes.Contains(body[:min(len(body), maxBody)], []byte(`"error"`)) || bytes.Contains(body[:min(len(body), maxBody)], []byte(`"errors"`))
}

// wireError has the members of all known error shapes. Those whose type differs
// between providers stay raw.
type wireError struct {
	Error     json.RawMessage `json:"error"`
	Errors    []wireError     `json:"errors"`
	Response  json.RawMessage `json:"response"` // response.failed of OpenAI Responses
	Message   json.RawMessage `json:"message"`
	Detail    json.RawMessage `json:"detail"`
	Title     string          `json:"title"`
	Code      json.RawMessage `json:"code"`
	Type      json.RawMessage `json:"type"`
	AmznType  string          `json:"__type"`
	Status    json.RawMessage `json:"status"`
	ErrorCode string          `json:"error_code"`
	Reason    string          `json:"reason"`
	ErrorType string          `json:"error_type"`
	Details   json.RawMessage `json:"details"`
	Metadata  *struct {
		ErrorType string            `json:"error_type"`
		Headers   map[string]string `json:"headers"`
	} `json:"metadata"`
	RetryDelay string `json:"retryDelay"`
	Violations []struct {
		QuotaID     string          `json:"quotaId"`
		QuotaMetric string          `json:"quotaMetric"`
		QuotaValue  json.RawMessage `json:"quotaValue"`
		Subject     string          `json:"subject"`
	} `json:"violations"`
}

// readError reads an error body of any shape; of one that is not JSON, the text.
func readError(body []byte) *errorBody {
	b := &errorBody{}
	body = bytes.TrimSpace(body[:min(len(body), maxBody)])
	if len(body) == 0 {
		return b
	}
	if !b.read(body, 0) {
		b.message = string(body[:min(len(body), 4096)])
	}
	return b
}

func (b *errorBody) read(raw json.RawMessage, depth int) bool {
	if depth > 5 || len(raw) == 0 {
		return false
	}
	switch raw[0] {
	case '[': // Google wraps errors in an array on some surfaces
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
			return false
		}
		for _, x := range list {
			b.read(x, depth+1)
		}
		return true
	case '"':
		b.say(text(raw))
		return true
	case '{':
		// encoding/json goes on after a member of the wrong type.
		var w wireError
		if err := json.Unmarshal(raw, &w); err != nil && !json.Valid(raw) {
			return false
		}
		b.take(&w, depth)
		return true
	}
	return false
}

func (b *errorBody) take(w *wireError, depth int) {
	for _, raw := range [2]json.RawMessage{w.Error, w.Response} {
		if len(raw) > 0 && raw[0] != 'n' && raw[0] != 'f' { // null, false
			b.isError = b.isError || len(w.Error) > 0 && w.Error[0] != 'n'
			b.read(raw, depth+1)
		}
	}
	for i := range w.Errors {
		b.isError = true
		b.take(&w.Errors[i], depth+1)
	}
	b.note(text(w.Code), w.ErrorCode, w.Reason, text(w.Type), text(w.Status), w.ErrorType)
	if t := w.AmznType; t != "" {
		b.note(t[strings.LastIndex(t, "#")+1:])
	}
	if w.Metadata != nil {
		b.note(w.Metadata.ErrorType)
		for name, v := range w.Metadata.Headers {
			if strings.EqualFold(name, "x-ratelimit-reset") {
				b.resets = append(b.resets, v)
			}
		}
	}
	if w.RetryDelay != "" {
		b.delay = w.RetryDelay
	}
	b.quota(w)
	if len(w.Message) > 0 && !b.read(w.Message, depth+1) {
		b.say(text(w.Message))
	}
	b.read(w.Detail, depth+1)
	b.read(w.Details, depth+1)
	b.say(w.Title)
}

func (b *errorBody) quota(w *wireError) {
	for _, v := range w.Violations {
		id := strings.ToLower(v.QuotaID + " " + v.QuotaMetric)
		if strings.Contains(id, "perday") || strings.Contains(id, "per_day") {
			b.note(quotaPerDay)
		}
		if text(v.QuotaValue) == "0" {
			b.note(quotaZero)
		}
		if strings.Contains(id, "peruser") && !strings.Contains(id, "perproject") {
			b.perKey = true
		}
	}
}

// What an error says is said in its first words: what comes after them is not
// worth the time to gather it.
const (
	maxCodes   = 100
	maxMessage = 16 << 10
)

func (b *errorBody) note(codes ...string) {
	for _, c := range codes {
		if c != "" && len(b.codes) < maxCodes {
			b.codes = append(b.codes, c)
		}
	}
}

func (b *errorBody) say(s string) {
	if s == "" {
		return
	}
	if len(b.message) < maxMessage {
		if b.message != "" {
			b.message += "\n"
		}
		b.message += s
	}
	if strings.Contains(s, "limit: 0,") || strings.HasSuffix(s, "limit: 0") {
		b.note(quotaZero)
	}
}

func (b *errorBody) lower() string { return strings.ToLower(b.message) }

func (b *errorBody) code() string {
	if len(b.codes) == 0 {
		return ""
	}
	return b.codes[0]
}

// text returns a JSON string's value, or a number as it stands; "" for the rest.
func text(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	}
	if raw[0] >= '0' && raw[0] <= '9' || raw[0] == '-' {
		return string(raw)
	}
	return ""
}

// guessStatus finds the status of an error that came inside a 200: the body's
// own number, or what its codes mean.
func (b *errorBody) guessStatus() int {
	for _, c := range b.codes {
		if len(c) == 3 && c[0] >= '4' && c[0] <= '5' && c[1] >= '0' && c[1] <= '9' && c[2] >= '0' && c[2] <= '9' {
			return int(c[0]-'0')*100 + int(c[1]-'0')*10 + int(c[2]-'0')
		}
	}
	for _, known := range [...]struct {
		part   string
		status int
	}{
		{"insufficient_quota", 429}, {"rate_limit", 429}, {"resource_exhausted", 429}, {"throttling", 429},
		{"authentication", 401}, {"api_key", 401}, {"billing", 402}, {"permission", 403}, {"not_found", 404},
		{"overload", 503}, {"unavailable", 503}, {"timeout", 504}, {"context_length", 400}, {"invalid", 400}, {"validation", 400},
	} {
		for _, c := range b.codes {
			if strings.Contains(strings.ToLower(c), known.part) {
				return known.status
			}
		}
	}
	return 500
}
