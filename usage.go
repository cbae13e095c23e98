package llmproxy

import (
	"bytes"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// OpenAI's Chat tells the usage of a stream only where it is asked for. The
// proxy asks in any case where the provider knows the question, and takes the
// answer out again for a client that did not.

// wantsUsage reports whether the client asks for the usage of its stream.
func (x *exchange) wantsUsage() bool {
	if jsonx.KindOf(x.streamOptions) != jsonx.Object {
		return false
	}
	found, err := jsonx.Top(x.streamOptions, "include_usage")
	return err == nil && string(found[0]) == "true"
}

// asksUsage reports whether the proxy has to ask for a stream's usage of its
// own accord.
func (a *attempt) asksUsage() bool {
	if !a.stream || a.format != translate.OpenAI || a.rt.format != translate.OpenAI {
		return false
	}
	out, ok := a.out.(openai.Outbound)
	return ok && !out.Dialect.NoStreamOptions && !a.wantsUsage()
}

// usageEdit asks for usage.
func (x *exchange) usageEdit() provider.Edit {
	options := []byte(`{"include_usage":true}`)
	if jsonx.KindOf(x.streamOptions) == jsonx.Object {
		if more, err := jsonx.Splice(nil, x.streamOptions, jsonx.Edit{Name: "include_usage", Value: []byte("true")}); err == nil {
			options = more
		}
	}
	return provider.Edit{Name: "stream_options", Value: options}
}

var (
	usageKey  = []byte(`"usage"`)
	usageNull = []byte(`,"usage":null`)
)

// appendWithoutUsage appends a frame as a client reads it that did not ask for
// usage: nothing of a chunk that holds usage alone, and other chunks without
// the null that then stands in them. Neither can stand in content, where the
// quotes would be escaped.
func appendWithoutUsage(dst, frame []byte) []byte {
	if i := lastUsageNull(frame); i >= 0 {
		return append(append(dst, frame[:i]...), frame[i+len(usageNull):]...)
	}
	if !bytes.Contains(frame, usageKey) {
		return append(dst, frame...)
	}
	data := bytes.TrimSpace(bytes.TrimPrefix(frame, []byte("data:")))
	found, err := jsonx.Top(data, "choices", "usage")
	if err != nil || jsonx.KindOf(found[1]) != jsonx.Object || string(bytes.Map(nonSpace, found[0])) != "[]" {
		return append(dst, frame...)
	}
	return dst
}

// lastUsageNull is bytes.LastIndex for usageNull, which stands near the end: it
// looks for its colon first.
func lastUsageNull(frame []byte) int {
	for i := len(frame); ; {
		if i = bytes.LastIndexByte(frame[:i], ':'); i < 0 {
			return -1
		}
		if start := i - len(`,"usage"`); start >= 0 && bytes.HasPrefix(frame[start:], usageNull) {
			return start
		}
	}
}

func nonSpace(r rune) rune {
	if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
		return -1
	}
	return r
}
