package llmproxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// read tells which tool calls a client reads in a stream, and why it ended where
// it was not for them.
func read(codec translate.Outbound, body []byte) string {
	r, err := translate.Collect(codec.Events(bytes.NewReader(body)))
	if err != nil {
		return "unreadable"
	}
	var words []string
	for _, p := range r.Parts {
		if c, ok := p.(*translate.ToolUse); ok {
			state := "whole"
			if string(c.Input) != `{"x":"`+strings.TrimPrefix(c.ID, "call_")+`"}` {
				state = "corrupt"
			}
			words = append(words, c.ID+" "+state)
		}
	}
	if r.Finish.Reason != translate.FinishToolUse {
		words = append(words, "finish "+string(r.Finish.Reason))
	}
	return strings.Join(words, ", ")
}

// describe tells what a client sees of an answer.
func describe(resp *http.Response, body []byte, err error, markers []string, whole bool) string {
	s := fmt.Sprint(resp.StatusCode)
	if e := errorWords(body); e != "" {
		s += ", error " + e
	}
	if v := resp.Header.Get("Retry-After"); v != "" {
		s += ", Retry-After " + v
	}
	if resp.StatusCode >= 300 {
		return s
	}
	switch {
	case resp.Header.Get("Content-Encoding") != "":
		s += ", content encoded"
	case strings.Contains(string(body), "<html>"):
		s += ", the provider's HTML"
	case whole && json.Valid(body):
		s += ", a whole JSON body"
	case !whole && slices.ContainsFunc(markers, func(m string) bool { return strings.Contains(string(body), m) }):
		s += ", terminal marker"
	case !whole:
		s += ", no terminal marker"
	}
	if err != nil {
		s += ", connection broken"
	}
	return s
}

// errorWords returns the type and the code of the error in a body or a stream.
func errorWords(body []byte) string {
	frames := []string{string(body)}
	for line := range strings.Lines(string(body)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			frames = append(frames, data)
		}
	}
	type inner struct{ Type, Status, Code any }
	for _, f := range frames {
		var e struct {
			Type     string
			Code     any
			Error    *inner
			Response struct{ Error *inner }
		}
		if json.Unmarshal([]byte(f), &e) != nil {
			continue
		}
		if e.Error == nil {
			e.Error = e.Response.Error
		}
		if e.Error == nil && e.Type == "error" {
			e.Error = &inner{Type: "event", Code: e.Code}
		}
		if e.Error != nil {
			words := []string{}
			for _, w := range []any{e.Error.Type, e.Error.Status, e.Error.Code} {
				if w != nil && w != "" {
					words = append(words, fmt.Sprint("`", w, "`"))
				}
			}
			return strings.Join(words, " ")
		}
	}
	return ""
}

// observed tells what an observer is told of an exchange.
func observed(x *llmproxy.Exchange) string {
	s := "ok"
	if x.Err != nil {
		s = "failed"
	}
	s += fmt.Sprintf(", status %d", x.Status)
	for _, a := range x.Attempts {
		s += fmt.Sprintf(", attempt %s (%d)", a.Class, a.Status)
	}
	s += ", usage " + string(x.UsageFrom)
	if x.Aborted {
		s += ", aborted"
	}
	return s
}

// suffered tells what a key's state has become.
func suffered(k rotate.KeyState, now time.Time) string {
	state, until := k.State, k.Until
	if len(k.Models) > 0 {
		state, until = k.Models[0].State+", this model", k.Models[0].Until
	}
	if state == "healthy" {
		return "nothing"
	}
	if until.Sub(now) == 7*time.Second {
		return "cooled as hinted: " + state
	}
	return "cooled: " + state
}
