package gemini

import (
	"errors"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// jsonSchema turns a schema of the OpenAPI subset into JSON Schema: its types
// may be in upper case, and nullable is a word.
func jsonSchema(raw []byte) []byte {
	var e jsonx.Encoder
	convert(jsonx.NewDecoder(raw), &e, 0)
	return e.B
}

func convert(d *jsonx.Decoder, e *jsonx.Encoder, depth int) {
	if d.Kind() != jsonx.Object || depth > maxSchemaDepth {
		e.Raw(d.Raw())
		return
	}
	typ, nullable := "", false
	e.Object()
	for k := range d.Members() {
		switch key := camel(k); key {
		case "type":
			if d.Kind() == jsonx.String {
				typ = strings.ToLower(d.String())
			} else {
				e.KeyString(key).Raw(d.Raw())
			}
		case "nullable":
			nullable = d.Bool()
		case "items", "additionalProperties":
			e.KeyString(key)
			convert(d, e, depth+1)
		case "anyOf":
			e.KeyString(key).Array()
			for range d.Elements() {
				convert(d, e, depth+1)
			}
			e.EndArray()
		case "properties":
			e.KeyString(key).Object()
			for name := range d.Members() {
				e.KeyString(string(name))
				convert(d, e, depth+1)
			}
			e.EndObject()
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties": // Google writes int64 as strings
			e.KeyString(key)
			if d.Kind() == jsonx.String {
				e.Raw([]byte(d.String()))
			} else {
				e.Raw(d.Raw())
			}
		default:
			e.KeyString(string(k)).Raw(d.Raw())
		}
	}
	switch {
	case typ != "" && typ != "type_unspecified" && nullable:
		e.Key("type").Array().String(typ).String("null").EndArray()
	case typ != "" && typ != "type_unspecified":
		e.Key("type").String(typ)
	}
	e.EndObject()
}

const maxSchemaDepth = 64

// emptySchema reports a schema of no parameters, which the API wants left out.
func emptySchema(raw []byte) bool {
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Object {
		return true
	}
	for k := range d.Members() {
		switch string(k) {
		case "properties":
			for range d.Members() {
				return false
			}
		case "$ref", "anyOf", "oneOf", "allOf":
			return false
		}
	}
	return true
}

// lowering brings a JSON Schema into what the API takes (pitfall 19): nearly
// all of it where there is a field for JSON Schema, the OpenAPI subset
// otherwise. What is left out is reported.
type lowering struct {
	losses  *translate.Losses
	openAPI bool
	root    []byte
	refs    []string // being inlined, to tell recursion
}

// taken are the words of JSON Schema that parametersJsonSchema takes.
var taken = words("$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum anyOf oneOf properties additionalProperties required default nullable")

// subset are those of the OpenAPI subset.
var subset = words("type format title description nullable enum items minItems maxItems properties required anyOf minimum maximum pattern minLength maxLength minProperties maxProperties default propertyOrdering")

// silent are words that ask for nothing.
var silent = words("$schema $comment examples deprecated readOnly writeOnly $id definitions")

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

func (l *lowering) lower(raw []byte, path string) ([]byte, error) {
	var e jsonx.Encoder
	if err := l.schema(raw, &e, path, 0); err != nil {
		return nil, err
	}
	return e.B, nil
}

func (l *lowering) schema(raw []byte, e *jsonx.Encoder, path string, depth int) error {
	if depth > maxSchemaDepth {
		return errors.New("the schema nests too deep")
	}
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Object {
		if l.openAPI {
			e.Object().EndObject() // true and false are no schemas there
		} else {
			e.Raw(raw)
		}
		return nil
	}
	if l.openAPI {
		if found, err := jsonx.Top(raw, "$ref"); err == nil && jsonx.KindOf(found[0]) == jsonx.String {
			return l.inline(found[0], e, path, depth)
		}
	}
	e.Object()
	for k := range d.Members() {
		key := string(k)
		value := d.Raw()
		if err := l.member(key, value, e, path+"."+key, depth); err != nil {
			return err
		}
	}
	e.EndObject()
	return d.Err()
}

func (l *lowering) member(key string, value []byte, e *jsonx.Encoder, path string, depth int) error {
	switch key {
	case "const":
		e.Key("enum").Array()
		l.constant(value, e)
		e.EndArray()
		return nil
	case "type":
		if l.openAPI && jsonx.KindOf(value) == jsonx.Array {
			l.types(value, e)
			return nil
		}
	case "enum":
		if l.openAPI {
			e.Key("enum").Array()
			d := jsonx.NewDecoder(value)
			for range d.Elements() {
				l.constant(d.Raw(), e)
			}
			e.EndArray()
			return nil
		}
	case "oneOf":
		if l.openAPI {
			key = "anyOf"
		}
	case "allOf":
		return l.merge(value, e, path, depth)
	case "$defs", "definitions":
		if l.openAPI {
			return nil // inlined where they are used
		}
		if key == "definitions" {
			key = "$defs"
		}
	}
	if ok := taken[key]; !l.openAPI && !ok || l.openAPI && !subset[key] {
		if !silent[key] && !(l.openAPI && key == "additionalProperties" && string(value) == "false") {
			l.losses.Add(path, "not known to this provider's schemas")
		}
		return nil
	}
	e.KeyString(key)
	switch key {
	case "properties", "$defs":
		d := jsonx.NewDecoder(value)
		e.Object()
		for name := range d.Members() {
			n := string(name)
			e.KeyString(n)
			if err := l.schema(d.Raw(), e, path+"."+n, depth+1); err != nil {
				return err
			}
		}
		e.EndObject()
	case "items", "additionalProperties":
		return l.schema(value, e, path, depth+1)
	case "anyOf", "oneOf", "prefixItems":
		d := jsonx.NewDecoder(value)
		e.Array()
		for range d.Elements() {
			if err := l.schema(d.Raw(), e, path, depth+1); err != nil {
				return err
			}
		}
		e.EndArray()
	case "$ref":
		ref, _ := jsonx.Unquote(value)
		e.String(strings.Replace(ref, "#/definitions/", "#/$defs/", 1))
	default:
		e.Raw(value)
	}
	return nil
}

// constant writes a value of an enum, which the OpenAPI subset wants to be a
// string.
func (l *lowering) constant(value []byte, e *jsonx.Encoder) {
	if l.openAPI && jsonx.KindOf(value) != jsonx.String {
		e.String(string(value))
		return
	}
	e.Raw(value)
}

// types writes ["string","null"] as a nullable string, and other unions as
// anyOf.
func (l *lowering) types(value []byte, e *jsonx.Encoder) {
	var types []string
	d := jsonx.NewDecoder(value)
	for range d.Elements() {
		if t := d.String(); t == "null" {
			e.Key("nullable").Bool(true)
		} else {
			types = append(types, t)
		}
	}
	if len(types) == 1 {
		e.Key("type").String(types[0])
		return
	}
	if len(types) == 0 {
		return
	}
	e.Key("anyOf").Array()
	for _, t := range types {
		e.Object().Key("type").String(t).EndObject()
	}
	e.EndArray()
}

// inline writes what a reference points to.
func (l *lowering) inline(value []byte, e *jsonx.Encoder, path string, depth int) error {
	ref, _ := jsonx.Unquote(value)
	for _, r := range l.refs {
		if r == ref {
			return errors.New("the schema refers to itself by " + ref + ", which the model cannot be told")
		}
	}
	target := l.root
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return errors.New("the schema refers to " + ref + ", which is elsewhere")
	}
	for seg := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		if seg == "" {
			continue
		}
		seg = strings.NewReplacer("~1", "/", "~0", "~").Replace(seg)
		found, err := jsonx.Top(target, seg)
		if err != nil || found[0] == nil {
			return errors.New("the schema refers to " + ref + ", which is not there")
		}
		target = found[0]
	}
	l.refs = append(l.refs, ref)
	defer func() { l.refs = l.refs[:len(l.refs)-1] }()
	return l.schema(target, e, path, depth+1)
}

// merge writes the members of allOf's schemas side by side, which is what they
// mean as long as no two of them say something of the same.
func (l *lowering) merge(value []byte, e *jsonx.Encoder, path string, depth int) error {
	n := 0
	d := jsonx.NewDecoder(value)
	for range d.Elements() {
		raw := d.Raw()
		if n++; n > 1 {
			l.losses.Add(path, "only the first schema of allOf is used")
			break
		}
		if found, err := jsonx.Top(raw, "$ref"); err == nil && found[0] != nil {
			var inner jsonx.Encoder
			whole := lowering{losses: l.losses, openAPI: true, root: l.root, refs: l.refs}
			if err := whole.inline(found[0], &inner, path, depth); err != nil {
				return err
			}
			raw = inner.B
		}
		in := jsonx.NewDecoder(raw)
		for k := range in.Members() {
			key := string(k)
			if err := l.member(key, in.Raw(), e, path+"."+key, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
