package anthropic

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendRequest implements translate.Outbound.
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	return o.appendRequest(dst, r, false)
}

func (o Outbound) appendRequest(dst []byte, r *translate.Request, count bool) ([]byte, []translate.Loss, error) {
	w := requestWriter{o: o, r: r, places: r.Places(), rule: o.rule(r.Model), e: jsonx.Encoder{B: append(dst, '{')}}
	if err := w.refuse(); err != nil {
		return dst, nil, err
	}
	r.ExtraLosses(translate.Anthropic, &w.losses)
	w.system, w.turns = r.Turns(w.rule.System || r.Format == translate.Anthropic, &w.losses)
	w.prepare()
	w.write(count)
	if w.err != nil {
		return dst, nil, w.err
	}
	return w.e.EndObject().B, w.losses, nil
}

// requestWriter writes one request.
type requestWriter struct {
	o      Outbound
	r      *translate.Request
	rule   Rule
	e      jsonx.Encoder
	losses translate.Losses
	places translate.Places
	err    error // the first refusal

	system   []*translate.Text
	turns    []translate.Message
	tools    []translate.Tool
	think    thinking
	skipMark int  // cache marks yet to be left out
	last     bool // the message under way is the last
}

func (w *requestWriter) refusef(param, format string, args ...any) {
	if w.err == nil {
		e := translate.Errorf(translate.InvalidRequest, param+": "+format, args...)
		e.Param = param
		w.err = e
	}
}

// refuse tells what no answer of this provider could stand for.
func (w *requestWriter) refuse() error {
	r := w.r
	const stateful = "the provider keeps no state; send the whole conversation"
	switch {
	case r.Choices > 1:
		w.refusef("n", "the provider gives one answer per request")
	case r.PreviousResponseID != "":
		w.refusef("previous_response_id", stateful)
	case len(r.Conversation) > 0:
		w.refusef("conversation", stateful)
	case r.Background:
		w.refusef("background", "the provider answers in the foreground only")
	}
	for _, m := range r.Output.Modalities {
		if !strings.EqualFold(m, "text") {
			w.refusef("modalities", "the provider answers in text only, not %q", m)
		}
	}
	for i, t := range r.Tools {
		if t.Kind == translate.HostedTool && t.Format != translate.Anthropic {
			w.refusef("tools["+strconv.Itoa(i)+"]", "the provider has no hosted tool %q of the %s format", t.Name, t.Format)
		}
	}
	return w.err
}

// prepare decides what depends on the request as a whole.
func (w *requestWriter) prepare() {
	w.tools = w.chosenTools()
	if w.o.FillToolResults {
		w.fillResults()
	}
	if n := len(w.turns); n > 0 && w.rule.NoPrefill && endsInText(w.turns[n-1]) {
		w.losses.Add("messages["+strconv.Itoa(len(w.r.Messages)-1)+"]", "the model continues no answer that is begun")
		w.turns = w.turns[:n-1]
	}
	w.think = w.thinking()
	marks := -4
	if w.r.Cache != nil {
		marks++
	}
	w.skipMark = max(marks+w.countMarks(), 0)
}

func endsInText(m translate.Message) bool {
	if m.Role != translate.Assistant || len(m.Parts) == 0 {
		return false
	}
	switch m.Parts[len(m.Parts)-1].(type) {
	case *translate.Text, *translate.Refusal:
		return true
	}
	return false
}

func (w *requestWriter) write(count bool) {
	e, r := &w.e, w.r
	if w.o.Version != "" {
		e.Key("anthropic_version").String(w.o.Version)
	}
	if !w.o.OmitModel {
		e.Key("model").String(r.Model)
	}
	if !count {
		e.Key("max_tokens").Int(w.think.maxTokens)
		if r.Stream && !w.o.OmitStream {
			e.Key("stream").Bool(true)
		}
	}
	w.writeTools()
	w.writeSystem()
	w.writeMessages()
	w.writeThinking()
	if r.Cache != nil {
		w.writeMark(r.Cache, "cache_control")
	}
	if !count {
		w.writeSampling()
		w.writeRest()
	}
	for _, m := range r.Extra {
		if r.Format == translate.Anthropic && !(m.Name == "anthropic_version" && w.o.Version != "") {
			e.KeyString(m.Name).Raw(m.Value)
		}
	}
}

