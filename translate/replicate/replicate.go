// Package replicate is the Outbound of Replicate's predictions API
// (https://replicate.com/docs/reference/http) for language models.
//
// Replicate has no chat format: a model has inputs of its own, of which
// language models share a few by custom. The conversation becomes one prompt:
// a lone user message as it stands, anything longer as turns that begin with
// "User:" and "Assistant:" and end in an open "Assistant:" for the model to go
// on from. Tools and media cannot be said that way and are refused.
//
// A stream is that of the prediction's urls.stream. It names no ID and no
// usage.
package replicate

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Format names the wire format.
const Format translate.Format = "replicate"

// Outbound speaks to Replicate's predictions API. The zero value is ready to
// use; it is safe for concurrent use. The model is part of the URL.
type Outbound struct{}

var _ translate.Outbound = Outbound{}

// AppendRequest implements translate.Outbound. It refuses tools, media, several
// choices, and what only the Responses format can do.
func (Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	var losses translate.Losses
	if err := refuse(r); err != nil {
		return dst, nil, err
	}
	system, turns := r.Turns(false, &losses)
	prompt, err := prompt(r, turns, &losses)
	if err != nil {
		return dst, nil, err
	}
	// The encoder tells from the last byte whether a comma is due, so it
	// starts with a slice that has none.
	w := jsonx.Encoder{B: dst[len(dst):]}
	w.Object().Key("input").Object().Key("prompt").String(prompt)
	if len(system) > 0 {
		var texts []string
		for _, t := range system {
			texts = append(texts, t.Text)
		}
		w.Key("system_prompt").String(strings.Join(texts, "\n\n"))
	}
	if r.MaxTokens != nil {
		w.Key("max_tokens").Int(*r.MaxTokens)
	}
	for _, f := range []struct {
		name string
		v    *float64
	}{{"temperature", r.Temperature}, {"top_p", r.TopP}} {
		if f.v != nil {
			w.Key(f.name).Float(*f.v)
		}
	}
	if r.TopK != nil {
		w.Key("top_k").Int(*r.TopK)
	}
	for _, f := range []struct {
		name string
		v    *float64
	}{{"min_p", r.MinP}, {"presence_penalty", r.PresencePenalty}, {"frequency_penalty", r.FrequencyPenalty}} {
		if f.v != nil {
			w.Key(f.name).Float(*f.v)
		}
	}
	if r.Seed != nil {
		w.Key("seed").Int(*r.Seed)
	}
	stop(&w, r.Stop, &losses)
	w.EndObject()
	if r.Stream {
		w.Key("stream").Bool(true)
	}
	if r.Format == Format {
		for _, m := range r.Extra {
			w.KeyString(m.Name).Raw(m.Value)
		}
	}
	w.EndObject()
	leftOut(r, &losses)
	return append(dst, w.B...), losses, nil
}

// stop writes the stop sequences, which are one string with commas between.
func stop(w *jsonx.Encoder, sequences []string, losses *translate.Losses) {
	var fit []string
	for i, s := range sequences {
		if strings.Contains(s, ",") {
			losses.Add("stop["+strconv.Itoa(i)+"]", "Replicate's stop sequences hold no commas")
			continue
		}
		fit = append(fit, s)
	}
	if len(fit) > 0 {
		w.Key("stop_sequences").String(strings.Join(fit, ","))
	}
}

func refusal(path, reason string) *translate.Error {
	e := translate.Errorf(translate.InvalidRequest, "%s: %s", path, reason)
	e.Param = path
	return e
}

func refuse(r *translate.Request) error {
	for _, m := range []struct {
		path, reason string
		given        bool
	}{
		{"tools", "models on Replicate call no tools", len(r.Tools) > 0 && r.ToolChoice.Mode != translate.ToolNone},
		{"n", "Replicate gives one answer to a request", r.Choices > 1},
		{"previous_response_id", "Replicate keeps no conversations; send the whole one", r.PreviousResponseID != ""},
		{"conversation", "Replicate keeps no conversations; send the whole one", len(r.Conversation) > 0},
		{"background", "Replicate's background mode cannot be reached from here", r.Background},
	} {
		if m.given {
			return refusal(m.path, m.reason)
		}
	}
	for _, m := range r.Output.Modalities {
		if m != "text" {
			return refusal("modalities", "Replicate's language models answer in text, not in "+m)
		}
	}
	return nil
}

