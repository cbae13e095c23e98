package providertest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// Fail answers with an error status, in the shape that the request's format
// has for it.
func Fail(status int, message string) Step {
	return Step{Reply: func(q *Request) *Reply {
		f := q.Format
		if strings.Contains(q.Path, "/model/") {
			f = translate.Bedrock // whatever the model's own format is
		}
		r := jsonReply(errorBody(f, status, message))
		r.Status = status
		if f == translate.Bedrock {
			r.Header.Set("X-Amzn-Errortype", awsType(status)+":http://internal.amazon.com/")
		}
		return r
	}}
}

// RateLimited answers 429 with a hint when to come back, where the format has
// it: in Retry-After, and in Gemini's body. Zero gives none.
func RateLimited(after time.Duration) Step {
	return Step{Reply: func(q *Request) *Reply {
		r := Fail(http.StatusTooManyRequests, "too many requests").Reply(q)
		if after <= 0 {
			return r
		}
		if q.Format == translate.Gemini {
			body := errorBody(q.Format, http.StatusTooManyRequests, "too many requests").(object)
			body["error"].(object)["details"] = list{object{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": strconv.FormatFloat(after.Seconds(), 'f', -1, 64) + "s"}}
			r.Chunks = [][]byte{marshal(body)}
			return r
		}
		r.Header.Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
		return r
	}}
}

// QuotaExhausted answers that the account has no money or quota left, in the
// way of each format's own provider: 429 insufficient_quota of OpenAI, 400 with
// a low credit balance of Anthropic, 429 with a daily QuotaFailure of Gemini, 402
// of the others. Fail(402, …) is that of OpenRouter, DeepSeek and others that
// speak OpenAI's Chat.
func QuotaExhausted() Step {
	return Step{Reply: func(q *Request) *Reply {
		fail := func(status int, message string, more func(e object)) *Reply {
			r := Fail(status, message).Reply(q)
			if more != nil {
				body := errorBody(q.Format, status, message).(object)
				more(body["error"].(object))
				r.Chunks = [][]byte{marshal(body)}
			}
			return r
		}
		switch q.Format {
		case translate.OpenAI, translate.Responses, "":
			return fail(http.StatusTooManyRequests, "You exceeded your current quota, please check your plan and billing details.", func(e object) {
				e["type"], e["code"] = "insufficient_quota", "insufficient_quota"
			})
		case translate.Anthropic:
			return fail(http.StatusBadRequest, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.", nil)
		case translate.Gemini:
			return fail(http.StatusTooManyRequests, "You exceeded your current quota", func(e object) {
				e["details"] = list{object{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": list{object{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}}}}
			})
		}
		return fail(http.StatusPaymentRequired, "no credit is left", nil)
	}}
}

// BlockedPrompt refuses a prompt for its content, in the way of each format's
// own provider: OpenAI's Chat and Responses by 400 content_filter, as Azure
// does, Anthropic by the stop reason refusal, Gemini by promptFeedback, the
// others by an empty answer that their filter ended.
func BlockedPrompt() Step {
	blocked := Say(Answer{Filtered: true})
	return Step{Reply: func(q *Request) *Reply {
		const message = "The response was filtered due to the prompt triggering the content management policy."
		switch q.Format {
		case translate.OpenAI, translate.Responses:
			r := Fail(http.StatusBadRequest, message).Reply(q)
			r.Chunks = [][]byte{marshal(object{"error": object{"message": message, "type": nil, "param": "prompt", "code": "content_filter", "status": 400}})}
			return r
		case translate.Gemini:
			o := object{"promptFeedback": object{"blockReason": "SAFETY"}, "usageMetadata": object{"promptTokenCount": 10, "totalTokenCount": 10}, "modelVersion": q.Model, "responseId": "test-1"}
			switch {
			case !q.Stream:
				return jsonReply(o)
			case q.http.URL.Query().Get("alt") != "sse":
				return jsonReply(list{o})
			}
			r := &Reply{Header: http.Header{"Content-Type": {"text/event-stream"}}}
			r.event("", o)
			return r
		}
		return blocked.Reply(q)
	}}
}

// Overloaded answers 529, as Anthropic does.
func Overloaded() Step { return Fail(529, "overloaded") }

// FailInside answers 200 with an error in the body: at once, or in a stream
// after n events.
func FailInside(n int, a Answer, status int, message string) Step {
	return Step{Reply: func(q *Request) *Reply {
		if !q.Stream {
			return jsonReply(errorBody(q.Format, status, message))
		}
		r := Say(a).Reply(q)
		r.Chunks = append(r.Chunks[:min(n, len(r.Chunks))], errorEvent(q.Format, status, message))
		return r
	}}
}

// errorEvent is a failure inside a stream.
func errorEvent(f translate.Format, status int, message string) []byte {
	r := new(Reply)
	switch f {
	case translate.Responses:
		r.event("error", object{"type": "error", "code": openAICode(status), "message": message, "param": nil, "sequence_number": 99})
	case translate.Anthropic:
		r.event("error", errorBody(f, status, message))
	case translate.Cohere:
		r.event("message-end", object{"type": "message-end", "delta": object{"finish_reason": "ERROR", "error": message}})
	case translate.Bedrock:
		name := awsType(status)
		return eventstream.AppendException(nil, strings.ToLower(name[:1])+name[1:], marshal(object{"message": message}))
	default:
		r.event("", errorBody(f, status, message))
	}
	return r.Chunks[0]
}

func errorBody(f translate.Format, status int, message string) any {
	switch f {
	case translate.Anthropic:
		return object{"type": "error", "error": object{"type": anthropicType(status), "message": message}, "request_id": "req_test"}
	case translate.Gemini:
		return object{"error": object{"code": status, "message": message, "status": googleStatus(status)}}
	case translate.Cohere:
		return object{"id": "test", "message": message}
	case translate.Bedrock:
		return object{"message": message}
	case replicate.Format:
		return object{"title": http.StatusText(status), "detail": message, "status": status}
	}
	return object{"error": object{"message": message, "type": openAIType(status), "param": nil, "code": openAICode(status)}}
}

func pick(status int, words map[int]string, otherwise string) string {
	if w, ok := words[status]; ok {
		return w
	}
	if status < http.StatusInternalServerError {
		return words[http.StatusBadRequest]
	}
	return otherwise
}

func openAIType(status int) string {
	return pick(status, map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}, "server_error")
}

func openAICode(status int) any {
	code := pick(status, map[int]string{400: "", 401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded", 503: "server_is_overloaded", 529: "overloaded_error"}, "server_error")
	if code == "" {
		return nil
	}
	return code
}

func anthropicType(status int) string {
	return pick(status, map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
		413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
	}, "api_error")
}

func googleStatus(status int) string {
	return pick(status, map[int]string{
		400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
	}, "INTERNAL")
}

func awsType(status int) string {
	return pick(status, map[int]string{
		400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException", 408: "ModelTimeoutException",
		413: "RequestEntityTooLargeException",
		424: "ModelErrorException", 429: "ThrottlingException", 503: "ServiceUnavailableException", 529: "ServiceUnavailableException",
	}, "InternalServerException")
}
