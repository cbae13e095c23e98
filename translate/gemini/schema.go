package gemini

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
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
			value := d.Raw()
			if text, ok := jsonx.Unquote(value); ok {
				if _, err := strconv.ParseInt(text, 10, 64); err == nil {
					value = []byte(text)
				}
			}
			e.KeyString(key).Raw(value)
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
