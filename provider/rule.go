package provider

import (
	"slices"
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

// applyRules returns the call's body as the rules have it: the very same
// bytes where none of them finds anything to do.
func applyRules(c *Call, model string, rules []Rule) ([]byte, error) {
	var names []string
	if model != c.Model {
		names = append(names, "model")
	}
	matches := make([]bool, 32)[:0] // on the stack
	for i := range rules {
		r := &rules[i]
		matches = append(matches, r.matches(c))
		if matches[i] {
			names = r.names(names)
		}
	}
	if len(names) == 0 {
		return c.Body, nil
	}
	e := edits{call: c, model: model}
	d := jsonx.NewDecoder(c.Body)
	d.Trust() // it was read before, or written by a codec
	if d.Kind() != jsonx.Object {
		return nil, errNotObject()
	}
	for key := range d.Members() {
		for _, n := range names {
			if n == string(key) {
				e.members = append(e.members, member{name: n, value: d.Raw()})
				break
			}
		}
	}
	if d.End() != nil {
		return nil, errNotObject()
	}
	if model != c.Model {
		if v, _ := e.get("model"); v != nil {
			e.set("model", jsonx.AppendString(nil, model))
		}
	}
	for i := range rules {
		if matches[i] {
			rules[i].apply(&e)
		}
	}
	return e.splice()
}

func errNotObject() error {
	return translate.Errorf(translate.InvalidRequest, "the request body is not a JSON object")
}

func (r *Rule) matches(c *Call) bool {
	return (c.Translated || !r.Translated) && (r.Models == nil || MatchModel(r.Models, c.Model))
}

// names appends the top-level members that the rule looks at.
func (r *Rule) names(names []string) []string {
	add := func(list ...string) {
		for _, n := range list {
			if n, _, _ = strings.Cut(n, "."); n != "" && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	add(r.If, r.Unless)
	add(r.Drop...)
	for _, p := range r.Rename {
		add(p[:]...)
	}
	for _, p := range r.Replace {
		add(p[0])
	}
	for _, p := range r.Set {
		add(p[0])
	}
	for _, p := range r.Default {
		add(p[0])
	}
	return names
}

func (r *Rule) apply(e *edits) {
	if v, ok := e.get(r.If); r.If != "" && (!ok || r.IfValue != "" && string(v) != r.IfValue) {
		return
	}
	if v, ok := e.get(r.Unless); r.Unless != "" && ok && (r.UnlessValue == "" || string(v) == r.UnlessValue) {
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

// edits are the members that rules look at, as they stand after the rules so
// far.
type edits struct {
	call    *Call
	model   string
	members []member
}

type member struct {
	name    string
	value   []byte // nil: dropped
	changed bool
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

func (e *edits) find(name string) *member {
	for i := range e.members {
		if e.members[i].name == name {
			return &e.members[i]
		}
	}
	return nil
}

// get returns a member's value. A name with a dot looks inside an object.
func (e *edits) get(name string) (value []byte, ok bool) {
	outer, inner, nested := strings.Cut(name, ".")
	m := e.find(outer)
	if m == nil || m.value == nil {
		return nil, false
	}
	if !nested {
		return m.value, true
	}
	d := jsonx.NewDecoder(m.value)
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

// set gives a member a value; nil drops it. An object that is left empty by
// that is dropped as well.
func (e *edits) set(name string, value []byte) {
	outer, inner, nested := strings.Cut(name, ".")
	m := e.find(outer)
	if m == nil {
		if value == nil {
			return
		}
		e.members = append(e.members, member{name: outer})
		m = &e.members[len(e.members)-1]
	}
	if nested {
		object := m.value
		if jsonx.KindOf(object) != jsonx.Object {
			if value == nil {
				return
			}
			object = []byte("{}")
		}
		value, _ = jsonx.Splice(nil, object, jsonx.Edit{Name: inner, Value: value})
		if string(value) == "{}" {
			value = nil
		}
	}
	m.value, m.changed = value, true
}

func (e *edits) splice() ([]byte, error) {
	var list []jsonx.Edit
	for _, m := range e.members {
		if m.changed {
			list = append(list, jsonx.Edit{Name: m.name, Value: m.value})
		}
	}
	if len(list) == 0 {
		return e.call.Body, nil
	}
	out, err := jsonx.SpliceTrusted(make([]byte, 0, len(e.call.Body)+64), e.call.Body, list...)
	if err != nil {
		return nil, errNotObject()
	}
	return out, nil
}
