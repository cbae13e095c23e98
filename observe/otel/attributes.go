package otel

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// What the conventions have no name for.
const (
	// Of exchanges.
	requestIDKey    = attribute.Key("llmproxy.request.id")
	routeKey        = attribute.Key("llmproxy.route")
	principalKey    = attribute.Key("llmproxy.principal")
	clientFormatKey = attribute.Key("llmproxy.client.format")
	modelAskedKey   = attribute.Key("llmproxy.model.asked")
	providerKey     = attribute.Key("llmproxy.provider")
	gatewayKey      = attribute.Key("llmproxy.gateway")
	attemptsKey     = attribute.Key("llmproxy.attempts")
	lossesKey       = attribute.Key("llmproxy.losses")
	abortedKey      = attribute.Key("llmproxy.aborted")

	// Of attempts.
	keyIDKey          = attribute.Key("llmproxy.key.id")
	outcomeKey        = attribute.Key("llmproxy.outcome")
	providerFormatKey = attribute.Key("llmproxy.provider.format")
	estimatedKey      = attribute.Key("llmproxy.usage.estimated")
	costKey           = attribute.Key("llmproxy.cost.usd")
	gatewayLogKey     = attribute.Key("llmproxy.gateway.log_id")
	gatewayCacheKey   = attribute.Key("llmproxy.gateway.cache_status")
)

// exchangeAttributes returns what an exchange's span has beside its method and
// route. What an exchange knows of an answer stands in its attempt's span
// alone, so that nobody who adds up tokens counts them twice.
func exchangeAttributes(x *llmproxy.Exchange) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 16)
	attrs = append(attrs, requestIDKey.String(x.ID), semconv.HTTPResponseStatusCode(x.Status),
		semconv.HTTPRequestBodySizeKey.Int64(x.BytesIn), semconv.HTTPResponseBodySizeKey.Int64(x.BytesOut),
		attemptsKey.Int(len(x.Attempts)))
	attrs = appendStrings(attrs,
		principalKey.String(x.Principal), clientFormatKey.String(string(x.ClientFormat)), modelAskedKey.String(x.ModelAsked),
		providerKey.String(x.Provider), keyIDKey.String(x.Key), gatewayKey.String(x.Gateway))
	if len(x.Losses) > 0 {
		attrs = append(attrs, lossesKey.Int(len(x.Losses)))
	}
	if x.Aborted {
		attrs = append(attrs, abortedKey.Bool(true))
	}
	return attrs
}

// appendAttempt adds what every attempt's span has.
func appendAttempt(attrs []attribute.KeyValue, x *llmproxy.Exchange, a *llmproxy.Attempt) []attribute.KeyValue {
	attrs = append(attrs, outcomeKey.String(a.Class.String()))
	if x.Stream {
		attrs = append(attrs, semconv.GenAIRequestStream(true))
	}
	if a.Status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(a.Status))
	}
	return appendStrings(attrs,
		keyIDKey.String(a.Key), providerFormatKey.String(string(a.Format)),
		gatewayLogKey.String(a.Gateway.LogID), gatewayCacheKey.String(a.Gateway.CacheStatus))
}

// answer is what an attempt's answer told of itself; the zero answer is none.
type answer struct {
	id, model, finish string
	usage             *translate.Usage
	estimated         bool    // the usage, and so the cost, is
	cost              float64 // in US dollars; meaningful only where priced
	priced            bool
	first             time.Duration // of a stream, from the attempt's start to its first content
}

// answerOf returns the answer to the last attempt, which is the one that an
// exchange tells of.
func answerOf(x *llmproxy.Exchange, last *llmproxy.Attempt) answer {
	got := answer{id: x.ResponseID, model: x.ResponseModel, finish: x.Finish.Native, usage: x.Usage, estimated: x.UsageFrom == llmproxy.UsageEstimated, cost: x.Cost.Dollars(), priced: x.Priced}
	if got.finish == "" {
		got.finish = string(x.Finish.Reason)
	}
	if x.Stream && x.FirstByte > 0 {
		got.first = x.Start.Add(x.FirstByte).Sub(last.Start)
	}
	return got
}

// appendAnswer adds what the span of an attempt with an answer has.
func appendAnswer(attrs []attribute.KeyValue, got answer) []attribute.KeyValue {
	attrs = appendStrings(attrs, semconv.GenAIResponseID(got.id))
	if got.finish != "" {
		attrs = append(attrs, semconv.GenAIResponseFinishReasons(got.finish))
	}
	if got.first > 0 {
		attrs = append(attrs, semconv.GenAIResponseTimeToFirstChunk(got.first.Seconds()))
	}
	if got.priced {
		attrs = append(attrs, costKey.Float64(got.cost))
	}
	u := got.usage
	if u == nil {
		return attrs
	}
	if got.estimated {
		attrs = append(attrs, estimatedKey.Bool(true))
	}
	attrs = append(attrs, semconv.GenAIUsageInputTokensKey.Int64(u.TotalInput()), semconv.GenAIUsageOutputTokensKey.Int64(u.TotalOutput()))
	for _, part := range [...]attribute.KeyValue{
		semconv.GenAIUsageCacheReadInputTokensKey.Int64(u.CacheRead),
		semconv.GenAIUsageCacheCreationInputTokensKey.Int64(u.CacheWrite),
		semconv.GenAIUsageReasoningOutputTokensKey.Int64(u.Reasoning),
	} {
		if part.Value.AsInt64() > 0 {
			attrs = append(attrs, part)
		}
	}
	return attrs
}

// appendStrings adds those that are not empty.
func appendStrings(attrs []attribute.KeyValue, more ...attribute.KeyValue) []attribute.KeyValue {
	for _, a := range more {
		if a.Value.AsString() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

// methodOf returns the request's method, of which a client may invent any
// number.
func methodOf(x *llmproxy.Exchange) attribute.KeyValue {
	switch x.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return semconv.HTTPRequestMethodKey.String(x.Method)
	}
	return semconv.HTTPRequestMethodOther
}

// address splits a Host. The port is 443 where it names none.
func address(host string) (string, int) {
	name, service, err := net.SplitHostPort(host)
	if err != nil {
		return strings.Trim(host, "[]"), 443
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return name, 443
	}
	return name, port
}

// exchangeError returns the class of what the client met; empty: no error.
func exchangeError(x *llmproxy.Exchange) string {
	switch {
	case x.Aborted:
		return string(translate.Canceled)
	case x.Status >= 400:
		return strconv.Itoa(x.Status)
	}
	return errorKind(x.Err)
}

// clientFault reports whether an exchange that failed is no failure of the
// server.
func clientFault(x *llmproxy.Exchange) bool {
	return x.Aborted || x.Status >= 400 && x.Status < 500
}

// attemptError returns the class of an attempt's failure; empty: none.
func attemptError(a *llmproxy.Attempt) string {
	switch {
	case a.Status >= 400:
		return strconv.Itoa(a.Status)
	case a.Class == rotate.Canceled:
		return string(translate.Canceled)
	case a.Err == nil && a.Class != rotate.Success:
		return a.Class.String()
	}
	return errorKind(a.Err)
}

// errorKind returns the class of an error. Its text may quote what was said.
func errorKind(err error) string {
	var e *translate.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && e.Kind != "":
		return string(e.Kind)
	case errors.Is(err, context.Canceled):
		return string(translate.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return string(translate.Timeout)
	}
	return semconv.ErrorTypeOther.Value.AsString()
}
