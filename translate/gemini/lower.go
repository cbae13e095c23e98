package gemini

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// lowering brings a JSON Schema into what the API takes: nearly
// all of it where there is a field for JSON Schema, the OpenAPI subset
// otherwise. What is left out is reported.
type lowering struct {
	losses  *translate.Losses
	openAPI bool
	root    []byte
	refs    []string // being inlined, to tell recursion
	read    int      // bytes of schema read so far

	objects map[*byte]map[string][]byte // the members of those that references lead through
}

// taken are the words of JSON Schema that parametersJsonSchema takes.
var taken = words("$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum anyOf oneOf properties additionalProperties required default nullable")

// subset are those of the OpenAPI subset.
var subset = words("type format title description nullable enum items minItems maxItems properties required anyOf minimum maximum pattern minLength maxLength minProperties maxProperties default propertyOrdering")

// silent are words that ask for nothing.
var silent = words("$schema $comment examples deprecated readOnly writeOnly $id $anchor")

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// maxSchemaRead bounds the work of a lowering: schemas that refer to others
// twice at each of n levels stand for 2^n of them.
const maxSchemaRead = 4 << 20

func (l *lowering) lower(raw []byte, path string) ([]byte, error) {
	var e jsonx.Encoder
	if err := l.schema(raw, &e, path, 0); err != nil {
		return nil, err
	}
	return e.B, nil
}

// schema writes the schema raw.
func (l *lowering) schema(raw []byte, e *jsonx.Encoder, path string, depth int) error {
	if jsonx.KindOf(raw) != jsonx.Object {
		if l.openAPI {
			e.Object().EndObject() // true and false are no schemas there
		} else {
			e.Raw(raw)
		}
		return nil
	}
	var f flat
	if err := l.flatten(raw, &f, path, depth); err != nil {
		return err
	}
	if l.openAPI {
		l.unite(&f, path)
	}
	e.Object()
	for _, m := range f.members {
		if err := l.member(m, e, below(path, m.Name), depth); err != nil {
			return err
		}
	}
	e.EndObject()
	return nil
}

// below returns the path of a member. It is good enough to find a fault by, and
// does not grow with names that are as long as the request.
func below(path, name string) string {
	const long = 500
	if len(path)+len(name) > long {
		return strings.TrimSuffix(path, ".…") + ".…"
	}
	return path + "." + name
}

// flat is a schema whose references, as far as they must be resolved, and
// allOf are merged into one list of members.
type flat struct {
	members []translate.Member
	at      map[string]int // where they stand, once they are more than one looks through
}

func (f *flat) get(name string) *translate.Member {
	if f.at != nil {
		if i, ok := f.at[name]; ok {
			return &f.members[i]
		}
		return nil
	}
	for i := range f.members {
		if f.members[i].Name == name {
			return &f.members[i]
		}
	}
	return nil
}

func (f *flat) set(name string, value []byte) {
	if m := f.get(name); m != nil {
		m.Value = value
		return
	}
	f.members = append(f.members, translate.Member{Name: name, Value: value})
	switch {
	case f.at != nil:
		f.at[name] = len(f.members) - 1
	case len(f.members) > 16:
		f.index()
	}
}

func (f *flat) index() {
	f.at = make(map[string]int, len(f.members))
	for i, m := range f.members {
		f.at[m.Name] = i
	}
}

// drop takes a member out. It is asked for a few words only.
func (f *flat) drop(name string) {
	f.members = slices.DeleteFunc(f.members, func(m translate.Member) bool { return m.Name == name })
	if f.at != nil {
		f.index()
	}
}

// rename gives a member a name that none has.
func (f *flat) rename(from, to string) {
	f.get(from).Name = to
	if f.at != nil {
		f.index()
	}
}

// flatten adds the members of raw to f.
func (l *lowering) flatten(raw []byte, f *flat, path string, depth int) error {
	if err := l.reads(len(raw), depth); err != nil {
		return err
	}
	d := jsonx.NewDecoder(raw)
	for k := range d.Members() {
		key, value := string(k), d.Raw()
		switch {
		case key == "$ref" && (l.openAPI || depth > 0 && len(f.members) > 0):
			if err := l.inline(value, func(target []byte) error { return l.flatten(target, f, path, depth+1) }); err != nil {
				return err
			}
		case key == "allOf":
			in := jsonx.NewDecoder(value)
			for i := range in.Elements() {
				if err := l.all(in.Raw(), f, path+".allOf["+strconv.Itoa(i)+"]", depth+1); err != nil {
					return err
				}
			}
			if err := in.Err(); err != nil {
				return err
			}
		default:
			if key == "const" {
				key, value = "enum", slices.Concat([]byte("["), value, []byte("]"))
			}
			if err := l.add(f, key, value, path); err != nil {
				return err
			}
		}
	}
	return d.Err()
}

// reads keeps count of what is read.
func (l *lowering) reads(n, depth int) error {
	if l.read += n; l.read > maxSchemaRead {
		return errors.New("the schema is too large once its references are resolved")
	}
	if depth > maxSchemaDepth {
		return errors.New("the schema nests too deep")
	}
	return nil
}

