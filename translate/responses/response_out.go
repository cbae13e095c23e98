package responses

import (
	"maps"
	"slices"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendResponse implements translate.Inbound. It is what the last event of
// the same answer's stream holds.
func (in Inbound) AppendResponse(dst []byte, req *translate.Request, resp *translate.Response) ([]byte, []translate.Loss) {
	w := in.newWriter(req)
	if len(resp.Logprobs) > 0 {
		if found, err := jsonx.Top(resp.Logprobs, "content"); err == nil && jsonx.KindOf(found[0]) == jsonx.Array {
			w.logprobs = found[0]
		}
	}
	o := &outcome{status: "completed"}
	for e, _ := range translate.Replay(resp) { // which does not fail
		switch e.Type {
		case translate.EventStart:
			w.id, w.model, w.created, w.tier = responseID(e.ID), e.Model, e.Created, e.ServiceTier
			w.identify()
		case translate.EventStop:
			o = finishOutcome(&e.Finish)
			o.usage = e.Usage
			status := "completed"
			if o.status == "incomplete" {
				status = o.status
			}
			w.endItem(status)
		default:
			w.event(e)
		}
		w.e.B = w.e.B[:0]
	}
	e := jsonx.Encoder{B: append(dst, '{')}
	w.envelope(&e, o)
	return e.EndObject().B, append(w.losses, resp.Losses...)
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// outcome is how an answer stands or ended.
type outcome struct {
	status        string
	reason        string // incomplete
	code, message string // failed
	usage         *translate.Usage
}

func finishOutcome(f *translate.Finish) *outcome {
	switch f.Reason {
	case translate.FinishLength:
		return &outcome{status: "incomplete", reason: "max_output_tokens"}
	case translate.FinishFiltered:
		return &outcome{status: "incomplete", reason: "content_filter"}
	case translate.FinishError:
		msg := f.Message
		if msg == "" {
			msg = "the model failed"
			if f.Native != "" {
				msg += ": " + f.Native
			}
		}
		return &outcome{status: "failed", code: "server_error", message: msg}
	case translate.FinishPause, translate.FinishOther:
		reason := f.Native
		if reason == "" {
			reason = string(f.Reason)
		}
		return &outcome{status: "incomplete", reason: reason}
	}
	return &outcome{status: "completed"}
}

// envelope writes the members of the response object. Much of it repeats the
// request, which SDKs want to see. The document demands the member error; its
// null is harmless here, inside an event, where openai-go does not look.
func (w *eventWriter) envelope(e *jsonx.Encoder, o *outcome) {
	r := w.req
	e.Key("id").String(w.id).Key("object").String("response").Key("created_at").Int(w.created)
	e.Key("status").String(o.status).Key("background").Bool(false)
	e.Key("error")
	if o.status == "failed" {
		e.Object().Key("code").String(o.code).Key("message").String(o.message).EndObject()
	} else {
		e.Null()
	}
	e.Key("incomplete_details")
	if o.reason != "" {
		e.Object().Key("reason").String(o.reason).EndObject()
	} else {
		e.Null()
	}
	e.Key("instructions")
	stringOrNull(e, instructionsOf(r))
	e.Key("max_output_tokens")
	intOrNull(e, r.MaxTokens)
	e.Key("model").String(w.model)
	e.Key("output").Array()
	if o.status != "in_progress" {
		e.B = append(e.B, w.items.B...)
	}
	e.EndArray()
	e.Key("parallel_tool_calls").Bool(r.ParallelTools == nil || *r.ParallelTools)
	e.Key("previous_response_id")
	stringOrNull(e, r.PreviousResponseID)
	e.Key("reasoning").Object().Key("effort")
	stringOrNull(e, r.Reasoning.Effort)
	e.Key("summary")
	stringOrNull(e, r.Reasoning.Summary)
	e.EndObject()
	if w.tier != "" {
		e.Key("service_tier").String(w.tier)
	}
	e.Key("store").Bool(r.Store != nil && *r.Store)
	e.Key("temperature")
	floatOrNull(e, r.Temperature)
	w.echoText(e)
	w.echoTools(e)
	e.Key("top_p")
	floatOrNull(e, r.TopP)
	e.Key("truncation")
	if r.Truncation != "" {
		e.String(r.Truncation)
	} else {
		e.String("disabled")
	}
	e.Key("usage")
	appendUsage(e, o.usage)
	e.Key("user").Null()
	e.Key("metadata").Object()
	for _, k := range slices.Sorted(maps.Keys(r.Metadata)) {
		e.KeyString(k).String(r.Metadata[k])
	}
	e.EndObject()
}

func instructionsOf(r *translate.Request) string {
	if len(r.Messages) > 0 && r.Messages[0].Role == translate.System && len(r.Messages[0].Parts) == 1 {
		if t, ok := r.Messages[0].Parts[0].(*translate.Text); ok {
			return t.Text
		}
	}
	return ""
}

func (w *eventWriter) echoText(e *jsonx.Encoder) {
	e.Key("text").Object().Key("format")
	rw := requestWriter{r: w.req, own: true, e: *e}
	if out := &w.req.Output; out.Type != "" {
		rw.format(out)
	} else {
		rw.e.Object().Key("type").String("text").EndObject()
	}
	*e = rw.e
	if w.req.Verbosity != "" {
		e.Key("verbosity").String(w.req.Verbosity)
	}
	e.EndObject()
}

func (w *eventWriter) echoTools(e *jsonx.Encoder) {
	r := w.req
	rw := requestWriter{r: r, own: true, e: *e}
	if r.ToolChoice.Mode == "" && len(r.ToolChoice.Names) == 0 {
		rw.e.Key("tool_choice").String("auto")
	} else {
		rw.toolChoice()
	}
	e = rw.done(e)
	e.Key("tools").Array()
	for i := range r.Tools {
		t := &r.Tools[i]
		switch {
		case t.Kind != translate.HostedTool:
			appendTool(e, t, false)
		case t.Format == translate.Responses:
			e.Raw(t.Raw)
		}
	}
	e.EndArray()
}

// done gives back the encoder that w has borrowed.
func (w *requestWriter) done(e *jsonx.Encoder) *jsonx.Encoder {
	*e = w.e
	return e
}

func stringOrNull(e *jsonx.Encoder, s string) {
	if s == "" {
		e.Null()
	} else {
		e.String(s)
	}
}

func intOrNull(e *jsonx.Encoder, n *int64) {
	if n == nil {
		e.Null()
	} else {
		e.Int(*n)
	}
}

func floatOrNull(e *jsonx.Encoder, f *float64) {
	if f == nil {
		e.Null()
	} else {
		e.Float(*f)
	}
}

func appendUsage(e *jsonx.Encoder, u *translate.Usage) {
	if u == nil {
		e.Null()
		return
	}
	e.Object().Key("input_tokens").Int(u.TotalInput())
	e.Key("input_tokens_details").Object().Key("cached_tokens").Int(u.CacheRead).Key("cache_write_tokens").Int(u.CacheWrite).EndObject()
	e.Key("output_tokens").Int(u.TotalOutput())
	e.Key("output_tokens_details").Object().Key("reasoning_tokens").Int(u.Reasoning).EndObject()
	e.Key("total_tokens").Int(u.Total()).EndObject()
}
