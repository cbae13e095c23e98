package gemini

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// skipValidation is the value that Google documents for calls whose signature
// is not there, because another model made them.
const skipValidation = "skip_thought_signature_validator"

func (p *requestReader) contents() {
	d := p.d
	if d.Kind() == jsonx.Object || d.Kind() == jsonx.String { // one content, as SDKs take it
		p.message("contents")
		return
	}
	for i := range d.Elements() {
		p.message("contents[" + strconv.Itoa(i) + "]")
	}
}

func (p *requestReader) message(path string) {
	role, parts := p.content(path)
	m := translate.Message{Role: translate.User, Parts: parts}
	switch role {
	case "model", "assistant":
		m.Role = translate.Assistant
	case "user", "function", "":
	case "system":
		m.Role = translate.System
	default:
		p.d.Fail(&translate.MemberError{Path: path + ".role", Msg: `must be "user" or "model"`})
	}
	if m.Role != translate.Assistant {
		p.r.Messages = append(p.r.Messages, m)
		return
	}
	if n := len(p.r.Messages); n == 0 || p.r.Messages[n-1].Role != translate.Assistant {
		p.r.Messages = append(p.r.Messages, translate.Message{Role: translate.Assistant})
	}
	turn := &p.r.Messages[len(p.r.Messages)-1]
	for _, part := range parts {
		turn.Parts = p.goOn(turn.Parts, part)
	}
}

// goOn appends a part to the model's turn so far. SDKs keep a streamed answer
// as it came, a content for each chunk, and send it back so: what belongs
// together is put together again.
func (p *requestReader) goOn(turn []translate.Part, part translate.Part) []translate.Part {
	var last translate.Part
	if len(turn) > 0 {
		last = turn[len(turn)-1]
	}
	switch part := part.(type) {
	case *translate.Text:
		if t, ok := last.(*translate.Text); ok && t.State == nil {
			part.Text = t.Text + part.Text
			turn = turn[:len(turn)-1]
		}
	case *translate.Thinking:
		if t, ok := last.(*translate.Thinking); ok && t.State == nil {
			part.Text = t.Text + part.Text
			turn = turn[:len(turn)-1]
		}
	case *translate.ToolUse:
		turn = translate.Restore(turn, p.carried[part])
	}
	return append(turn, part)
}

// content reads a content: its role and its parts. A string is its text.
func (p *requestReader) content(path string) (role string, parts []translate.Part) {
	d := p.d
	if d.Kind() == jsonx.String {
		return "", []translate.Part{&translate.Text{Text: d.String()}}
	}
	for k := range d.Members() {
		switch key := camel(k); key {
		case "role":
			role = d.String()
		case "parts":
			if d.Kind() == jsonx.Object {
				parts = p.part(parts, path+".parts")
				continue
			}
			for i := range d.Elements() {
				parts = p.part(parts, path+".parts["+strconv.Itoa(i)+"]")
			}
		default:
			p.lose(path + "." + key)
		}
	}
	return role, parts
}

// part reads a part and appends what it stands for.
func (p *requestReader) part(parts []translate.Part, path string) []translate.Part {
	d := p.d
	if d.Kind() == jsonx.String {
		return append(parts, &translate.Text{Text: d.String()})
	}
	raw := d.Raw()
	if d.Err() != nil {
		return parts
	}
	in := jsonx.NewDecoder(raw)
	if in.Kind() != jsonx.Object {
		d.Fail(&translate.MemberError{Path: path, Msg: "a part must be an object"})
		return parts
	}
	var w wirePart
	w.read(in)
	if err := in.End(); err != nil {
		d.Fail(&translate.MemberError{Path: path, Msg: err.Error()})
		return parts
	}
	for _, name := range w.modifiers {
		p.r.Losses.Add(path+"."+name, "has no place outside the gemini format")
	}
	var state *translate.State
	if w.signature != "" && w.signature != skipValidation {
		state = translate.OpenState(Origin, w.signature)
	}
	switch {
	case w.call != nil:
		return p.call(parts, &w, state)
	case w.result != nil:
		return append(parts, p.result(&w))
	case w.media != nil:
		return append(parts, w.media)
	case w.opaque != "":
		return append(parts, &translate.Opaque{Format: translate.Gemini, Type: w.opaque, Raw: raw})
	case w.thought:
		return append(parts, &translate.Thinking{Text: w.text, State: state})
	case w.hasText || state != nil:
		return append(parts, &translate.Text{Text: w.text, State: state})
	}
	d.Fail(&translate.MemberError{Path: path, Msg: "an empty part"})
	return parts
}

// call appends a function call, and keeps the thinking that its ID carries.
func (p *requestReader) call(parts []translate.Part, w *wirePart, state *translate.State) []translate.Part {
	u := w.call
	var use *translate.State
	var thinking []*translate.Thinking
	u.ID, use, thinking = translate.UnpackToolID(u.ID)
	if u.State = state; u.State == nil {
		u.State = use
	}
	if u.ID == "" {
		p.made++
		u.ID = "call_" + strconv.Itoa(p.made)
	}
	if len(thinking) > 0 {
		if p.carried == nil {
			p.carried = make(map[*translate.ToolUse][]*translate.Thinking)
		}
		p.carried[u] = thinking
	}
	p.calls.add(u)
	return append(parts, u)
}