// all adds one of allOf's schemas. There even JSON Schema's references are
// resolved, since one schema cannot refer twice.
func (l *lowering) all(raw []byte, f *flat, path string, depth int) error {
	if jsonx.KindOf(raw) != jsonx.Object {
		return nil // true asks for nothing
	}
	if err := l.reads(len(raw), depth); err != nil {
		return err
	}
	if found, err := jsonx.Top(raw, "$ref"); err == nil && found[0] != nil {
		return l.inline(found[0], func(target []byte) error { return l.all(target, f, path, depth+1) })
	}
	return l.flatten(raw, f, path, depth)
}

// add adds one member. Where two schemas say something of the same, properties
// and required names are united, and of anything else the first stays.
func (l *lowering) add(f *flat, key string, value []byte, path string) error {
	have := f.get(key)
	switch {
	case have == nil:
		f.set(key, value)
	case bytes.Equal(have.Value, value):
	case key == "properties" || key == "$defs" || key == "definitions":
		have.Value = join(have.Value, value, jsonx.Object)
		return l.reads(len(have.Value), 0)
	case key == "required":
		have.Value = join(have.Value, value, jsonx.Array)
		return l.reads(len(have.Value), 0)
	case key == "title" || key == "description" || silent[key]:
	default:
		l.losses.Add(below(path, key), "is said twice by the schemas that are merged; the first counts")
	}
	return nil
}

// join returns the objects or arrays a and b as one.
func join(a, b []byte, kind jsonx.Kind) []byte {
	if jsonx.KindOf(a) != kind || jsonx.KindOf(b) != kind {
		return a
	}
	a, b = bytes.TrimSpace(a), bytes.TrimSpace(b)
	first, second := bytes.TrimSpace(a[1:len(a)-1]), bytes.TrimSpace(b[1:len(b)-1])
	if len(first) == 0 {
		return b
	}
	if len(second) == 0 {
		return a
	}
	return slices.Concat(a[:1], first, []byte(","), second, a[len(a)-1:])
}

// inline calls visit with what a reference points to.
func (l *lowering) inline(value []byte, visit func(target []byte) error) error {
	ref, _ := jsonx.Unquote(value)
	if slices.Contains(l.refs, ref) {
		return errors.New("the schema refers to itself by " + ref + ", which the model cannot be told")
	}
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return errors.New("the schema refers to " + ref + ", which is elsewhere")
	}
	target := l.root
	for seg := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		if seg == "" {
			continue
		}
		seg = strings.NewReplacer("~1", "/", "~0", "~").Replace(seg)
		if target = l.membersOf(target)[seg]; target == nil {
			return errors.New("the schema refers to " + ref + ", which is not there")
		}
	}
	l.refs = append(l.refs, ref)
	defer func() { l.refs = l.refs[:len(l.refs)-1] }()
	return visit(target)
}

// membersOf returns the members of what a reference leads through, which is
// looked at once; none where it is no object.
func (l *lowering) membersOf(raw []byte) map[string][]byte {
	if jsonx.KindOf(raw) != jsonx.Object {
		return nil
	}
	members, ok := l.objects[&raw[0]]
	if !ok {
		members = map[string][]byte{}
		d := jsonx.NewDecoder(raw)
		for name := range d.Members() {
			members[string(name)] = d.Raw()
		}
		if l.objects == nil {
			l.objects = map[*byte]map[string][]byte{}
		}
		l.objects[&raw[0]] = members
	}
	return members
}

// member writes one member of a schema.
func (l *lowering) member(m translate.Member, e *jsonx.Encoder, path string, depth int) error {
	key, value := m.Name, m.Value
	if key == "definitions" {
		key = "$defs"
	}
	known := taken
	if l.openAPI {
		if key == "$defs" {
			return nil // inlined where they are used
		}
		known = subset
	}
	if !known[key] {
		if !silent[key] {
			l.losses.Add(path, "not known to this provider's schemas")
		}
		return nil
	}
	e.KeyString(key)
	switch key {
	case "properties", "$defs":
		return l.each(value, e, jsonx.Object, path, depth)
	case "anyOf", "oneOf", "prefixItems":
		return l.each(value, e, jsonx.Array, path, depth)
	case "items", "additionalProperties":
		return l.schema(value, e, path, depth+1)
	case "$ref":
		ref, _ := jsonx.Unquote(value)
		e.String(strings.Replace(ref, "#/definitions/", "#/$defs/", 1))
	default:
		e.Raw(value)
	}
	return nil
}

// each writes the schemas in an object or an array.
func (l *lowering) each(value []byte, e *jsonx.Encoder, kind jsonx.Kind, path string, depth int) error {
	if jsonx.KindOf(value) != kind {
		e.Raw(value) // for the provider to refuse
		return nil
	}
	d := jsonx.NewDecoder(value)
	if kind == jsonx.Object {
		e.Object()
		for name := range d.Members() {
			n := string(name)
			e.KeyString(n)
			if err := l.schema(d.Raw(), e, below(path, n), depth+1); err != nil {
				return err
			}
		}
		e.EndObject()
		return d.Err()
	}
	e.Array()
	for i := range d.Elements() {
		if err := l.schema(d.Raw(), e, path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
			return err
		}
	}
	e.EndArray()
	return d.Err()
}
