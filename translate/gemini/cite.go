package gemini

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// grounding reads groundingMetadata: chunks are sources, supports tie
// stretches of the text to them. Offsets are in bytes.
func grounding(d *jsonx.Decoder) []translate.Citation {
	if d.Kind() != jsonx.Object {
		return nil
	}
	type support struct {
		start, end int
		text       string
		chunks     []int
	}
	var sources []translate.Citation
	var supports []support
	for k := range d.Members() {
		switch camel(k) {
		case "groundingChunks":
			for range d.Elements() {
				var c translate.Citation
				for range d.Members() { // web, retrievedContext, maps
					if d.Kind() != jsonx.Object {
						continue
					}
					for k := range d.Members() {
						switch camel(k) {
						case "uri":
							c.URL = d.String()
						case "title":
							c.Title = d.String()
						}
					}
				}
				sources = append(sources, c)
			}
		case "groundingSupports":
			for range d.Elements() {
				var s support
				for k := range d.Members() {
					switch camel(k) {
					case "segment":
						for k := range d.Members() {
							switch camel(k) {
							case "startIndex":
								s.start = int(d.Int())
							case "endIndex":
								s.end = int(d.Int())
							case "text":
								s.text = d.String()
							}
						}
					case "groundingChunkIndices":
						for range d.Elements() {
							s.chunks = append(s.chunks, int(d.Int()))
						}
					}
				}
				supports = append(supports, s)
			}
		}
	}
	var out []translate.Citation
	for _, s := range supports {
		for _, i := range s.chunks {
			if i < 0 || i >= len(sources) {
				continue
			}
			c := sources[i]
			c.Start, c.End, c.CitedText = s.start, s.end, s.text
			out = append(out, c)
		}
	}
	if len(supports) == 0 {
		return sources
	}
	return out
}

// citations reads citationMetadata, which is of two generations.
func citations(d *jsonx.Decoder) []translate.Citation {
	if d.Kind() != jsonx.Object {
		return nil
	}
	var out []translate.Citation
	for k := range d.Members() {
		switch camel(k) {
		case "citations", "citationSources":
			for range d.Elements() {
				var c translate.Citation
				for k := range d.Members() {
					switch camel(k) {
					case "startIndex":
						c.Start = int(d.Int())
					case "endIndex":
						c.End = int(d.Int())
					case "uri":
						c.URL = d.String()
					case "title":
						c.Title = d.String()
					}
				}
				out = append(out, c)
			}
		}
	}
	return out
}
