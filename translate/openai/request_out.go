package openai

import (
	"maps"
	"slices"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendRequest implements translate.Outbound. Top-level members have OpenAI's
// names; a provider that has other ones renames them in the finished JSON.
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	w := requestWriter{o: o, d: o.Dialect, r: r, places: r.Places(), e: jsonx.Encoder{B: dst}}
	if err := w.refuse(); err != nil {
		return dst, nil, err
	}
	// An encoder tells from the last byte whether a comma is due, so a
	// request starts on a slice whose end it knows.
	w.e.B = append(w.e.B, '{')
	w.e.Key("model").String(r.Model)
	w.messages()
	w.tools()
	w.sampling()
	w.output()
	w.reasoning()
	w.account()
	if r.Stream {
		w.e.Key("stream").Bool(true)
		if !w.d.NoStreamOptions {
			w.e.Key("stream_options").Object().Key("include_usage").Bool(true).EndObject()
		}
	}
	if r.Format == translate.OpenAI {
		for _, m := range r.Extra {
			w.e.KeyString(m.Name).Raw(m.Value)
		}
	}
	w.e.EndObject()
	r.ExtraLosses(translate.OpenAI, &w.losses)
	if w.err != nil {
		return dst, nil, w.err
	}
	return w.e.B, w.losses, nil
}

// AcceptsURL implements translate.URLAcceptor.
func (o Outbound) AcceptsURL(m *translate.Media) bool {
	switch m.Kind {
	case translate.Image:
		return !o.Dialect.DataURLsOnly
	case translate.Video:
		return true
	case translate.File:
		return o.Dialect.DocumentURLs
	}
	return false
}

type requestWriter struct {
	o       Outbound
	d       Dialect
	r       *translate.Request
	e       jsonx.Encoder
	losses  translate.Losses
	places  translate.Places
	err     *translate.Error
	lastMsg int
	turns   []translate.Message // with MergeSystem
	names   map[string]string   // of tools, by their calls' IDs
	moved   []*translate.Media  // of tool results, for the next user message
}

func (w *requestWriter) lose(path, reason string) { w.losses.Add(path, reason) }

// fail refuses the request; the first reason counts.
func (w *requestWriter) fail(path, msg string) {
	if w.err == nil {
		w.err = &translate.Error{Kind: translate.InvalidRequest, Message: path + ": " + msg, Param: path}
	}
}

// refuse tells what the format cannot do at all.
func (w *requestWriter) refuse() error {
	r := w.r
	switch {
	case r.Choices > 1:
		w.fail("n", "only one answer can be translated")
	case r.PreviousResponseID != "":
		w.fail("previous_response_id", "Chat Completions keeps no conversations; send the whole conversation")
	case len(r.Conversation) > 0:
		w.fail("conversation", "Chat Completions keeps no conversations; send the whole conversation")
	case r.Background:
		w.fail("background", "Chat Completions cannot answer in the background")
	}
	if w.err != nil {
		return w.err
	}
	return nil
}

func (w *requestWriter) sampling() {
	e, r := &w.e, w.r
	if r.MaxTokens != nil {
		name := w.d.MaxTokensField
		if name == "" {
			name = "max_completion_tokens"
		}
		e.Key(name).Int(*r.MaxTokens)
	}
	w.number("temperature", r.Temperature, 0, 2)
	w.number("top_p", r.TopP, 0, 1)
	known := w.d.TopK || r.Format == translate.OpenAI // a client of this format knows whom it asks
	if r.TopK != nil {
		if known {
			e.Key("top_k").Int(*r.TopK)
		} else {
			w.lose("top_k", "not known in Chat Completions")
		}
	}
	if r.MinP != nil {
		if known {
			e.Key("min_p").Float(*r.MinP)
		} else {
			w.lose("min_p", "not known in Chat Completions")
		}
	}
	if r.Seed != nil {
		e.Key("seed").Int(*r.Seed)
	}
	w.stop()
	w.number("presence_penalty", r.PresencePenalty, -2, 2)
	w.number("frequency_penalty", r.FrequencyPenalty, -2, 2)
	if r.Choices == 1 {
		e.Key("n").Int(1)
	}
	if r.Logprobs != nil {
		e.Key("logprobs").Bool(*r.Logprobs)
	}
	if r.TopLogprobs != nil {
		n := *r.TopLogprobs
		if n > 20 || n < 0 {
			n = min(max(n, 0), 20)
			w.lose("top_logprobs", "bounded to "+strconv.FormatInt(n, 10))
		}
		e.Key("top_logprobs").Int(n)
	}
	if len(r.LogitBias) > 0 {
		e.Key("logit_bias").Raw(r.LogitBias)
	}
}

func (w *requestWriter) number(name string, v *float64, low, high float64) {
	if v == nil {
		return
	}
	f := *v
	if f < low || f > high {
		f = min(max(f, low), high)
		w.lose(name, "bounded to "+strconv.FormatFloat(f, 'g', -1, 64))
	}
	w.e.Key(name).Float(f)
}