func (w *requestWriter) writeRest() {
	e, r := &w.e, w.r
	if len(r.Stop) > 0 {
		stop := make([]string, 0, len(r.Stop))
		for i, s := range r.Stop {
			if strings.TrimSpace(s) == "" { // "each stop sequence must contain non-whitespace"
				w.losses.Add("stop["+strconv.Itoa(i)+"]", "the provider takes no blank stop sequence")
				continue
			}
			stop = append(stop, s)
		}
		if len(stop) > 0 {
			e.Key("stop_sequences").Array()
			for _, s := range stop {
				e.String(s)
			}
			e.EndArray()
		}
	}
	if r.User != "" {
		e.Key("metadata").Object().Key("user_id").String(r.User).EndObject()
	}
	switch r.ServiceTier {
	case "":
	case "auto", "priority":
		e.Key("service_tier").String("auto")
	case "default", "standard":
		e.Key("service_tier").String("standard_only")
	default:
		w.losses.Add("service_tier", "the provider has no tier "+strconv.Quote(r.ServiceTier))
	}
	for _, l := range []struct {
		set  bool
		name string
	}{
		{r.Seed != nil, "seed"}, {r.MinP != nil, "min_p"},
		{nonZero(r.PresencePenalty), "presence_penalty"}, {nonZero(r.FrequencyPenalty), "frequency_penalty"},
		{r.Logprobs != nil && *r.Logprobs, "logprobs"}, {r.TopLogprobs != nil && *r.TopLogprobs > 0, "top_logprobs"},
		{len(r.LogitBias) > 0, "logit_bias"}, {r.Verbosity != "" && r.Verbosity != "medium", "verbosity"},
		{r.CacheKey != "", "prompt_cache_key"}, {len(r.Metadata) > 0, "metadata"},
		{r.Store != nil && *r.Store, "store"}, {r.Truncation != "" && r.Truncation != "disabled", "truncation"},
	} {
		if l.set {
			w.losses.Add(l.name, "the anthropic format has no such member")
		}
	}
	for i, v := range r.Include {
		if v != "reasoning.encrypted_content" { // state is given in any case
			w.losses.Add("include["+strconv.Itoa(i)+"]", "the anthropic format has no such member")
		}
	}
}

func nonZero(f *float64) bool { return f != nil && *f != 0 }

// writeSampling writes temperature, top_p and top_k where the model takes
// them.
func (w *requestWriter) writeSampling() {
	r, on := w.r, w.think.on()
	drop := func(set bool, name string) bool {
		switch {
		case !set:
		case w.rule.NoSampling:
			w.losses.Add(name, "the model takes no sampling parameters")
		case on && name != "top_p":
			w.losses.Add(name, "the model takes it only without thinking")
		default:
			return false
		}
		return true
	}
	temperature := r.Temperature
	if temperature != nil {
		if t := min(max(*temperature, 0), 1); t != *temperature {
			w.losses.Add("temperature", "clamped to the range 0 to 1")
			temperature = &t
		}
	}
	neutral := temperature != nil && *temperature == 1
	// 1 is the default: with thinking the only value, elsewhere nothing is lost.
	switch {
	case temperature == nil || neutral && w.rule.NoSampling:
	case neutral && on, !drop(true, "temperature"):
		w.e.Key("temperature").Float(*temperature)
	}
	if p := r.TopP; p != nil {
		v := min(max(*p, 0), 1)
		if v != *p {
			w.losses.Add("top_p", "clamped to the range 0 to 1")
		}
		switch {
		case drop(true, "top_p"):
		case on && v < 0.95:
			w.losses.Add("top_p", "the model takes none below 0.95 while it thinks")
		case w.rule.OneSampling && temperature != nil && r.Format != translate.Anthropic:
			w.losses.Add("top_p", "the model takes temperature or top_p, not both")
		default:
			w.e.Key("top_p").Float(v)
		}
	}
	if k := r.TopK; k != nil && !drop(true, "top_k") {
		if *k < 0 {
			w.losses.Add("top_k", "clamped to 0")
		}
		w.e.Key("top_k").Int(max(*k, 0))
	}
}
