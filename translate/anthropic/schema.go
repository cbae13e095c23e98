package anthropic

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// lowerSchema returns a schema in the subset that structured output takes,
// with the order of its members kept: bounds, patterns and the like are left
// out, oneOf becomes anyOf, and objects admit no members but their own.
// https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs
func (w *requestWriter) lowerSchema(schema []byte, name string) []byte {
	l := lowerer{d: jsonx.NewDecoder(schema), losses: w.losses}
	l.path.push(name)
	l.schema()
	w.losses = l.losses
	if l.d.End() != nil {
		return schema // the provider says what is wrong with it
	}
	return l.e.B
}

type lowerer struct {
	d      *jsonx.Decoder
	e      jsonx.Encoder
	path   path
	losses translate.Losses
}

func (l *lowerer) schema() {
	if l.d.Kind() != jsonx.Object {
		l.e.Raw(l.d.Raw())
		return
	}
	object := false
	l.e.Object()
	for k := range l.d.Members() {
		key := string(k)
		switch key {
		case "$schema":
		case "type":
			raw := l.d.Raw()
			object = object || mentionsObject(raw)
			l.e.Key(key).Raw(raw)
		case "properties", "$defs", "definitions":
			object = object || key == "properties"
			l.each(key, jsonx.Object)
		case "anyOf", "allOf", "oneOf":
			l.each(key, jsonx.Array)
		case "items":
			l.path.push(key)
			l.e.Key(key)
			l.schema()
			l.path.pop()
		case "additionalProperties":
			object = true
			if raw := l.d.Raw(); string(raw) != "false" {
				l.losses.Add(l.path.member(key), "the provider's schemas are closed")
			}
		case "format":
			raw := l.d.Raw()
			if f, _ := jsonx.Unquote(raw); knownFormat(f) {
				l.e.Key(key).Raw(raw)
			} else {
				l.losses.Add(l.path.member(key), "the provider's schemas have no such format")
			}
		case "minItems":
			raw := l.d.Raw()
			if s := string(raw); s == "0" || s == "1" {
				l.e.Key(key).Raw(raw)
			} else {
				l.losses.Add(l.path.member(key), "the provider's schemas have no such keyword")
			}
		case "title", "description", "enum", "const", "default", "required", "$ref", "$id", "nullable", "examples":
			l.e.Key(key).Raw(l.d.Raw())
		default: // bounds, lengths, patterns, conditions
			l.losses.Add(l.path.member(key), "the provider's schemas have no such keyword")
		}
	}
	if object {
		l.e.Key("additionalProperties").Bool(false)
	}
	l.e.EndObject()
}

// each lowers the schemas in a list or a map.
func (l *lowerer) each(key string, kind jsonx.Kind) {
	if l.d.Kind() != kind {
		l.e.Key(key).Raw(l.d.Raw())
		return
	}
	l.path.push(key)
	if key == "oneOf" {
		key = "anyOf"
	}
	l.e.Key(key)
	if kind == jsonx.Array {
		l.e.Array()
		for i := range l.d.Elements() {
			l.path.pushIndex(i)
			l.schema()
			l.path.pop()
		}
		l.e.EndArray()
	} else {
		l.e.Object()
		for k := range l.d.Members() {
			name := string(k)
			l.path.push(name)
			l.e.KeyString(name)
			l.schema()
			l.path.pop()
		}
		l.e.EndObject()
	}
	l.path.pop()
}

func mentionsObject(raw []byte) bool {
	d := jsonx.NewDecoder(raw)
	if d.Kind() == jsonx.String {
		return d.String() == "object"
	}
	found := false
	if d.Kind() == jsonx.Array {
		for range d.Elements() {
			found = found || d.Kind() == jsonx.String && d.String() == "object"
		}
	}
	return found
}

func knownFormat(f string) bool {
	switch f {
	case "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid":
		return true
	}
	return false
}
