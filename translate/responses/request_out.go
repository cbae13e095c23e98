package responses

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendRequest implements translate.Outbound.
//
// A first system message of one plain text is sent as instructions; every
// other one stays an item where it stands, so that reading the result gives
// the same conversation again. A function whose strictness nobody has named is
// sent as not strict, unless the client speaks this format, whose own default
// it then means. Stop sequences are a Loss: the format has none.
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	w := requestWriter{o: o, r: r, own: r.Format == translate.Responses}
	w.refuse()
	// An encoder tells from the last byte whether a comma is due, so a
	// request starts on a slice whose end it knows.
	w.e.B = append(dst, '{')
	w.e.Key("model").String(r.Model)
	w.messages()
	w.tools()
	w.sampling()
	w.text()
	w.reasoning()
	w.account()
	if r.Stream {
		w.e.Key("stream").Bool(true)
	}
	if w.own {
		for _, m := range r.Extra {
			if !nested(m.Name) {
				w.e.KeyString(m.Name).Raw(m.Value)
			}
		}
	}
	w.e.EndObject()
	r.ExtraLosses(translate.Responses, &w.losses)
	if w.err != nil {
		return dst, nil, w.err
	}
	return w.e.B, w.losses, nil
}

// nested tells the members that ParseRequest has taken out of an object.
func nested(name string) bool {
	return strings.HasPrefix(name, "reasoning.") || strings.HasPrefix(name, "text.")
}

type requestWriter struct {
	o      Outbound
	r      *translate.Request
	own    bool // the client speaks this format, and knows whom it asks
	e      jsonx.Encoder
	losses translate.Losses
	err    *translate.Error
	custom map[string]bool // IDs of custom tools' calls
}

func (w *requestWriter) lose(path, reason string) { w.losses.Add(path, reason) }

// fail refuses the request; the first reason counts.
func (w *requestWriter) fail(path, msg string) {
	if w.err == nil {
		w.err = &translate.Error{Kind: translate.InvalidRequest, Message: path + ": " + msg, Param: path}
	}
}

// refuse tells what the format cannot do at all.
func (w *requestWriter) refuse() {
	if w.r.Choices > 1 {
		w.fail("n", "this provider gives one answer only")
	}
	for _, m := range w.r.Output.Modalities {
		if !strings.EqualFold(m, "text") {
			w.fail("modalities", "this provider answers in text, not "+strconv.Quote(m))
		}
	}
}

// members writes the Extra members of the object that prefix names.
func (w *requestWriter) members(prefix string) {
	if !w.own {
		return
	}
	for _, m := range w.r.Extra {
		if name, ok := strings.CutPrefix(m.Name, prefix); ok {
			w.e.KeyString(name).Raw(m.Value)
		}
	}
}

func (w *requestWriter) hasMembers(prefix string) bool {
	return w.own && slices.ContainsFunc(w.r.Extra, func(m translate.Member) bool { return strings.HasPrefix(m.Name, prefix) })
}

func (w *requestWriter) sampling() {
	e, r := &w.e, w.r
	if r.MaxTokens != nil {
		n := *r.MaxTokens
		if n < 16 && !w.own { // OpenAI refuses less
			n = 16
			w.lose("max_tokens", "raised to 16, the least that is possible")
		}
		e.Key("max_output_tokens").Int(n)
	}
	w.number("temperature", r.Temperature, 2)
	w.number("top_p", r.TopP, 1)
	if r.TopLogprobs != nil {
		n := *r.TopLogprobs
		if n < 0 || n > 20 {
			n = min(max(n, 0), 20)
			w.lose("top_logprobs", "bounded to "+strconv.FormatInt(n, 10))
		}
		e.Key("top_logprobs").Int(n)
	}
	for _, l := range []struct {
		name  string
		given bool
	}{
		{"top_k", r.TopK != nil}, {"min_p", r.MinP != nil}, {"seed", r.Seed != nil},
		{"presence_penalty", r.PresencePenalty != nil}, {"frequency_penalty", r.FrequencyPenalty != nil},
		{"logit_bias", len(r.LogitBias) > 0},
	} {
		if l.given {
			w.lose(l.name, "not known in Responses")
		}
	}
	if len(r.Stop) > 0 {
		w.lose("stop", "Responses has no stop sequences: the answer does not end at one")
	}
}

