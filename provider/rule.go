package provider

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Rule changes members of a request's JSON where a provider departs from the
// format it speaks. Rules are applied in their order, each to what the ones
// before have left. Members are those of the top level; "reasoning.effort"
// names one inside another.
type Rule struct {
	// Models are patterns of the models that it is for (see MatchModel);
	// nil: all.
	Models []string
	// Translated limits it to requests that were made from another format:
	// a client that speaks the provider's own format means what it says.
	Translated bool
	// If names a member that must be present and, where IfValue is not
	// empty, have that JSON value; Unless names one that must not.
	If, IfValue         string
	Unless, UnlessValue string

	// Drop names members to leave out, each a Loss unless its value is the
	// one that its absence means (see neutral). Reason is the Loss's.
	Drop   []string
	Reason string
	// Rename gives members another name, unless one of that name is there.
	Rename [][2]string
	// Replace gives a member (first) that has a value (second) another one
	// (third), and is a Loss where there is a Reason.
	Replace [][3]string
	// Set gives members a JSON value; Default only where they are absent.
	// The value "{model}" stands for the model's name, "{header NAME}" for
	// the value of a header of the client's, if it sent one, and "{list NAME}"
	// for the header's values as an array; an empty one
	// drops the member, which is then no Loss. A Set that changes a member is a
	// Loss where there is a Reason.
	Set, Default [][2]string
}

// neutral tells the values that ask for what happens anyway.
func neutral(name string, value []byte) bool {
	switch string(value) {
	case "null":
		return true
	case "false":
		return name == "store" || name == "logprobs" || name == "background"
	case "0", "0.0":
		return name == "presence_penalty" || name == "frequency_penalty" || name == "top_logprobs"
	case "1", "1.0":
		return name == "temperature" || name == "top_p" || name == "n"
	case "[]", "{}":
		return name == "stop" || name == "metadata" || name == "logit_bias"
	case `"auto"`:
		return name == "service_tier"
	}
	return false
}

// edited appends to dst the call's body with its edits made and as the rules,
// which are for its model, have it: the very same bytes, in one piece, where
// there is nothing to do.
func edited(dst pieces, c *Call, model string, rules []*Rule) (pieces, error) {
	if len(c.Edits) == 0 && model == c.Model && len(rules) == 0 {
		return append(dst, c.Body), nil
	}
	top := c.Layout
	if !top.Of(c.Body) {
		var err error
		if top, _, err = jsonx.Find(jsonx.MaxDepth, c.Body, nil); err != nil {
			return nil, translate.Errorf(translate.InvalidRequest, "the request body is not a JSON object")
		}
	}
	e := edits{call: c, model: model, top: top, made: make([]jsonx.Edit, 0, len(c.Edits)+4)}
	for _, ed := range c.Edits {
		e.made = append(e.made, jsonx.Edit(ed))
	}
	if model != c.Model {
		if _, ok := e.get("model"); ok {
			e.set("model", jsonx.AppendString(nil, model))
		}
	}
	for _, r := range rules {
		r.apply(&e)
	}
	if len(e.made) == 0 {
		return append(dst, c.Body), nil
	}
	return top.Pieces(dst, e.made...), nil
}

func (r *Rule) apply(e *edits) {
	if r.If != "" && !e.has(r.If, r.IfValue) || r.Unless != "" && e.has(r.Unless, r.UnlessValue) {
		return
	}
	for _, name := range r.Drop {
		if v, ok := e.get(name); ok {
			if !neutral(name, v) {
				e.lose(name, r.Reason)
			}
			e.set(name, nil)
		}
	}
	for _, p := range r.Rename {
		if v, ok := e.get(p[0]); ok {
			if _, taken := e.get(p[1]); !taken {
				e.set(p[1], v)
			}
			e.set(p[0], nil)
		}
	}
	for _, p := range r.Replace {
		if v, ok := e.get(p[0]); ok && string(v) == p[1] {
			if r.Reason != "" {
				e.lose(p[0], r.Reason)
			}
			e.set(p[0], e.json(p[2]))
		}
	}
	for _, p := range r.Set {
		v, ok := e.get(p[0])
		if ok && r.Reason != "" && p[1] != "" && string(v) != p[1] {
			e.lose(p[0], r.Reason)
		}
		e.set(p[0], e.json(p[1]))
	}
	for _, p := range r.Default {
		if _, ok := e.get(p[0]); !ok {
			e.set(p[0], e.json(p[1]))
		}
	}
}

// edits are what is to change in a body, by the rules so far.
type edits struct {
	call  *Call
	model string
	top   *jsonx.Layout
	made  []jsonx.Edit
}

func (e *edits) json(v string) []byte {
	switch v {
	case "":
		return nil
	case "{model}":
		return jsonx.AppendString(nil, e.model)
	}
	if name, ok := strings.CutPrefix(v, "{header "); ok {
		if h := e.call.Header.Get(strings.TrimSuffix(name, "}")); h != "" {
			return jsonx.AppendString(nil, h)
		}
		return nil
	}
	if name, ok := strings.CutPrefix(v, "{list "); ok {
		return listOf(e.call.Header.Values(strings.TrimSuffix(name, "}")))
	}
	return []byte(v)
}

// listOf returns the elements of a header that is a list as an array; nil
// where there are none.
func listOf(values []string) []byte {
	var a jsonx.Encoder
	a.Array()
	for v := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if v = strings.TrimSpace(v); v != "" {
			a.String(v)
		}
	}
	if a.EndArray(); len(a.B) == len("[]") {
		return nil
	}
	return a.B
}

func (e *edits) lose(name, reason string) {
	if e.call.Losses == nil {
		return
	}
	if reason == "" {
		reason = "not accepted by the provider"
	}
	e.call.Losses.Add(name, reason)
}

// value returns a top-level member's value as it stands now; nil where there is
// none.
func (e *edits) value(name string) []byte {
	for i := range e.made {
		if e.made[i].Name == name {
			return e.made[i].Value
		}
	}
	return e.top.Get(name)
}

// get returns a member's value. A name with a dot looks inside an object.
func (e *edits) get(name string) (value []byte, ok bool) {
	outer, inner, nested := strings.Cut(name, ".")
	whole := e.value(outer)
	if whole == nil {
		return nil, false
	}
	if !nested {
		return whole, true
	}
	d := jsonx.NewDecoder(whole)
	if d.Kind() != jsonx.Object {
		return nil, false
	}
	for key := range d.Members() {
		if string(key) == inner {
			return d.Raw(), true
		}
	}
	return nil, false
}

// has reports whether a member is there and, where want is not empty, has that
// value.
func (e *edits) has(name, want string) bool {
	v, ok := e.get(name)
	return ok && (want == "" || string(v) == want)
}

// set gives a member a value; nil drops it. An object that is left empty by
// that is dropped as well.
func (e *edits) set(name string, value []byte) {
	outer, inner, nested := strings.Cut(name, ".")
	whole := e.value(outer)
	if whole == nil && value == nil {
		return
	}
	if nested {
		if jsonx.KindOf(whole) != jsonx.Object {
			if value == nil {
				return
			}
			whole = []byte("{}")
		}
		value, _ = jsonx.Splice(nil, whole, jsonx.Edit{Name: inner, Value: value})
		if string(value) == "{}" {
			value = nil
		}
	}
	for i := range e.made {
		if e.made[i].Name == outer {
			e.made[i].Value = value
			return
		}
	}
	e.made = append(e.made, jsonx.Edit{Name: outer, Value: value})
}
