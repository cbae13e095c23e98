package bedrock

import (
	"encoding/base64"
	"errors"
	"io"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// NativeReader reads a model's own events out of the answer to
// InvokeModelWithResponseStream, whose frames carry them in base64
// (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html).
// It is not safe for concurrent use.
type NativeReader struct {
	r     *eventstream.Reader
	event []byte
}

// NewNativeReader returns a NativeReader of the answer's body.
func NewNativeReader(body io.Reader) *NativeReader {
	return &NativeReader{r: eventstream.NewReader(body, eventstream.DefaultMaxFrame)}
}

// Next returns the JSON of the next event, which is valid until the next call,
// and io.EOF at the stream's end. A failure that the stream reports, a frame
// that is broken and a stream that is cut inside one are *translate.Error.
func (n *NativeReader) Next() ([]byte, error) {
	for {
		f, err := n.r.Next()
		switch {
		case err == io.EOF:
			return nil, err
		case errors.Is(err, eventstream.ErrChecksum), errors.Is(err, eventstream.ErrFormat), errors.Is(err, eventstream.ErrTooLong):
			return nil, translate.Malformed(err)
		case err != nil:
			return nil, translate.Truncated(err)
		}
		if e := (Outbound{}).exception(&f); e != nil {
			return nil, e
		}
		if string(f.Text(":event-type")) != "chunk" {
			continue
		}
		if err := n.chunk(f.Payload); err != nil {
			return nil, translate.Malformed(err)
		}
		return n.event, nil
	}
}

// chunk reads {"bytes":"…"}, beside which stands padding.
func (n *NativeReader) chunk(payload []byte) error {
	d := jsonx.NewDecoder(payload)
	var encoded []byte
	for key := range d.Members() {
		if string(key) == "bytes" {
			encoded = d.Raw()
		}
	}
	if err := d.End(); err != nil {
		return err
	}
	s, ok := jsonx.Unquote(encoded)
	if !ok {
		return errors.New("a chunk without bytes")
	}
	var err error
	n.event, err = base64.StdEncoding.AppendDecode(n.event[:0], []byte(s))
	return err
}