// result finds the call that a function's answer belongs to: by its ID, or by
// its name, in order.
func (p *requestReader) result(w *wirePart) translate.Part {
	r := w.result
	r.ToolUseID, _, _ = translate.UnpackToolID(r.ToolUseID)
	if u := p.calls.answer(r.ToolUseID, r.Name); u != nil {
		r.ToolUseID = u.ID
	}
	if r.ToolUseID == "" {
		p.made++
		r.ToolUseID = "call_" + strconv.Itoa(p.made)
	}
	return r
}

// openCalls are calls that no result has answered yet, each kind in order.
type openCalls struct {
	byID, byName map[string][]*translate.ToolUse
	answered     map[*translate.ToolUse]bool
}

func (c *openCalls) add(u *translate.ToolUse) {
	if c.byID == nil {
		c.byID, c.byName, c.answered = map[string][]*translate.ToolUse{}, map[string][]*translate.ToolUse{}, map[*translate.ToolUse]bool{}
	}
	c.byID[u.ID] = append(c.byID[u.ID], u)
	c.byName[u.Name] = append(c.byName[u.Name], u)
}

// answer returns the first call with that ID, or of that name where there is no
// ID, and takes it for answered; nil where there is none.
func (c *openCalls) answer(id, name string) *translate.ToolUse {
	open, key := c.byID, id
	if id == "" {
		open, key = c.byName, name
	}
	for list := open[key]; len(list) > 0; {
		u := list[0]
		list = list[1:]
		open[key] = list
		if !c.answered[u] {
			c.answered[u] = true
			return u
		}
	}
	return nil
}

// wirePart is a part as it stands on the wire, of a request or an answer.
type wirePart struct {
	text      string
	hasText   bool
	thought   bool
	signature string
	call      *translate.ToolUse
	partial   []byte // partialArgs
	more      bool   // willContinue
	result    *translate.ToolResult
	media     *translate.Media
	opaque    string // the member that makes it one
	modifiers []string
}

func (w *wirePart) read(d *jsonx.Decoder) {
	for k := range d.Members() {
		switch key := camel(k); key {
		case "text":
			w.hasText = d.Kind() == jsonx.String
			w.text = d.String()
		case "thought":
			w.thought = d.Bool()
		case "thoughtSignature":
			w.signature = d.String()
		case "functionCall":
			if d.Kind() == jsonx.Object {
				w.functionCall(d)
			}
		case "functionResponse":
			if d.Kind() == jsonx.Object {
				w.functionResponse(d)
			}
		case "inlineData", "fileData":
			if d.Kind() == jsonx.Object {
				w.media = readMedia(d)
			}
		case "executableCode", "codeExecutionResult", "toolCall", "toolResponse":
			if !d.Null() {
				w.opaque = key
			}
		default: // videoMetadata, mediaResolution, partMetadata
			if !d.Null() {
				w.modifiers = append(w.modifiers, key)
			}
		}
	}
}

func (w *wirePart) functionCall(d *jsonx.Decoder) {
	w.call = new(translate.ToolUse)
	for k := range d.Members() {
		switch camel(k) {
		case "id":
			w.call.ID = d.String()
		case "name":
			w.call.Name = d.String()
		case "args":
			if !d.Null() {
				w.call.Input = d.Raw()
			}
		case "partialArgs":
			w.partial = d.Raw()
		case "willContinue":
			w.more = d.Bool()
		}
	}
	if w.call.Input == nil {
		w.call.Input = []byte("{}")
	}
}

func (w *wirePart) functionResponse(d *jsonx.Decoder) {
	w.result = new(translate.ToolResult)
	var response []byte
	var media []translate.Part
	for k := range d.Members() {
		switch camel(k) {
		case "id":
			w.result.ToolUseID = d.String()
		case "name":
			w.result.Name = d.String()
		case "response":
			response = d.Raw()
		case "parts":
			for range d.Elements() {
				var in wirePart
				in.read(d)
				if in.media != nil {
					media = append(media, in.media)
				}
			}
		}
	}
	text, isError := resultText(response)
	w.result.IsError = isError
	if text != "" || len(media) == 0 {
		w.result.Parts = append(w.result.Parts, &translate.Text{Text: text})
	}
	w.result.Parts = append(w.result.Parts, media...)
}

// resultText takes a function's answer out of the object that the format
// demands: {"output": text} and {"error": text} are how text is wrapped.
func resultText(response []byte) (text string, isError bool) {
	d := jsonx.NewDecoder(response)
	if d.Kind() != jsonx.Object {
		return string(response), false
	}
	members := 0
	for k := range d.Members() {
		members++
		switch string(k) {
		case "output":
			if d.Kind() == jsonx.String {
				text = d.String()
				continue
			}
		case "error":
			if d.Kind() == jsonx.String {
				text, isError = d.String(), true
				continue
			}
		}
		members = 2 // no wrapper
	}
	if members == 1 {
		return text, isError
	}
	return string(response), false
}

func readMedia(d *jsonx.Decoder) *translate.Media {
	m := new(translate.Media)
	for k := range d.Members() {
		switch camel(k) {
		case "mimeType":
			m.MIMEType = d.String()
		case "data":
			m.Data = translate.StandardBase64(d.String())
		case "displayName":
			m.Name = d.String()
		case "fileUri":
			if uri := d.String(); isFileURI(uri) || strings.HasPrefix(uri, "gs://") || strings.HasPrefix(uri, "files/") {
				m.FileID, m.Format = uri, translate.Gemini
			} else {
				m.URL = uri
			}
		}
	}
	m.Kind = translate.KindOfMIME(m.MIMEType)
	if m.MIMEType == "" && m.URL != "" {
		m.Kind = translate.Video // YouTube
	}
	return m
}
