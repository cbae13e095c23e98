package gemini

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// partialCall is a call whose arguments come in pieces, each a value for a
// JSONPath such as $.location or $.items[0].name. Vertex AI sends these where
// streamFunctionCallArguments was asked for. They are put together, because
// pieces of values are no prefix of the object's JSON.
type partialCall struct {
	name, id string
	state    *translate.State
	root     node
}

// node is a value that is being put together.
type node struct {
	key      string
	scalar   []byte // JSON, or
	text     []byte // a string, which grows
	isText   bool
	isArray  bool
	children []*node
	byKey    map[string]*node // children
}

func (a *answer) partialCall(w *wirePart, state *translate.State) {
	p := a.partial
	if p == nil {
		p = &partialCall{name: w.call.Name, id: w.call.ID}
		a.partial = p
	}
	if state != nil {
		p.state = state
	}
	if p.name == "" {
		p.name = w.call.Name
	}
	d := jsonx.NewDecoder(w.partial)
	for range d.Elements() {
		p.piece(d)
	}
	if w.more {
		return
	}
	if len(p.root.children) == 0 {
		p.root.scalar = w.call.Input
	}
	a.partial = nil
	var e jsonx.Encoder
	p.root.append(&e)
	done := wirePart{call: &translate.ToolUse{ID: p.id, Name: p.name, Input: e.B}}
	a.call(&done, p.state)
}

func (p *partialCall) piece(d *jsonx.Decoder) {
	path, text, isText := "", "", false
	var scalar []byte
	for k := range d.Members() {
		switch camel(k) {
		case "jsonPath":
			path = d.String()
		case "stringValue":
			isText = d.Kind() == jsonx.String
			text = d.String()
		case "numberValue", "boolValue":
			scalar = append([]byte(nil), d.Raw()...)
		case "nullValue":
			d.Skip()
			scalar = []byte("null")
		}
	}
	n := p.root.find(path)
	switch {
	case isText:
		n.isText = true
		n.text = append(n.text, text...)
	case scalar != nil:
		n.scalar = scalar
	}
}

// find returns the node that a path names, and makes it where it is new.
func (n *node) find(path string) *node {
	path = strings.TrimPrefix(path, "$")
	for path != "" {
		var key string
		switch path[0] {
		case '.':
			end := strings.IndexAny(path[1:], ".[")
			if end < 0 {
				end = len(path) - 1
			}
			key, path = path[1:1+end], path[1+end:]
		case '[':
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return n
			}
			key, path = path[1:end], path[end+1:]
			if _, err := strconv.Atoi(key); err == nil {
				n.isArray = true
			} else {
				key = strings.Trim(key, `'"`)
			}
		default:
			return n
		}
		n = n.child(key)
	}
	return n
}

func (n *node) child(key string) *node {
	if c := n.byKey[key]; c != nil {
		return c
	}
	c := &node{key: key}
	n.children = append(n.children, c)
	if n.byKey == nil {
		n.byKey = map[string]*node{}
	}
	n.byKey[key] = c
	return c
}

func (n *node) append(e *jsonx.Encoder) {
	switch {
	case len(n.children) > 0 && n.isArray:
		e.Array()
		for _, c := range n.children {
			c.append(e)
		}
		e.EndArray()
	case len(n.children) > 0:
		e.Object()
		for _, c := range n.children {
			e.KeyString(c.key)
			c.append(e)
		}
		e.EndObject()
	case n.isText:
		e.Text(n.text)
	case n.scalar != nil:
		e.Raw(n.scalar)
	default:
		e.Object().EndObject()
	}
}
