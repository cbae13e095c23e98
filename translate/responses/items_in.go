package responses

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

func (p *requestParser) input() {
	if p.d.Kind() == jsonx.String {
		p.add(translate.User, &translate.Text{Text: p.d.Borrow()})
		return
	}
	p.list = "input"
	for i := range p.d.Elements() {
		p.index = i
		p.inputItem()
	}
	p.index = -1
}

// typeOf returns the type of the object that d is at, without reading it. The
// type decides what the other members mean, and may come last.
func typeOf(d *jsonx.Decoder) (typ string) {
	begin := *d
	for k := range d.Members() {
		if string(k) == "type" {
			if d.Kind() == jsonx.String {
				typ = d.String()
			}
			break
		}
	}
	*d = begin // an error is met again by whoever reads the object
	return typ
}

func (p *requestParser) inputItem() {
	switch typ := typeOf(p.d); typ {
	case "", "message":
		p.message()
	case "reasoning":
		p.reasoningItem()
	case "function_call":
		p.call(false)
	case "custom_tool_call":
		p.call(true)
	case "function_call_output":
		p.callOutput(false)
	case "custom_tool_call_output":
		p.callOutput(true)
	default:
		o := &translate.Opaque{Format: translate.Responses, Type: typ, Raw: p.d.Raw()}
		if strings.HasSuffix(typ, "_output") || strings.HasSuffix(typ, "_response") {
			p.gather(outputTurn, o)
		} else {
			p.gather(assistantTurn, o)
		}
	}
}

// add starts a message.
func (p *requestParser) add(role translate.Role, parts ...translate.Part) {
	p.turn, p.said = noTurn, false
	p.r.Messages = append(p.r.Messages, translate.Message{Role: role, Parts: parts})
}

// gather adds parts to the turn that goes on, or starts one.
func (p *requestParser) gather(t turn, parts ...translate.Part) {
	if p.turn != t {
		role := translate.Assistant
		if t == outputTurn {
			role = translate.User
		}
		p.add(role, parts...)
		p.turn = t
		return
	}
	m := &p.r.Messages[len(p.r.Messages)-1]
	m.Parts = append(m.Parts, parts...)
}

// phase is the Opaque type of a message item's phase, which stands before the
// item's content: it says whether that is a comment or the answer.
const phase = "phase"

func (p *requestParser) message() {
	d := p.d
	var role string
	var parts []translate.Part
	var phaseRaw json.RawMessage
	for k := range d.Members() {
		switch string(k) {
		case "type", "id", "status":
			d.Skip()
		case "role":
			role = d.String()
		case "content":
			parts = p.content("content")
		case "phase":
			if raw := d.Raw(); len(raw) > 0 && string(raw) != "null" {
				phaseRaw = raw
			}
		default:
			p.lose(string(k))
		}
	}
	if d.Err() != nil {
		return
	}
	switch role {
	case "user", "system", "developer":
		p.add(translate.Role(role), parts...)
	case "assistant":
		if phaseRaw != nil {
			parts = append([]translate.Part{&translate.Opaque{Format: translate.Responses, Type: phase, Raw: phaseRaw}}, parts...)
		}
		if len(parts) == 0 {
			return // an empty answer says nothing, and most providers refuse it
		}
		if p.said {
			p.turn = noTurn
		}
		p.gather(assistantTurn, parts...)
		p.said = true
	case "":
		p.fail("role", "this member is required")
	default:
		p.fail("role", "unknown role "+strconv.Quote(role))
	}
}

// content reads a message's content or an output: a string, null or parts.
func (p *requestParser) content(name string) (parts []translate.Part) {
	switch p.d.Kind() {
	case jsonx.Array:
	case jsonx.Object, jsonx.Number, jsonx.Bool:
		if name == "output" { // sloppy clients send the tool's JSON itself
			return []translate.Part{&translate.Text{Text: string(p.d.Raw())}}
		}
		fallthrough
	default:
		if s := p.d.String(); s != "" {
			return []translate.Part{&translate.Text{Text: s}}
		}
		return nil
	}
	p.sub = name
	for j := range p.d.Elements() {
		p.item = j
		if part := p.part(); part != nil {
			parts = append(parts, part)
		}
	}
	p.sub, p.item = "", -1
	return parts
}

