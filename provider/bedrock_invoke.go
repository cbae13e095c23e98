package provider

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/bedrock"
)

// Claude speaks Messages on Bedrock by InvokeModel and by the path
// /anthropic/v1/messages. InvokeModel it is here: it serves every Claude in
// every region and partition, takes inference profiles and ARNs of all kinds,
// and is what AI Gateway knows. The body is Messages' but for where the model,
// the stream and the versions stand; a stream's frames carry the very events,
// so that clients get each event's bytes as Claude wrote them
// (docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html).

// bedrockVersion is the API version that Claude's body names on Bedrock.
const bedrockVersion = "bedrock-2023-05-31"

// invokeClaude has AWS's errors in place of Anthropic's.
type invokeClaude struct{ anthropic.Outbound }

func (invokeClaude) ParseError(status int, h http.Header, body []byte) *translate.Error {
	return bedrock.Outbound{}.ParseError(status, h, body)
}

// bedrockInvoke returns Claude's endpoint, and the one that counts its tokens.
func bedrockInvoke() (chat, count Endpoint) {
	chat = Endpoint{
		Format: translate.Anthropic, Models: bedrockClaude,
		Path: "/model/{model}/invoke", StreamPath: "/model/{model}/invoke-with-response-stream",
		Outbound: invokeClaude{anthropic.Outbound{Version: bedrockVersion, OmitModel: true, OmitStream: true, NoURLs: true}},
		Rules: []Rule{
			{Set: [][2]string{{"model", ""}, {"stream", ""}}},
			{Default: [][2]string{{"anthropic_version", `"` + bedrockVersion + `"`}, {"anthropic_beta", "{list Anthropic-Beta}"}}},
		},
	}
	// CountTokens takes the body that InvokeModel would, which must be whole:
	// with max_tokens, and more of it than thinking has.
	count = chat
	count.Path, count.StreamPath, count.Envelope = "/model/{model}/count-tokens", "", countEnvelope
	count.ModelMap = bedrockBase
	count.Rules = append(chat.Rules[:len(chat.Rules):len(chat.Rules)],
		Rule{If: "thinking.type", IfValue: `"enabled"`, Set: [][2]string{{"thinking.budget_tokens", "1024"}, {"max_tokens", "2048"}}},
		Rule{Default: [][2]string{{"max_tokens", "1"}}},
	)
	return chat, count
}

// bedrockBase returns the foundation model behind an inference profile's name:
// CountTokens knows no profiles.
func bedrockBase(model string) string {
	if strings.HasPrefix(model, "arn:") {
		model = model[strings.LastIndexByte(model, '/')+1:]
	}
	if i := strings.Index(model, "anthropic."); i > 0 && model[i-1] == '.' {
		return model[i:]
	}
	return model
}

func countEnvelope(body []byte) []byte {
	out := append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(body))+48), `{"input":{"invokeModel":{"body":"`...)
	return append(base64.StdEncoding.AppendEncode(out, body), `"}}}`...)
}

// bedrockTransport gives the answers of Claude's endpoints the form that they
// have at Anthropic: a stream of server-sent events, and a count by its name.
type bedrockTransport struct{ next http.RoundTripper }

const maxCount = 1 << 20

func (t bedrockTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	c, _ := callOf(r.Context())
	switch {
	case c.op == Chat && strings.HasSuffix(r.URL.Path, "/invoke-with-response-stream"):
		resp.Body = &invokeStream{body: resp.Body, events: bedrock.NewNativeReader(resp.Body)}
		setAnswer(resp, "text/event-stream", -1)
	case c.op == CountTokens && strings.HasSuffix(r.URL.Path, "/count-tokens"):
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxCount))
		if err != nil {
			return nil, err
		}
		body = countAnswer(body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		setAnswer(resp, "application/json", int64(len(body)))
	}
	return resp, nil
}

func setAnswer(resp *http.Response, contentType string, length int64) {
	resp.Header = resp.Header.Clone()
	resp.Header.Set("Content-Type", contentType)
	resp.Header.Del("Content-Length")
	resp.ContentLength = length
}

// countAnswer gives {"inputTokens":n} the name that Anthropic has for it.
func countAnswer(body []byte) []byte {
	if n, err := jsonx.Top(body, "inputTokens"); err == nil && n[0] != nil {
		if v, err := strconv.ParseInt(string(n[0]), 10, 64); err == nil {
			return anthropic.Inbound{}.AppendCountResponse(nil, v)
		}
	}
	return body
}

// invokeStream reads as server-sent events what comes in frames.
type invokeStream struct {
	body   io.Closer
	events *bedrock.NativeReader
	buf    []byte
	rest   []byte // of buf, not read yet
	err    error
}

func (s *invokeStream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 && s.err == nil {
		s.buf = s.buf[:0]
		event, err := s.events.Next()
		s.err = err
		var e *translate.Error
		switch {
		case err == nil:
			s.buf = sse.AppendEvent(s.buf, eventType(event), event)
		case errors.As(err, &e) && !translate.IsTruncated(err): // what Bedrock reports, or a frame that is broken
			s.buf, s.err = sse.AppendEvent(s.buf, "error", anthropic.Inbound{}.AppendError(nil, e)), io.EOF
		}
		s.rest = s.buf
	}
	if len(s.rest) > 0 {
		n := copy(p, s.rest)
		s.rest = s.rest[n:]
		return n, nil
	}
	return 0, s.err
}

func (s *invokeStream) Close() error { return s.body.Close() }

// eventType returns an event's type, by which it is named.
func eventType(event []byte) string {
	if found, err := jsonx.Top(event, "type"); err == nil {
		if name, ok := jsonx.Unquote(found[0]); ok && !strings.ContainsAny(name, "\r\n") {
			return name
		}
	}
	return ""
}