func (w *requestWriter) number(name string, v *float64, high float64) {
	if v == nil {
		return
	}
	f := *v
	if f < 0 || f > high {
		f = min(max(f, 0), high)
		w.lose(name, "bounded to "+strconv.FormatFloat(f, 'g', -1, 64))
	}
	w.e.Key(name).Float(f)
}

func (w *requestWriter) text() {
	e, out := &w.e, &w.r.Output
	format := out.Type != "" && !w.o.Dialect.ResponseFormat
	if format || w.r.Verbosity != "" || w.hasMembers("text.") {
		e.Key("text").Object()
		if format {
			e.Key("format")
			w.format(out)
		}
		if w.r.Verbosity != "" {
			e.Key("verbosity").String(w.r.Verbosity)
		}
		w.members("text.")
		e.EndObject()
	}
	if out.Type == "" || format {
		return
	}
	e.Key("response_format")
	if out.Type == translate.OutputSchema {
		e.Object().Key("type").String(string(out.Type)).Key("json_schema")
		w.schema(out, false)
		e.EndObject()
		return
	}
	w.format(out)
}

func (w *requestWriter) format(out *translate.Output) {
	if out.Type == translate.OutputSchema {
		w.schema(out, true)
		return
	}
	w.e.Object().Key("type").String(string(out.Type)).EndObject()
}

func (w *requestWriter) schema(out *translate.Output, typed bool) {
	e, name := &w.e, out.Name
	if fit, ok := translate.FitName(name, 64); !ok {
		if name == "" {
			fit = "response" // the name is required, and only OpenAI's formats have one
		} else {
			w.lose("text.format.name", "renamed to "+fit)
		}
		name = fit
	}
	e.Object()
	if typed {
		e.Key("type").String(string(out.Type))
	}
	e.Key("name").String(name)
	if out.Description != "" {
		e.Key("description").String(out.Description)
	}
	e.Key("schema")
	if len(out.Schema) > 0 {
		e.Raw(out.Schema)
	} else {
		e.Object().EndObject()
	}
	if out.Strict != nil {
		e.Key("strict").Bool(*out.Strict)
	}
	e.EndObject()
}

func (w *requestWriter) reasoning() {
	e, rs := &w.e, w.r.Reasoning
	if rs.Effort == "" && rs.Budget > 0 {
		rs.Effort = translate.BudgetEffort(rs.Budget)
		w.lose("reasoning.budget", "sent as effort "+strconv.Quote(rs.Effort))
	}
	if rs.Summary == "none" {
		rs.Summary = ""
	}
	if rs.Effort == "" && rs.Summary == "" && !w.hasMembers("reasoning.") {
		return
	}
	e.Key("reasoning").Object()
	if rs.Effort != "" {
		e.Key("effort").String(rs.Effort)
	}
	if rs.Summary != "" {
		e.Key("summary").String(rs.Summary)
	}
	w.members("reasoning.")
	e.EndObject()
}

// account writes what is about the exchange rather than the answer.
func (w *requestWriter) account() {
	e, r := &w.e, w.r
	w.include()
	if store := r.Store; !w.o.Dialect.NoStore {
		if store != nil {
			e.Key("store").Bool(*store)
		} else if !w.own {
			e.Key("store").Bool(false)
		}
	} else if store != nil && *store {
		w.lose("store", "not known to this provider")
	}
	if r.PreviousResponseID != "" {
		e.Key("previous_response_id").String(r.PreviousResponseID)
	}
	if len(r.Conversation) > 0 {
		e.Key("conversation").Raw(r.Conversation)
	}
	if r.Background {
		e.Key("background").Bool(true)
	}
	if r.Truncation != "" {
		e.Key("truncation").String(r.Truncation)
	}
	if r.User != "" {
		e.Key("safety_identifier").String(r.User)
	}
	if r.CacheKey != "" {
		e.Key("prompt_cache_key").String(r.CacheKey)
	}
	if r.Cache != nil {
		w.lose("cache_control", "the provider decides by itself what it caches")
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
}

func (w *requestWriter) include() {
	var list []string
	if !w.o.Dialect.NoEncryptedReasoning {
		list = append(list, includeEncrypted)
	}
	if w.r.Logprobs != nil && *w.r.Logprobs {
		list = append(list, includeLogprobs)
	}
	if w.own {
		list = append(list, w.r.Include...)
	}
	if len(list) == 0 {
		return
	}
	w.e.Key("include").Array()
	for _, s := range list {
		w.e.String(s)
	}
	w.e.EndArray()
}