// part reads a content part.
func (p *requestParser) part() translate.Part {
	d := p.d
	if d.Kind() == jsonx.String { // sloppy clients mix strings in
		return &translate.Text{Text: d.Borrow()}
	}
	switch typ := typeOf(d); typ {
	case "input_text", "output_text", "text", "summary_text":
		return p.textPart()
	case "refusal":
		r := new(translate.Refusal)
		for k := range d.Members() {
			switch string(k) {
			case "type":
				d.Skip()
			case "refusal":
				r.Text = d.String()
			default:
				p.lose(string(k))
			}
		}
		return r
	case "input_image":
		return p.mediaPart(translate.Image)
	case "input_file":
		return p.mediaPart(translate.File)
	case "input_audio":
		return p.audioPart()
	case "":
		p.fail("type", "this member is required")
		return nil
	default:
		return &translate.Opaque{Format: translate.Responses, Type: contentPart + typ, Raw: d.Raw()}
	}
}

// contentPart starts the Opaque types of content parts, as against items.
const contentPart = "content."

func (p *requestParser) textPart() translate.Part {
	d, t := p.d, new(translate.Text)
	for k := range d.Members() {
		switch string(k) {
		case "type", "logprobs":
			d.Skip()
		case "text":
			t.Text = d.Borrow()
		case "annotations":
			for range d.Elements() {
				if c, ok := parseAnnotation(d); ok {
					t.Citations = append(t.Citations, c)
				}
			}
		case "prompt_cache_breakpoint":
			t.Cache = p.cacheMark()
		default:
			p.lose(string(k))
		}
	}
	return t
}

func (p *requestParser) mediaPart(kind translate.MediaKind) translate.Part {
	d, m := p.d, &translate.Media{Kind: kind}
	for k := range d.Members() {
		switch string(k) {
		case "type":
			d.Skip()
		case "image_url":
			if d.Kind() == jsonx.Object { // Chat's shape, which clients mix up
				for k := range d.Members() {
					switch string(k) {
					case "url":
						dataOrURL(m, d.Borrow())
					case "detail":
						m.Detail = d.String()
					}
				}
				continue
			}
			dataOrURL(m, d.Borrow())
		case "file_url":
			dataOrURL(m, d.Borrow())
		case "file_data":
			dataOrURL(m, d.Borrow())
			if m.Data == "" && m.URL != "" { // bare base64
				m.Data, m.URL, m.MIMEType = translate.StandardBase64(m.URL), "", "application/pdf"
			}
		case "file_id":
			if id := d.String(); id != "" {
				m.FileID, m.Format = id, translate.OpenAI // one store for both of OpenAI's formats
			}
		case "filename":
			m.Name = d.String()
		case "detail":
			m.Detail = d.String()
		case "prompt_cache_breakpoint":
			m.Cache = p.cacheMark()
		default:
			p.lose(string(k))
		}
	}
	if m.Data == "" && m.URL == "" && m.FileID == "" && d.Err() == nil {
		member := "image_url"
		if kind == translate.File {
			member = "file_data"
		}
		p.fail(member, "this member or file_id is required")
	}
	if kind == translate.File && m.MIMEType != "" {
		m.Kind = translate.KindOfMIME(m.MIMEType)
	}
	return m
}

// audioPart reads input_audio, which SDKs have and the document has not.
func (p *requestParser) audioPart() translate.Part {
	d, m := p.d, &translate.Media{Kind: translate.Audio}
	for k := range d.Members() {
		switch string(k) {
		case "input_audio":
			for k := range d.Members() {
				switch string(k) {
				case "data":
					m.Data = d.Borrow()
				case "format":
					m.MIMEType = translate.AudioMIME(d.String())
				default:
					p.lose("input_audio." + string(k))
				}
			}
		case "type":
			d.Skip()
		default:
			p.lose(string(k))
		}
	}
	if m.Data == "" && d.Err() == nil {
		p.fail("input_audio.data", "this member is required")
	}
	return m
}

// dataOrURL sorts a URL into a part.
func dataOrURL(m *translate.Media, url string) {
	if mime, data, ok := translate.ParseDataURL(url); ok {
		m.MIMEType, m.Data = mime, data
		return
	}
	m.URL = url
}
