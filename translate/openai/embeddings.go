package openai

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Embeddings is OpenAI's embeddings format, both sides. The zero value is
// ready to use.
type Embeddings struct{}

var _ translate.EmbeddingCodec = Embeddings{}

// AppendRequest implements translate.EmbeddingCodec. It asks for floats, which
// every provider of this format has.
func (Embeddings) AppendRequest(dst []byte, r *translate.EmbeddingRequest) ([]byte, []translate.Loss, error) {
	e := jsonx.Encoder{B: append(dst, '{')}
	e.Key("model").String(r.Model).Key("input").Array()
	for _, s := range r.Inputs {
		e.String(s)
	}
	for _, tokens := range r.Tokens {
		e.Array()
		for _, t := range tokens {
			e.Int(int64(t))
		}
		e.EndArray()
	}
	e.EndArray().Key("encoding_format").String("float")
	if r.Dimensions != nil {
		e.Key("dimensions").Int(*r.Dimensions)
	}
	if r.User != "" {
		e.Key("user").String(r.User)
	}
	for _, m := range r.Extra {
		e.KeyString(m.Name).Raw(m.Value)
	}
	e.EndObject()
	return e.B, nil, nil
}

// ParseResponse implements translate.EmbeddingCodec. It takes vectors as
// floats and as base64, and their indices in any order.
func (Embeddings) ParseResponse(body []byte) (*translate.EmbeddingResponse, error) {
	d := jsonx.NewDecoder(body)
	r := new(translate.EmbeddingResponse)
	var indices []int
	failed := d.Kind() != jsonx.Object
	var vectorErr error
	for key := range d.Members() {
		switch string(key) {
		case "model":
			r.Model = scalar(d)
		case "usage":
			r.Usage = parseUsage(d)
		case "error":
			failed = failed || !d.Null()
		case "data":
			for i := range d.Elements() {
				var v []float32
				for k := range d.Members() {
					switch string(k) {
					case "index":
						i = int(d.Int())
					case "embedding":
						v, vectorErr = vector(d, vectorErr)
					}
				}
				r.Vectors, indices = append(r.Vectors, v), append(indices, i)
			}
		}
	}
	if failed {
		return nil, translate.ParseErrorBody(http.StatusOK, nil, bytes.Clone(body))
	}
	err := d.End()
	if err == nil {
		err = vectorErr
	}
	if err != nil {
		return nil, translate.Malformed(err)
	}
	ordered := make([][]float32, len(r.Vectors))
	for n, i := range indices {
		if i < 0 || i >= len(ordered) || ordered[i] != nil || r.Vectors[n] == nil {
			return nil, translate.Malformed(&jsonx.SyntaxError{Msg: "vector " + strconv.Itoa(i) + " is missing, doubled or out of range"})
		}
		ordered[i] = r.Vectors[n]
	}
	r.Vectors = ordered
	return r, nil
}

func vector(d *jsonx.Decoder, prev error) ([]float32, error) {
	if d.Kind() == jsonx.String {
		v, err := translate.DecodeBase64Vector(d.String())
		if prev != nil {
			err = prev
		}
		return v, err
	}
	v := []float32{}
	for range d.Elements() {
		v = append(v, float32(d.Float()))
	}
	return v, prev
}

// ParseEmbeddingRequest parses a client's request. Its error is an *Error
// meant for the client.
func (Embeddings) ParseEmbeddingRequest(body []byte) (*translate.EmbeddingRequest, error) {
	d := jsonx.NewDecoder(body)
	r := new(translate.EmbeddingRequest)
	if d.Kind() != jsonx.Object && jsonx.Valid(body) {
		return nil, translate.Errorf(translate.InvalidRequest, "the request must be a JSON object, got %s", d.Kind())
	}
	for key := range d.Members() {
		switch string(key) {
		case "model":
			r.Model = d.String()
		case "input":
			embeddingInput(d, r)
		case "dimensions":
			r.Dimensions = jsonx.Optional(d, d.Int)
		case "encoding_format":
			switch f := d.String(); f {
			case "", "float", "base64":
				r.EncodingFormat = f
			default:
				d.Fail(&translate.MemberError{Path: "encoding_format", Msg: "expected float or base64, got " + strconv.Quote(f)})
			}
		case "user":
			r.User = d.String()
		default:
			r.Extra = append(r.Extra, translate.Member{Name: string(key), Value: d.Raw()})
		}
	}
	if err := d.End(); err != nil {
		return nil, translate.RequestError(body, err)
	}
	if r.Len() == 0 {
		return nil, translate.RequestError(body, &translate.MemberError{Path: "input", Msg: "this member is required: text, or a list of texts"})
	}
	return r, nil
}

// embeddingInput reads a text, a list of texts, a list of tokens, or a list of
// lists of tokens.
func embeddingInput(d *jsonx.Decoder, r *translate.EmbeddingRequest) {
	if d.Kind() == jsonx.String {
		r.Inputs = []string{d.String()}
		return
	}
	var flat []int
	for i := range d.Elements() {
		switch d.Kind() {
		case jsonx.String:
			r.Inputs = append(r.Inputs, d.String())
		case jsonx.Number:
			flat = append(flat, int(d.Int()))
		case jsonx.Array:
			tokens := []int{}
			for range d.Elements() {
				tokens = append(tokens, int(d.Int()))
			}
			r.Tokens = append(r.Tokens, tokens)
		default:
			d.Fail(&translate.MemberError{Path: "input[" + strconv.Itoa(i) + "]", Msg: "expected a text or tokens"})
		}
	}
	if flat != nil {
		r.Tokens = append(r.Tokens, flat)
	}
	kinds := 0
	for _, n := range []int{len(r.Inputs), len(r.Tokens) - min(len(flat), 1), len(flat)} {
		kinds += min(n, 1)
	}
	if kinds > 1 {
		d.Fail(&translate.MemberError{Path: "input", Msg: "texts and tokens are mixed"})
	}
}

// AppendEmbeddingResponse appends the answer as the client asked for it.
func (Embeddings) AppendEmbeddingResponse(dst []byte, req *translate.EmbeddingRequest, resp *translate.EmbeddingResponse) []byte {
	e := jsonx.Encoder{B: append(dst, '{')}
	e.Key("object").String("list").Key("data").Array()
	for i, v := range resp.Vectors {
		e.Object().Key("object").String("embedding").Key("index").Int(int64(i)).Key("embedding")
		if req.EncodingFormat == "base64" {
			e.B = append(e.B, '"')
			e.B = append(translate.AppendBase64Vector(e.B, v), '"')
		} else {
			e.Array()
			for j, f := range v {
				if j > 0 {
					e.B = append(e.B, ',')
				}
				if f != f || f-f != 0 { // JSON has neither NaN nor infinities
					f = 0
				}
				e.B = strconv.AppendFloat(e.B, float64(f), 'g', -1, 32)
			}
			e.EndArray()
		}
		e.EndObject()
	}
	e.EndArray().Key("model")
	if resp.Model != "" {
		e.String(resp.Model)
	} else {
		e.String(req.Model)
	}
	var in int64
	if resp.Usage != nil {
		in = resp.Usage.TotalInput()
	}
	e.Key("usage").Object().Key("prompt_tokens").Int(in).Key("total_tokens").Int(in).EndObject().EndObject()
	return e.B
}
