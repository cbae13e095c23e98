package bedrock

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// writer appends one request.
type writer struct {
	jsonx.Encoder
	r      *translate.Request
	fam    *family
	origin string
	turns  []translate.Message
	losses translate.Losses
	places translate.Places
	names  map[string]int // of documents, with how often each was taken
	err    *translate.Error

	uncached  bool // that cache marks are left out is reported
	marked    int  // where the last cachePoint ends
	maxTokens *int64
	thinking  int64 // Claude's budget; 0: it thinks without one or not at all
	thinks    bool
}

// AppendRequest implements translate.Outbound. It refuses media that Bedrock
// cannot be given (URLs other than S3's, foreign files, unknown types), hosted
// and custom tools, tool names that Bedrock does not take, several choices,
// and what only the Responses format can do.
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	// The encoder tells from the last byte whether a comma is due, so it
	// starts with a slice that has none.
	w := writer{Encoder: jsonx.Encoder{B: dst[len(dst):]}, r: r, places: r.Places(), fam: familyOf(r.Model), origin: o.Origin, maxTokens: r.MaxTokens}
	if w.origin == "" {
		w.origin = w.fam.origin
	}
	w.refuse()
	kept := *r
	kept.Messages = w.writable(r.Messages)
	system, turns := kept.Turns(false, &w.losses)
	w.turns = turns
	w.planThinking()
	w.Object()
	w.conversation(system)
	w.inferenceConfig()
	w.toolConfig()
	w.additionalFields()
	w.outputConfig()
	w.metadata()
	switch r.ServiceTier {
	case "", "auto":
	case "default", "priority", "flex", "reserved":
		w.Key("serviceTier").Object().Key("type").String(r.ServiceTier).EndObject()
	default:
		w.losses.Add("service_tier", "Bedrock has no tier "+strconv.Quote(r.ServiceTier))
	}
	if r.Format == translate.Bedrock {
		for _, m := range r.Extra {
			w.KeyString(m.Name).Raw(m.Value)
		}
	}
	w.EndObject()
	w.leftOut()
	if w.err != nil {
		return dst, nil, w.err
	}
	if len(dst) == 0 {
		return w.B, w.losses, nil
	}
	return append(dst, w.B...), w.losses, nil
}

// fail refuses the request for what stands at path. The first one counts.
func (w *writer) fail(path, reason string) {
	if w.err == nil {
		w.err = translate.Errorf(translate.InvalidRequest, "%s: %s", path, reason)
		w.err.Param = path
	}
}

func (w *writer) refuse() {
	r := w.r
	if r.Choices > 1 {
		w.fail("n", "Bedrock gives one answer to a request")
	}
	if r.PreviousResponseID != "" {
		w.fail("previous_response_id", "Bedrock keeps no conversations; send the whole one")
	}
	if len(r.Conversation) > 0 {
		w.fail("conversation", "Bedrock keeps no conversations; send the whole one")
	}
	if r.Background {
		w.fail("background", "Converse has no background mode")
	}
	for _, m := range r.Output.Modalities {
		if m != "text" {
			w.fail("modalities", "Converse cannot be asked for "+m)
		}
	}
}

func (w *writer) inferenceConfig() {
	r := w.r
	stop := r.Stop
	if w.fam.noStop && len(stop) > 0 {
		w.losses.Add("stop", "the model takes no stop sequences on Bedrock")
		stop = nil
	}
	temperature, topP := r.Temperature, r.TopP
	switch {
	case w.fam.noSampling:
		w.dropSampling(&temperature, &topP, "the model takes it not on Bedrock")
	case w.thinks:
		w.dropSampling(&temperature, &topP, "Claude does not take it while it thinks")
	}
	if w.maxTokens == nil && temperature == nil && topP == nil && len(stop) == 0 {
		return
	}
	w.Key("inferenceConfig").Object()
	if w.maxTokens != nil {
		w.Key("maxTokens").Int(*w.maxTokens)
	}
	w.unit("temperature", "temperature", temperature)
	w.unit("topP", "top_p", topP)
	if len(stop) > 0 {
		w.Key("stopSequences").Array()
		for _, s := range stop {
			w.String(s)
		}
		w.EndArray()
	}
	w.EndObject()
}

