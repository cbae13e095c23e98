package providertest

import (
	"bytes"
	"net/http"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/internal/sse"
)

// frames turns a stream of server-sent events into the frames in which
// Bedrock's InvokeModelWithResponseStream sends them.
func (r *Reply) frames() {
	r.Header = http.Header{"Content-Type": {"application/vnd.amazon.eventstream"}}
	for i, c := range r.Chunks {
		e, err := sse.NewScanner(bytes.NewReader(c), 0).Next()
		if err != nil {
			panic(err)
		}
		r.Chunks[i] = eventstream.AppendEvent(nil, "chunk", marshal(object{"bytes": e.Data, "p": "abcdef"}))
	}
}