// prompt flattens the conversation.
func prompt(r *translate.Request, turns []translate.Message, losses *translate.Losses) (string, error) {
	var b strings.Builder
	places := r.Places()
	lone := len(turns) == 1 && turns[0].Role == translate.User
	for i, m := range turns {
		if i > 0 {
			b.WriteString("\n\n")
		}
		if !lone {
			b.WriteString(map[translate.Role]string{translate.User: "User: ", translate.Assistant: "Assistant: "}[m.Role])
		}
		first := true
		for _, p := range m.Parts {
			var text string
			switch p := p.(type) {
			case *translate.Text:
				text = p.Text
			case *translate.Refusal:
				text = p.Text
			case *translate.Thinking:
				losses.Add(places.Of(p).String(), "thinking has no place in a prompt")
				continue
			case *translate.Opaque:
				losses.Add(places.Of(p).String(), p.Type+" is not known outside the "+string(p.Format)+" format")
				continue
			case *translate.Media:
				return "", refusal(places.Of(p).String(), "a prompt holds text, no "+string(p.Kind))
			default:
				return "", refusal(places.Of(p).String(), "models on Replicate call no tools")
			}
			if !first {
				b.WriteString("\n")
			}
			b.WriteString(text)
			first = false
		}
	}
	if n := len(turns); !lone && n > 0 && turns[n-1].Role == translate.User {
		b.WriteString("\n\nAssistant:")
	}
	return b.String(), nil
}

// leftOut reports the members that predictions have nothing for.
func leftOut(r *translate.Request, losses *translate.Losses) {
	cached := r.Cache != nil
	for i, m := range r.Messages {
		if m.Name != "" {
			losses.Add("messages["+strconv.Itoa(i)+"].name", "a prompt has no names")
		}
		for _, p := range m.Parts {
			t, ok := p.(*translate.Text)
			cached = cached || ok && t.Cache != nil
		}
	}
	re := r.Reasoning
	for _, m := range []struct {
		path string
		lost bool
	}{
		{"tools", len(r.Tools) > 0},
		{"response_format", r.Output.Type != ""},
		{"reasoning", re.Budget != 0 || re.Effort != "" && re.Effort != "none"},
		{"logprobs", r.Logprobs != nil && *r.Logprobs},
		{"top_logprobs", r.TopLogprobs != nil},
		{"logit_bias", len(r.LogitBias) > 0},
		{"user", r.User != ""},
		{"metadata", len(r.Metadata) > 0},
		{"prompt_cache_key", r.CacheKey != ""},
		{"cache_control", cached},
		{"service_tier", r.ServiceTier != "" && r.ServiceTier != "auto" && r.ServiceTier != "default"},
		{"store", r.Store != nil && *r.Store},
		{"verbosity", r.Verbosity != ""},
		{"truncation", r.Truncation != "" && r.Truncation != "disabled"},
		{"include", len(r.Include) > 0},
	} {
		if m.lost {
			losses.Add(m.path, "Replicate has nothing like it")
		}
	}
	r.ExtraLosses(Format, losses)
}

// ParseError implements translate.Outbound.
func (Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	e := translate.ParseErrorBody(status, h, body)
	// "Request was throttled. Expected available in 12 seconds."
	if _, after, ok := strings.Cut(e.Message, "available in "); ok && e.RetryAfter == 0 && e.Kind == translate.RateLimit {
		n, _, _ := strings.Cut(after, " ")
		if s, err := strconv.ParseFloat(n, 64); err == nil && s > 0 && s < 1e6 {
			e.RetryAfter = time.Duration(s * float64(time.Second))
		}
	}
	return e
}