func (w *writer) dropSampling(temperature, topP **float64, reason string) {
	if *temperature != nil && **temperature != 1 {
		w.losses.Add("temperature", reason)
	}
	if *topP != nil && **topP != 1 {
		w.losses.Add("top_p", reason)
	}
	*temperature, *topP = nil, nil
}

// unit writes a number between 0 and 1.
func (w *writer) unit(name, path string, v *float64) {
	if v == nil {
		return
	}
	f := min(max(*v, 0), 1)
	if f != *v {
		w.losses.Add(path, "brought into Bedrock's range of 0 to 1")
	}
	w.Key(name).Float(f)
}

func (w *writer) outputConfig() {
	out := &w.r.Output
	switch out.Type {
	case translate.OutputJSON:
		w.losses.Add("response_format", "Bedrock cannot demand a JSON object without a schema")
	case translate.OutputSchema:
		w.Key("outputConfig").Object().Key("textFormat").Object().Key("type").String("json_schema")
		w.Key("structure").Object().Key("jsonSchema").Object()
		if out.Name != "" {
			w.Key("name").String(out.Name)
		}
		if out.Description != "" {
			w.Key("description").String(out.Description)
		}
		// The schema is a string here.
		w.Key("schema").String(string(out.Schema)).EndObject().EndObject().EndObject().EndObject()
	}
}

// metadata writes requestMetadata, sorted so that the same request gives the
// same bytes. Bedrock bounds what its keys and values may hold.
func (w *writer) metadata() {
	tags := w.r.Metadata
	if w.r.User != "" {
		tags = maps.Clone(tags)
		if tags == nil {
			tags = map[string]string{}
		}
		if _, taken := tags["user"]; !taken {
			tags["user"] = w.r.User
		}
	}
	open, n := false, 0
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if k == "" || !isTag(k) || !isTag(tags[k]) || n == 16 {
			path := "metadata." + k
			if w.r.Metadata[k] == "" && k == "user" {
				path = "user"
			}
			w.losses.Add(path, "not among what Bedrock takes as requestMetadata")
			continue
		}
		if !open {
			w.Key("requestMetadata").Object()
			open = true
		}
		n++
		w.KeyString(k).String(tags[k])
	}
	if open {
		w.EndObject()
	}
}

func isTag(s string) bool {
	return len(s) <= 256 && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" \t\n:_@$#=/+,-.", r))
	}) < 0
}

// leftOut reports the members that Converse has nothing for.
func (w *writer) leftOut() {
	r := w.r
	for _, m := range []struct {
		path string
		lost bool
	}{
		{"top_k", r.TopK != nil && (w.fam.topK == "" || w.thinks)},
		{"min_p", r.MinP != nil},
		{"seed", r.Seed != nil},
		{"presence_penalty", r.PresencePenalty != nil && *r.PresencePenalty != 0},
		{"frequency_penalty", r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0},
		{"logprobs", r.Logprobs != nil && *r.Logprobs},
		{"top_logprobs", r.TopLogprobs != nil},
		{"logit_bias", len(r.LogitBias) > 0},
		{"prompt_cache_key", r.CacheKey != ""},
		{"store", r.Store != nil && *r.Store},
		{"verbosity", r.Verbosity != ""},
		{"truncation", r.Truncation != "" && r.Truncation != "disabled"},
		{"include", len(r.Include) > 0},
		{"parallel_tool_calls", r.ParallelTools != nil && !*r.ParallelTools && len(r.Tools) > 0},
	} {
		if m.lost {
			w.losses.Add(m.path, "Converse has nothing like it for this model")
		}
	}
	r.ExtraLosses(translate.Bedrock, &w.losses)
}
