package cohere

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Embeddings is the codec of /v2/embed. The zero value is ready to use; it is
// safe for concurrent use.
type Embeddings struct {
	// InputType says what the vectors are for, which Cohere demands to know:
	// "search_document", "search_query", "classification" or "clustering".
	// Empty is "search_document". A request's own input_type goes first.
	InputType string
}

var _ translate.EmbeddingCodec = Embeddings{}

// passed are the members of Cohere's own that a request may have among its
// extra ones.
var passed = map[string]bool{"input_type": true, "truncate": true, "max_tokens": true, "priority": true}

// AppendRequest implements translate.EmbeddingCodec. Inputs in tokens are
// refused. The vectors are asked for as numbers.
func (c Embeddings) AppendRequest(dst []byte, r *translate.EmbeddingRequest) ([]byte, []translate.Loss, error) {
	if len(r.Tokens) > 0 {
		e := translate.Errorf(translate.InvalidRequest, "input: Cohere takes texts, not tokens")
		e.Param = "input"
		return dst, nil, e
	}
	var losses translate.Losses
	w := jsonx.Encoder{B: dst[len(dst):]}
	w.Object().Key("model").String(r.Model).Key("texts").Array()
	for _, s := range r.Inputs {
		w.String(s)
	}
	w.EndArray()
	typed := false
	for _, m := range r.Extra {
		if !passed[m.Name] {
			losses.Add(m.Name, "Cohere has nothing like it")
			continue
		}
		typed = typed || m.Name == "input_type"
		w.KeyString(m.Name).Raw(m.Value)
	}
	if !typed {
		t := c.InputType
		if t == "" {
			t = "search_document"
		}
		w.Key("input_type").String(t)
	}
	w.Key("embedding_types").Array().String("float").EndArray()
	if r.Dimensions != nil {
		w.Key("output_dimension").Int(*r.Dimensions)
	}
	w.EndObject()
	if r.User != "" {
		losses.Add("user", "Cohere has nothing like it")
	}
	return append(dst, w.B...), losses, nil
}

// ParseResponse implements translate.EmbeddingCodec.
func (c Embeddings) ParseResponse(body []byte) (*translate.EmbeddingResponse, error) {
	d := jsonx.NewDecoder(body)
	resp := new(translate.EmbeddingResponse)
	found, failed := false, false
	for key := range d.Members() {
		switch string(key) {
		case "embeddings":
			if d.Kind() == jsonx.Array { // as /v1/embed has it
				resp.Vectors, found = vectors(d), true
				continue
			}
			for key := range d.Members() {
				if string(key) == "float" {
					resp.Vectors, found = vectors(d), true
				}
			}
		case "meta":
			resp.Usage = embedUsage(d)
		case "message", "error":
			failed = failed || !d.Null()
		}
	}
	if err := d.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	if !found {
		if failed {
			return nil, Outbound{}.ParseError(200, nil, body)
		}
		return nil, translate.Malformed(nil)
	}
	return resp, nil
}

func vectors(d *jsonx.Decoder) (out [][]float32) {
	for range d.Elements() {
		// The vectors of one answer are of one length.
		var v []float32
		if len(out) > 0 {
			v = make([]float32, 0, len(out[0]))
		}
		for range d.Elements() {
			v = append(v, float32(d.Float()))
		}
		out = append(out, v)
	}
	return out
}

func embedUsage(d *jsonx.Decoder) (u *translate.Usage) {
	for key := range d.Members() {
		if string(key) != "billed_units" {
			continue
		}
		for key := range d.Members() {
			if string(key) == "input_tokens" {
				u = &translate.Usage{Input: max(d.Int(), 0)}
			}
		}
	}
	return u
}
