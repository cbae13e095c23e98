package openai

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// part reads a content part. Its type may come last, so a part is read twice:
// once for the type, once for what it means.
func (p *requestParser) part() translate.Part {
	if p.d.Kind() == jsonx.String { // sloppy clients mix strings in
		return &translate.Text{Text: p.d.Borrow()}
	}
	var (
		typ   string
		text  string
		texts bool
		media *translate.Media
		sig   string
		cache *translate.CacheMark
	)
	d := p.d
	begin := *d // to read an unknown part again, as a whole
	opaque := false
	for k := range d.Members() {
		switch string(k) {
		case "type":
			typ = d.String()
		case "text", "refusal":
			text, texts = d.Borrow(), true
		case "image_url":
			media = p.urlPart(translate.Image)
		case "video_url":
			media = p.urlPart(translate.Video)
		case "document_url": // Mistral
			if media == nil {
				media = &translate.Media{Kind: translate.File}
			}
			dataOrURL(media, d.Borrow())
		case "document_name":
			if media == nil {
				media = &translate.Media{Kind: translate.File}
			}
			media.Name = d.String()
		case "input_audio":
			media = p.audioPart()
		case "file":
			media = p.filePart()
		case "thinking": // Mistral's: parts of text in a part
			text, texts = d.Texts(""), true
		case "signature":
			sig = d.String()
		case "closed":
			d.Skip()
		case "cache_control", "prompt_cache_breakpoint":
			cache = p.cacheMark(string(k))
		case "annotations", "index":
			d.Skip()
		default:
			// A member that a known part has no use for is a loss; the whole
			// of an unknown part is kept.
			opaque = !knownPart(typ)
			if !opaque {
				p.lose(string(k))
			}
		}
	}
	if d.Err() != nil {
		return nil
	}
	switch {
	case typ == "thinking":
		t := &translate.Thinking{Text: text}
		if sig != "" {
			t.State = mistralState("mistral", sig)
		}
		return t
	case typ == "refusal" && texts:
		return &translate.Refusal{Text: text}
	case (typ == "text" || typ == "" || typ == "input_text" || typ == "output_text") && texts:
		return &translate.Text{Text: text, Cache: cache}
	case media != nil && !opaque:
		media.Cache = cache
		return media
	case typ == "":
		p.fail("type", "this member is required")
		return nil
	case knownPart(typ):
		p.fail(typ, "this member is required")
		return nil
	}
	return &translate.Opaque{Format: translate.OpenAI, Type: typ, Raw: begin.Raw()}
}

func knownPart(typ string) bool {
	switch typ {
	case "", "text", "input_text", "output_text", "refusal", "image_url", "video_url", "document_url", "input_audio", "file", "thinking":
		return true
	}
	return false
}

// urlPart reads a URL, bare or in an object.
func (p *requestParser) urlPart(kind translate.MediaKind) *translate.Media {
	m := &translate.Media{Kind: kind}
	if p.d.Kind() == jsonx.String {
		dataOrURL(m, p.d.Borrow())
	} else {
		for k := range p.d.Members() {
			switch string(k) {
			case "url":
				dataOrURL(m, p.d.Borrow())
			case "detail":
				m.Detail = p.d.String()
			default:
				p.lose("image_url." + string(k))
			}
		}
	}
	if m.URL == "" && m.Data == "" && p.d.Err() == nil {
		p.fail(string(kind)+"_url.url", "this member is required")
	}
	return m
}

func (p *requestParser) audioPart() *translate.Media {
	m := &translate.Media{Kind: translate.Audio}
	for k := range p.d.Members() {
		switch string(k) {
		case "data":
			if dataOrURL(m, p.d.Borrow()); m.URL != "" {
				m.Data, m.URL = translate.StandardBase64(m.URL), "" // bare base64, as the format has it
			}
		case "format":
			m.MIMEType = translate.AudioMIME(p.d.String())
		default:
			p.lose("input_audio." + string(k))
		}
	}
	if m.Data == "" && p.d.Err() == nil {
		p.fail("input_audio.data", "this member is required")
	}
	return m
}

func (p *requestParser) filePart() *translate.Media {
	m := &translate.Media{Kind: translate.File}
	for k := range p.d.Members() {
		switch string(k) {
		case "file_data":
			dataOrURL(m, p.d.Borrow())
			if m.URL != "" && !isURL(m.URL) { // bare base64
				m.Data, m.URL, m.MIMEType = translate.StandardBase64(m.URL), "", "application/pdf"
			}
			if m.MIMEType != "" {
				m.Kind = translate.KindOfMIME(m.MIMEType)
			}
		case "file_id":
			if id := p.d.String(); id != "" {
				m.FileID, m.Format = id, translate.OpenAI
			}
		case "filename":
			m.Name = p.d.String()
		default:
			p.lose("file." + string(k))
		}
	}
	if m.Data == "" && m.FileID == "" && m.URL == "" && p.d.Err() == nil {
		p.fail("file.file_data", "this member or file_id is required")
	}
	return m
}

func isURL(s string) bool {
	for i, c := range s {
		if c == ':' {
			return i > 0
		}
		if c == '/' || i > 10 {
			break
		}
	}
	return false
}

// mistralState keeps the signature of Mistral's thinking in the shape that
// Outbound writes: the part without its text.
func mistralState(origin, sig string) *translate.State {
	var e jsonx.Encoder
	e.Object().Key("type").String("thinking").Key("signature").String(sig).EndObject()
	return &translate.State{Origin: origin, Data: string(e.B)}
}
