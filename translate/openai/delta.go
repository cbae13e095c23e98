package openai

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// delta is what a chunk adds to the message. JSON members come in any order,
// so it is gathered first and acted on after.
type delta struct {
	content   []byte
	parts     []byte // content as an array
	refusal   []byte
	reasoning []byte
	details   []byte
	calls     []byte
	call      []byte // function_call
	images    []byte
	cites     []byte // annotations
	audio     []byte
	signature string

	textEnd int // where the literal of its only text ends; 0: there is none, or more
}

func (d *decoder) readDelta(dec *jsonx.Decoder, v *delta) {
	if dec.Kind() != jsonx.Object {
		dec.Skip()
		return
	}
	for key := range dec.Members() {
		kind := dec.Kind()
		if kind == jsonx.Null {
			continue
		}
		switch string(key) {
		case "content":
			if kind == jsonx.Array {
				v.parts = dec.Raw()
			} else {
				v.content = scalarOrRaw(dec)
			}
			v.text(dec, kind, v.content)
		case "refusal":
			v.refusal = scalarText(dec)
			v.text(dec, jsonx.Invalid, v.refusal)
		case "reasoning_content", "reasoning": // some send both, the same
			if s := scalarText(dec); len(s) > 0 {
				v.reasoning = s
				v.text(dec, kind, s)
			}
		case "reasoning_details":
			if kind == jsonx.Array {
				v.details = dec.Raw()
			}
		case "tool_calls":
			if kind == jsonx.Array {
				v.calls = dec.Raw()
			}
		case "function_call":
			if kind == jsonx.Object {
				v.call = dec.Raw()
			}
		case "images":
			if kind == jsonx.Array {
				v.images = dec.Raw()
			}
		case "annotations":
			if kind == jsonx.Array {
				v.cites = dec.Raw()
			}
		case "audio":
			if kind == jsonx.Object {
				v.audio = dec.Raw()
			}
		case "extra_content":
			if kind == jsonx.Object {
				v.signature = thoughtSignature(dec)
			}
		case "role", "channel", "prefix", "tool_call_id", "name", "executed_tools":
		default:
			if !d.brief {
				d.losses.AddOnce("choices[0].message."+string(key), "unknown")
			}
		}
	}
}

// text notes where a text ends that may be the only one.
func (v *delta) text(dec *jsonx.Decoder, kind jsonx.Kind, s []byte) {
	switch {
	case len(s) == 0:
	case v.textEnd == 0 && kind == jsonx.String:
		v.textEnd = dec.Offset()
	default:
		v.textEnd = -1
	}
}

// scalarOrRaw reads content that should be a string; Workers AI sends numbers
// and objects where the model wrote JSON.
func scalarOrRaw(dec *jsonx.Decoder) []byte {
	if dec.Kind() == jsonx.String {
		return dec.StringBytes()
	}
	return dec.Raw()
}

// delta emits the events of a gathered delta.
func (d *decoder) delta(v *delta) {
	if !d.details(v.details) && len(v.reasoning) > 0 {
		d.textDelta(translate.KindThinking, v.reasoning)
	}
	if v.parts != nil {
		d.parts(v.parts)
	}
	if len(v.content) > 0 {
		d.textDelta(translate.KindText, v.content)
	}
	if v.audio != nil {
		d.audio(v.audio, len(v.content) == 0)
	}
	if v.signature != "" {
		d.openText(translate.KindText)
		d.text.state = &translate.State{Origin: d.o.origin(), Data: v.signature}
	}
	if v.cites != nil {
		d.annotations(v.cites)
	}
	if len(v.refusal) > 0 {
		d.textDelta(translate.KindRefusal, v.refusal)
	}
	if v.images != nil {
		d.images(v.images)
	}
	if v.call != nil {
		d.inner.Reset(v.call)
		d.toolCall(&d.inner, true)
	}
	if v.calls != nil {
		d.inner.Reset(v.calls)
		for range d.inner.Elements() {
			d.toolCall(&d.inner, false)
		}
	}
}