func (w *requestWriter) stop() {
	stops := w.r.Stop
	limit := w.d.MaxStops
	if limit == 0 {
		limit = 4
	}
	if limit > 0 && len(stops) > limit {
		w.lose("stop["+strconv.Itoa(limit)+"]", "only "+strconv.Itoa(limit)+" stop sequences are possible")
		stops = stops[:limit]
	}
	if len(stops) == 0 {
		return
	}
	w.e.Key("stop").Array()
	for _, s := range stops {
		w.e.String(s)
	}
	w.e.EndArray()
}

func (w *requestWriter) output() {
	e, out := &w.e, &w.r.Output
	switch out.Type {
	case translate.OutputJSON:
		e.Key("response_format").Object().Key("type").String("json_object").EndObject()
	case translate.OutputSchema:
		name := out.Name
		if fit, ok := translate.FitName(name, 64); !ok {
			if name == "" {
				fit = "response" // the name is required, and only Chat and Responses have one
			} else {
				w.lose("response_format.json_schema.name", "renamed to "+fit)
			}
			name = fit
		}
		e.Key("response_format").Object().Key("type").String("json_schema").Key("json_schema").Object().Key("name").String(name)
		if out.Description != "" {
			e.Key("description").String(out.Description)
		}
		if len(out.Schema) > 0 {
			e.Key("schema").Raw(out.Schema)
		}
		if out.Strict != nil {
			e.Key("strict").Bool(*out.Strict)
		}
		e.EndObject().EndObject()
	}
	if m := out.Modalities; len(m) > 0 && (w.r.Format == translate.OpenAI || !slices.Equal(m, []string{"text"})) {
		e.Key("modalities").Array()
		for _, s := range m {
			e.String(s)
		}
		e.EndArray()
	}
	if w.r.Verbosity != "" {
		e.Key("verbosity").String(w.r.Verbosity)
	}
}

func (w *requestWriter) reasoning() {
	e, rs := &w.e, &w.r.Reasoning
	if *rs == (translate.Reasoning{}) {
		return
	}
	if w.d.ReasoningObject {
		e.Key("reasoning").Object()
		switch {
		case rs.Budget > 0: // OpenRouter takes one of the two
			e.Key("max_tokens").Int(rs.Budget)
		case rs.Effort != "":
			e.Key("effort").String(rs.Effort)
		case rs.Budget < 0:
			e.Key("enabled").Bool(true)
		}
		switch rs.Summary {
		case "":
		case "none":
			e.Key("exclude").Bool(true)
		default:
			e.Key("summary").String(rs.Summary)
		}
		e.EndObject()
		return
	}
	effort := rs.Effort
	if effort == "" && rs.Budget > 0 {
		effort = translate.BudgetEffort(rs.Budget)
		w.lose("reasoning.max_tokens", "sent as reasoning_effort "+strconv.Quote(effort))
	}
	if effort != "" {
		e.Key("reasoning_effort").String(effort)
	}
	if rs.Summary != "" && rs.Summary != "none" {
		w.lose("reasoning.summary", "Chat Completions cannot ask for reasoning to be shown")
	}
}

// account writes what is about the caller rather than the answer.
func (w *requestWriter) account() {
	e, r := &w.e, w.r
	if r.User != "" {
		e.Key("user").String(r.User)
	}
	if r.CacheKey != "" {
		e.Key("prompt_cache_key").String(r.CacheKey)
	}
	if r.Cache != nil {
		if w.d.CacheMark == "cache_control" {
			w.cacheMark(r.Cache)
		} else {
			w.lose("cache_control", "the provider decides by itself what it caches")
		}
	}
	if len(r.Metadata) > 0 {
		e.Key("metadata").Object()
		for _, k := range slices.Sorted(maps.Keys(r.Metadata)) {
			e.KeyString(k).String(r.Metadata[k])
		}
		e.EndObject()
	}
	if r.ServiceTier != "" {
		e.Key("service_tier").String(r.ServiceTier)
	}
	if r.Store != nil {
		e.Key("store").Bool(*r.Store)
	}
	for i, s := range r.Include {
		w.lose("include["+strconv.Itoa(i)+"]", strconv.Quote(s)+" is not known in Chat Completions")
	}
	if r.Truncation != "" && r.Truncation != "disabled" {
		w.lose("truncation", "Chat Completions does not shorten conversations")
	}
}

// cacheMark writes a cache mark in the dialect's words.
func (w *requestWriter) cacheMark(m *translate.CacheMark) {
	e := &w.e
	switch w.d.CacheMark {
	case "cache_control":
		e.Key("cache_control").Object().Key("type").String("ephemeral")
		if m.TTL == "1h" || m.TTL == "5m" { // Anthropic's own, which OpenRouter passes on
			e.Key("ttl").String(m.TTL)
		}
		e.EndObject()
	case "prompt_cache_breakpoint":
		e.Key("prompt_cache_breakpoint").Object().Key("mode").String("explicit")
		if m.TTL == "30m" || m.TTL == "12h" {
			e.Key("ttl").String(m.TTL)
		}
		e.EndObject()
	}
}
