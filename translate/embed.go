package translate

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
)

// EmbeddingRequest asks for the embeddings of texts. Exactly one of Inputs and
// Tokens is set. It is read-only once parsed.
type EmbeddingRequest struct {
	Model  string
	Inputs []string
	// Tokens are inputs that the client has turned into tokens itself, which
	// only a provider with the same tokenizer can read.
	Tokens     [][]int
	Dimensions *int64 // nil: the model's own
	// EncodingFormat is how the client wants its vectors: "float", "base64",
	// or empty for the default, which is float. A codec asks its provider
	// for whatever it can parse; only the client's side follows this word.
	EncodingFormat string
	User           string
	// Extra are the top-level members that have no field here, in order:
	// Cohere's input_type and Gemini's taskType reach their codecs this way.
	Extra []Member
}

// Len returns how many vectors the request asks for.
func (r *EmbeddingRequest) Len() int { return len(r.Inputs) + len(r.Tokens) }

// EmbeddingResponse holds one vector for each input, in the inputs' order.
type EmbeddingResponse struct {
	Model   string // empty where the provider names none
	Vectors [][]float32
	Usage   *Usage // nil: the provider told none
}

// EmbeddingCodec speaks a provider's embedding format. Implementations are
// immutable and safe for concurrent use.
type EmbeddingCodec interface {
	// AppendRequest appends the request that a provider is sent for r, and
	// returns what its format cannot carry. What makes no sense without that
	// (Tokens, above all) is an *Error of kind InvalidRequest.
	AppendRequest(dst []byte, r *EmbeddingRequest) ([]byte, []Loss, error)
	// ParseResponse parses a provider's answer. A body that reports a
	// failure under HTTP 200 gives an *Error.
	ParseResponse(body []byte) (*EmbeddingResponse, error)
}

// EncodeBase64Vector returns v as OpenAI's encoding_format "base64" has it:
// little-endian float32, in standard base64.
func EncodeBase64Vector(v []float32) string { return string(AppendBase64Vector(nil, v)) }

// AppendBase64Vector appends what EncodeBase64Vector returns.
func AppendBase64Vector(dst []byte, v []float32) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.AppendEncode(dst, raw)
}

// DecodeBase64Vector reverses EncodeBase64Vector.
func DecodeBase64Vector(s string) ([]float32, error) {
	raw, err := base64.StdEncoding.DecodeString(StandardBase64(s))
	if err != nil {
		return nil, err
	}
	if len(raw)%4 != 0 {
		return nil, errors.New("a base64 vector is not made of whole float32 numbers")
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v, nil
}
