package gemini

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// unite brings what JSON Schema says in several ways into the one way of the
// OpenAPI subset: type is one word, null is nullable, unions are anyOf, and
// enums are strings.
func (l *lowering) unite(f *flat, path string) {
	if m := f.get("oneOf"); m != nil {
		l.rename(f, "oneOf", "anyOf", path)
	}
	if m := f.get("additionalProperties"); m != nil && string(m.Value) == "false" {
		l.losses.Add(path+".additionalProperties", "not known to this provider's schemas")
		f.drop("additionalProperties")
	}
	l.types(f, path)
	l.union(f, path)
	l.enum(f, path)
	l.required(f, path)
}

func (l *lowering) rename(f *flat, from, to, path string) {
	if f.get(to) != nil {
		l.losses.Add(path+"."+from, "cannot stand beside "+to+" in this provider's schemas")
		f.drop(from)
		return
	}
	f.rename(from, to)
}

// types writes ["string","null"] as a nullable string, and other unions as
// anyOf.
func (l *lowering) types(f *flat, path string) {
	m := f.get("type")
	if m == nil || jsonx.KindOf(m.Value) != jsonx.Array {
		return
	}
	var types [][]byte
	d := jsonx.NewDecoder(m.Value)
	for range d.Elements() {
		raw := d.Raw()
		if string(raw) == `"null"` {
			f.set("nullable", []byte("true"))
			m = f.get("type") // set may have moved it
		} else {
			types = append(types, raw)
		}
	}
	if len(types) == 1 {
		m.Value = types[0]
		return
	}
	f.drop("type")
	if len(types) == 0 {
		return
	}
	if f.get("anyOf") != nil {
		l.losses.Add(path+".type", "several types cannot stand beside anyOf in this provider's schemas")
		return
	}
	var e jsonx.Encoder
	e.Array()
	for _, t := range types {
		e.Object().Key("type").Raw(t).EndObject()
	}
	f.set("anyOf", e.EndArray().B)
}

// union takes null out of anyOf, and an anyOf of one schema out altogether.
func (l *lowering) union(f *flat, path string) {
	m := f.get("anyOf")
	if m == nil || jsonx.KindOf(m.Value) != jsonx.Array {
		return
	}
	var kept [][]byte
	d := jsonx.NewDecoder(m.Value)
	for range d.Elements() {
		raw := d.Raw()
		if found, err := jsonx.Top(raw, "type"); err == nil && string(found[0]) == `"null"` {
			f.set("nullable", []byte("true"))
		} else {
			kept = append(kept, raw)
		}
	}
	if len(kept) == 1 && f.get("type") == nil && jsonx.KindOf(kept[0]) == jsonx.Object {
		// What stands beside the union, such as its description, stays first.
		var inner flat
		if err := l.flatten(kept[0], &inner, path, 0); err == nil {
			f.drop("anyOf")
			for _, m := range inner.members {
				_ = l.add(f, m.Name, m.Value, path) // what is too large is told where the next is read
			}
			l.types(f, path)
			return
		}
	}
	var e jsonx.Encoder
	e.Array()
	for _, raw := range kept {
		e.Raw(raw)
	}
	f.set("anyOf", e.EndArray().B)
}

// enum keeps enums of strings, the only ones that there are.
func (l *lowering) enum(f *flat, path string) {
	m := f.get("enum")
	if m == nil || jsonx.KindOf(m.Value) != jsonx.Array {
		return
	}
	var e jsonx.Encoder
	e.Array()
	n, others := 0, false
	d := jsonx.NewDecoder(m.Value)
	for range d.Elements() {
		switch raw := d.Raw(); jsonx.KindOf(raw) {
		case jsonx.String:
			e.Raw(raw)
			n++
		case jsonx.Null:
			f.set("nullable", []byte("true"))
		default:
			others = true
		}
	}
	if others || n == 0 {
		l.losses.Add(path+".enum", "this provider's enums hold strings only")
		f.drop("enum")
		return
	}
	f.set("enum", e.EndArray().B)
	if f.get("type") == nil {
		f.set("type", []byte(`"string"`))
	}
}

// required leaves out names that are no properties, which the API refuses.
func (l *lowering) required(f *flat, path string) {
	m := f.get("required")
	if m == nil || jsonx.KindOf(m.Value) != jsonx.Array {
		return
	}
	names := map[string]bool{}
	if p := f.get("properties"); p != nil && jsonx.KindOf(p.Value) == jsonx.Object {
		d := jsonx.NewDecoder(p.Value)
		for name := range d.Members() {
			names[string(name)] = true
		}
	}
	var e jsonx.Encoder
	e.Array()
	kept := 0
	d := jsonx.NewDecoder(m.Value)
	for range d.Elements() {
		raw := d.Raw()
		if name, ok := jsonx.Unquote(raw); ok && names[name] {
			e.String(name)
			kept++
		} else {
			l.losses.Add(path+".required", "a name that is no property is not known to this provider's schemas")
		}
	}
	if kept == 0 {
		f.drop("required")
		return
	}
	f.set("required", e.EndArray().B)
}
