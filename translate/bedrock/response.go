package bedrock

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseResponse implements translate.Outbound. The response has no ID: Bedrock
// tells one in a header only.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) {
	d := jsonx.NewDecoder(body)
	resp := new(translate.Response)
	native, found, failed := "", false, false
	for key := range d.Members() {
		switch string(key) {
		case "output":
			for key := range d.Members() {
				if string(key) == "message" {
					found = d.Kind() == jsonx.Object
					o.message(d, resp)
				}
			}
		case "stopReason":
			native = d.String()
		case "usage":
			resp.Usage = usage(d)
		case "serviceTier":
			resp.ServiceTier = tier(d)
		case "trace", "additionalModelResponseFields":
			if !d.Null() {
				resp.Losses.Add(string(key), "not known outside the bedrock format")
			}
		case "message", "Message", "__type":
			failed = failed || !d.Null()
		}
	}
	if err := d.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	if !found {
		if failed {
			return nil, o.ParseError(200, nil, body)
		}
		return nil, translate.Malformed(nil)
	}
	calls := false
	for _, p := range resp.Parts {
		_, call := p.(*translate.ToolUse)
		calls = calls || call
	}
	resp.Finish = finish(native, calls)
	return resp, nil
}

func (o Outbound) message(d *jsonx.Decoder, resp *translate.Response) {
	for key := range d.Members() {
		if string(key) != "content" {
			continue
		}
		for range d.Elements() {
			raw := d.Raw()
			in := jsonx.NewDecoder(raw)
			for key := range in.Members() {
				if p := o.part(in, string(key), raw); p != nil {
					resp.Parts = append(resp.Parts, p)
				}
			}
			if err := in.Err(); err != nil {
				d.Fail(err)
			}
		}
	}
}

// part reads the value of a block's only member.
func (o Outbound) part(d *jsonx.Decoder, key string, raw []byte) translate.Part {
	if d.Null() {
		return nil
	}
	switch key {
	case "text":
		return &translate.Text{Text: d.String()}
	case "toolUse":
		u := toolUse(d)
		return &u
	case "reasoningContent":
		return o.thinking(d)
	case "citationsContent":
		return citedText(d)
	case "image", "video", "audio", "document":
		if m, ok := media(d, key); ok {
			return m
		}
	}
	return &translate.Opaque{Format: translate.Bedrock, Type: key, Raw: raw}
}

func toolUse(d *jsonx.Decoder) (u translate.ToolUse) {
	for key := range d.Members() {
		switch string(key) {
		case "toolUseId":
			u.ID = d.String()
		case "name":
			u.Name = d.String()
		case "input":
			u.Input = d.Raw()
		}
	}
	if jsonx.KindOf(u.Input) == jsonx.Null || len(u.Input) == 0 {
		u.Input = []byte("{}")
	}
	return u
}

func (o Outbound) thinking(d *jsonx.Decoder) translate.Part {
	t := new(translate.Thinking)
	for key := range d.Members() {
		switch string(key) {
		case "reasoningText":
			for key := range d.Members() {
				switch string(key) {
				case "text":
					t.Text = d.String()
				case "signature":
					t.State = o.state(d.String())
				}
			}
		case "redactedContent":
			t.State, t.Redacted = o.state(d.String()), true
		}
	}
	return t
}

func (o Outbound) state(data string) *translate.State {
	if data == "" {
		return nil
	}
	return &translate.State{Origin: o.origin(), Data: data}
}

func citedText(d *jsonx.Decoder) translate.Part {
	t := new(translate.Text)
	for key := range d.Members() {
		switch string(key) {
		case "content":
			t.Text = d.Texts("")
		case "citations":
			for range d.Elements() {
				t.Citations = append(t.Citations, citation(d))
			}
		}
	}
	return t
}

// citation reads one citation. It is tied to its whole block.
func citation(d *jsonx.Decoder) translate.Citation {
	raw := d.Raw()
	c := translate.Citation{Format: translate.Bedrock, Raw: raw}
	in := jsonx.NewDecoder(raw)
	for key := range in.Members() {
		switch string(key) {
		case "title":
			c.Title = in.String()
		case "sourceContent":
			c.CitedText = in.Texts("")
		case "location":
			for key := range in.Members() {
				if string(key) != "web" {
					continue
				}
				for key := range in.Members() {
					if string(key) == "url" {
						c.URL = in.String()
					}
				}
			}
		}
	}
	if err := in.Err(); err != nil {
		d.Fail(err)
	}
	return c
}

// media reads a block of media; ok is false where it holds none that the model
// knows, such as the start of a streamed image, which has a format only.
func media(d *jsonx.Decoder, block string) (m *translate.Media, ok bool) {
	m = new(translate.Media)
	for kind, name := range blocks {
		if name == block {
			m.Kind = kind
		}
	}
	for key := range d.Members() {
		switch string(key) {
		case "format":
			m.MIMEType = mimeOf(m.Kind, d.String())
		case "name":
			m.Name = d.String()
		case "source":
			for key := range d.Members() {
				switch string(key) {
				case "bytes":
					m.Data = d.String()
				case "text":
					m.Text = d.String()
				case "s3Location":
					for key := range d.Members() {
						if string(key) == "uri" {
							m.URL = d.String()
						}
					}
				}
			}
		}
	}
	return m, m.Data != "" || m.Text != "" || m.URL != ""
}

// mimeOf reverses formats; of several MIME types it is the first in order.
func mimeOf(kind translate.MediaKind, format string) (mime string) {
	for m, f := range formats[kind] {
		if f == format && (mime == "" || m < mime) {
			mime = m
		}
	}
	return mime
}

// usage reads the token counts. Bedrock counts cached tokens apart from the
// input, and reasoning inside the output without telling how much it is.
func usage(d *jsonx.Decoder) *translate.Usage {
	if d.Kind() != jsonx.Object {
		d.Skip()
		return nil
	}
	u := new(translate.Usage)
	for key := range d.Members() {
		switch string(key) {
		case "inputTokens":
			u.Input = max(d.Int(), 0)
		case "outputTokens":
			u.Output = max(d.Int(), 0)
		case "cacheReadInputTokens":
			u.CacheRead = max(d.Int(), 0)
		case "cacheWriteInputTokens":
			u.CacheWrite = max(d.Int(), 0)
		}
	}
	return u
}

func tier(d *jsonx.Decoder) (s string) {
	for key := range d.Members() {
		if string(key) == "type" {
			s = d.String()
		}
	}
	return s
}