// parts reads content that is an array, as Mistral's is.
func (d *decoder) parts(raw []byte) {
	dec := jsonx.NewDecoder(raw)
	for range dec.Elements() {
		if dec.Kind() != jsonx.Object {
			if s := scalarText(dec); len(s) > 0 {
				d.textDelta(translate.KindText, s)
			}
			continue
		}
		begin := *dec
		var typ, sig, url string
		var text []byte
		var thinks bool
		for k := range dec.Members() {
			switch string(k) {
			case "type":
				typ = scalar(dec)
			case "text", "refusal":
				text = scalarText(dec)
			case "thinking":
				if k := dec.Kind(); k == jsonx.Array || k == jsonx.String {
					text, thinks = []byte(dec.Texts("")), true
				}
			case "signature":
				sig = scalar(dec)
			case "image_url":
				url = imageURL(dec)
			}
		}
		if dec.Err() != nil {
			return
		}
		switch {
		case typ == "thinking" || thinks:
			if len(text) > 0 || sig != "" {
				d.openText(translate.KindThinking)
				d.appendText(text)
			}
			if sig != "" {
				d.text.state = mistralState(d.o.origin(), sig)
			}
		case typ == "refusal":
			d.textDelta(translate.KindRefusal, text)
		case typ == "text" || typ == "":
			d.textDelta(translate.KindText, text)
		case typ == "image_url" && url != "":
			d.image(url)
		default: // Mistral's references and files
			raw := append([]byte(nil), begin.Raw()...)
			d.whole(translate.KindOpaque, &translate.Opaque{Format: translate.OpenAI, Type: typ, Raw: raw})
		}
	}
}

// audio reads the model's speech. Its transcript is text; its sound is kept
// where the answer is whole.
func (d *decoder) audio(raw []byte, transcript bool) {
	dec := jsonx.NewDecoder(raw)
	for k := range dec.Members() {
		if transcript && string(k) == "transcript" {
			if s := scalarText(dec); len(s) > 0 {
				d.textDelta(translate.KindText, s)
			}
		}
	}
	if d.body {
		d.whole(translate.KindOpaque, &translate.Opaque{Format: translate.OpenAI, Type: "audio", Raw: append([]byte(nil), raw...)})
	} else {
		d.losses.AddOnce("choices[0].delta.audio", "audio is not translated in streams")
	}
}

// images reads OpenRouter's generated images.
func (d *decoder) images(raw []byte) {
	dec := jsonx.NewDecoder(raw)
	for range dec.Elements() {
		if dec.Kind() != jsonx.Object {
			continue
		}
		for k := range dec.Members() {
			if string(k) == "image_url" {
				if url := imageURL(dec); url != "" {
					d.image(url)
				}
			}
		}
	}
}

func imageURL(dec *jsonx.Decoder) (url string) {
	if dec.Kind() != jsonx.Object {
		return scalar(dec)
	}
	for k := range dec.Members() {
		if string(k) == "url" {
			url = scalar(dec)
		}
	}
	return url
}

func (d *decoder) image(url string) {
	m := &translate.Media{Kind: translate.Image}
	dataOrURL(m, url)
	d.whole(translate.KindMedia, m)
}

// annotations reads citations of the text.
func (d *decoder) annotations(raw []byte) {
	dec := jsonx.NewDecoder(raw)
	for range dec.Elements() {
		if dec.Kind() != jsonx.Object {
			continue
		}
		begin := *dec
		c := new(translate.Citation)
		known := false
		for k := range dec.Members() {
			if string(k) != "url_citation" || dec.Kind() != jsonx.Object {
				continue
			}
			known = true
			for k := range dec.Members() {
				switch string(k) {
				case "url":
					c.URL = scalar(dec)
				case "title":
					c.Title = scalar(dec)
				case "content":
					c.CitedText = scalar(dec)
				case "start_index":
					c.Start = position(dec)
				case "end_index":
					c.End = position(dec)
				}
			}
		}
		if !known {
			c.Format, c.Raw = translate.OpenAI, append([]byte(nil), begin.Raw()...)
		}
		d.cite(c)
	}
}

func position(dec *jsonx.Decoder) int {
	if dec.Kind() != jsonx.Number {
		dec.Skip()
		return 0
	}
	return max(int(min(dec.Float(), 1<<31)), 0)
}
