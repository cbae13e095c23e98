package replicate

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseResponse implements translate.Outbound. The body is a prediction; one
// that has failed, was canceled, or is not done yet, is an *Error.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) {
	d := jsonx.NewDecoder(body)
	resp := new(translate.Response)
	var status, failure string
	for key := range d.Members() {
		switch string(key) {
		case "id":
			resp.ID = d.String()
		case "model":
			resp.Model = d.String()
		case "status":
			if d.Kind() == jsonx.String { // elsewhere it is an error's HTTP status
				status = d.String()
			}
		case "created_at":
			if at, err := time.Parse(time.RFC3339, d.String()); err == nil {
				resp.Created = at.Unix()
			}
		case "error":
			failure = message(d)
		case "output":
			output(d, resp)
		case "metrics":
			resp.Usage = metrics(d)
		}
	}
	if err := d.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	switch status {
	case "succeeded":
		resp.Finish = translate.Finish{Reason: translate.FinishStop, Native: status}
		return resp, nil
	case "starting", "processing":
		return nil, translate.Errorf(translate.Timeout, "the prediction was not done in time")
	case "canceled", "aborted":
		return nil, translate.Errorf(translate.Upstream, "the prediction was %s", status)
	case "failed":
		if failure == "" {
			failure = "the prediction failed"
		}
		return nil, translate.Errorf(translate.Upstream, "%s", failure)
	case "":
		if jsonx.KindOf(body) == jsonx.Object {
			return nil, o.ParseError(200, nil, body)
		}
	}
	return nil, translate.Malformed(errors.New("a prediction of unknown status"))
}

// message reads an error: a text, or something that is shown as it stands.
func message(d *jsonx.Decoder) string {
	switch d.Kind() {
	case jsonx.String, jsonx.Null:
		return d.String()
	}
	return string(d.Raw())
}

// output reads what a model said: fragments of text, or all of it at once.
// Models that say something else are no language models.
func output(d *jsonx.Decoder, resp *translate.Response) {
	var text strings.Builder
	switch d.Kind() {
	case jsonx.Null:
		d.Skip()
		return
	case jsonx.String:
		text.WriteString(d.String())
	case jsonx.Array:
		for range d.Elements() {
			if d.Kind() == jsonx.String {
				text.Write(d.StringBytes())
			} else {
				resp.Losses.Add("output", "holds something other than text")
			}
		}
	default:
		resp.Parts = append(resp.Parts, &translate.Opaque{Format: Format, Type: "output", Raw: d.Raw()})
		return
	}
	if text.Len() > 0 {
		resp.Parts = append(resp.Parts, &translate.Text{Text: text.String()})
	}
}

func metrics(d *jsonx.Decoder) *translate.Usage {
	u, told := translate.Usage{}, false
	for key := range d.Members() {
		switch string(key) {
		case "input_token_count":
			u.Input, told = max(d.Int(), 0), true
		case "output_token_count":
			u.Output, told = max(d.Int(), 0), true
		}
	}
	if !told {
		return nil
	}
	return &u
}

// Events implements translate.Outbound. The terminal marker is the event named
// done; the data of the others are plain text.
func (o Outbound) Events(body io.Reader) iter.Seq2[*translate.Event, error] {
	return func(yield func(*translate.Event, error) bool) {
		fail := func(err error) { yield(nil, err) }
		scanner := sse.NewScanner(body, 0)
		defer scanner.Release()
		started, open := false, false
		for {
			e, err := scanner.Next()
			switch {
			case errors.Is(err, sse.ErrTooLong):
				fail(translate.Malformed(err))
				return
			case err != nil:
				fail(translate.Truncated(err))
				return
			case string(e.Name) == "error":
				fail(o.ParseError(200, nil, slices.Clone(e.Data)))
				return
			}
			if !started && !yield(&translate.Event{Type: translate.EventStart}, nil) {
				return
			}
			started = true
			switch string(e.Name) {
			case "output":
				if !open && !yield(&translate.Event{Type: translate.EventBlockStart, Kind: translate.KindText}, nil) {
					return
				}
				open = true
				if len(e.Data) > 0 && !yield(&translate.Event{Type: translate.EventBlockDelta, Kind: translate.KindText, Text: e.Data}, nil) {
					return
				}
			case "done":
				if err := done(e.Data); err != nil {
					fail(err)
					return
				}
				if open && !yield(&translate.Event{Type: translate.EventBlockStop, Kind: translate.KindText}, nil) {
					return
				}
				yield(&translate.Event{Type: translate.EventStop, Finish: translate.Finish{Reason: translate.FinishStop, Native: "succeeded"}}, nil)
				return
			default:
				if !yield(&translate.Event{Type: translate.EventPing}, nil) {
					return
				}
			}
		}
	}
}

// done reads the last event: {} where all went well, and the reason where not.
func done(data []byte) error {
	d := jsonx.NewDecoder(data)
	reason := ""
	for key := range d.Members() {
		if string(key) == "reason" {
			reason = d.String()
		}
	}
	if err := d.End(); err != nil {
		return translate.Malformed(err)
	}
	if reason != "" {
		return translate.Errorf(translate.Upstream, "the prediction ended: %s", reason)
	}
	return nil
}
