package llmproxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// serveEmbeddings serves /v1/embeddings, which clients know in OpenAI's format
// alone.
func (x *exchange) serveEmbeddings() error {
	if err := x.readBody(); err != nil {
		return err
	}
	model, _, err := x.modelMember()
	if err != nil {
		return err
	}
	x.rec.ModelAsked = model
	targets, err := x.targets(model, translate.OpenAI)
	if err != nil {
		return err
	}
	return x.cached(func() error { return x.embed(targets) })
}

// embed asks the targets.
func (x *exchange) embed(targets []target) error {
	var asked *translate.EmbeddingRequest // parsed where a target needs it
	parse := func() (err error) {
		if asked == nil {
			asked, err = openai.Embeddings{}.ParseEmbeddingRequest(x.body)
		}
		return err
	}
	codec := func(t *target) translate.EmbeddingCodec {
		if e, ok := t.provider.(provider.Embedder); ok {
			return e.Embeddings(t.model)
		}
		return nil
	}
	return x.run(targets, &job{
		op: provider.Embed,
		call: func(a *attempt) (*provider.Call, error) {
			if s, ok := a.target.provider.(provider.Supporter); ok && !s.Supports(provider.Embed, "", a.target.model) {
				return nil, translate.Errorf(translate.Unsupported, "%s has no embeddings", a.target.provider.Name())
			}
			c := &provider.Call{Op: provider.Embed, Model: a.target.model}
			ec := codec(a.target)
			c.Translated = ec != nil
			c.Header = headersUp(x.r.Header, false, c.Translated)
			a.format = translate.OpenAI
			if ec == nil {
				c.Body, c.Layout, c.Edits = x.body, x.layout, a.edits()
				return c, nil
			}
			a.format = ""
			if err := parse(); err != nil {
				return nil, err
			}
			req := *asked
			req.Model = a.target.model
			body, losses, err := ec.AppendRequest(nil, &req)
			a.losses = append(a.losses, losses...)
			c.Body = body
			return c, err
		},
		answer: func(a *attempt, resp *http.Response) error {
			ec := codec(a.target)
			if ec == nil && wantsBase64(x.body) && a.sendsFloats(resp) && parse() == nil {
				ec = openai.Embeddings{}
			}
			if ec == nil {
				tail := &tailReader{ReadCloser: resp.Body}
				resp.Body = tail
				err := a.relayRaw(resp)
				if resp.Header.Get("Content-Encoding") == "" {
					x.rec.Usage = tail.usage()
				}
				return err
			}
			body, err := a.readAnswer(resp)
			if err != nil {
				return err
			}
			parsed, err := ec.ParseResponse(body)
			if err == nil && len(parsed.Vectors) != asked.Len() {
				err = translate.Malformed(fmt.Errorf("%d vectors for %d inputs", len(parsed.Vectors), asked.Len()))
			}
			if err != nil {
				return err
			}
			x.rec.ResponseModel = parsed.Model
			if parsed.Model == "" {
				parsed.Model = a.target.model
			}
			x.rec.Usage = parsed.Usage
			out := openai.Embeddings{}.AppendEmbeddingResponse(nil, asked, parsed)
			a.writeHeader(resp, "application/json", false)
			a.firstByte()
			a.w.Header().Set("Content-Length", strconv.Itoa(len(out)))
			a.w.WriteHeader(resp.StatusCode)
			return a.write(out)
		},
	})
}

// tailReader keeps the end of what is read, where embeddings in OpenAI's shape
// tell their usage.
type tailReader struct {
	io.ReadCloser
	tail []byte
}

func (t *tailReader) Read(p []byte) (int, error) {
	const keep = 1 << 10
	n, err := t.ReadCloser.Read(p)
	t.tail = append(t.tail, p[max(0, n-keep):n]...)
	if over := len(t.tail) - keep; over > 0 {
		t.tail = append(t.tail[:0], t.tail[over:]...)
	}
	return n, err
}

// usage returns what was used; nil where the tail does not tell.
func (t *tailReader) usage() *translate.Usage {
	i := bytes.LastIndex(t.tail, usageKey)
	if i < 0 {
		return nil
	}
	_, object, _ := bytes.Cut(t.tail[i:], []byte(":"))
	var told struct {
		Input *int64 `json:"prompt_tokens"`
	}
	if json.NewDecoder(bytes.NewReader(object)).Decode(&told) != nil || told.Input == nil {
		return nil
	}
	return &translate.Usage{Input: *told.Input}
}

// wantsBase64 reports whether a request for embeddings asks for them in base64,
// as OpenAI's SDKs for Python and JavaScript do unasked.
func wantsBase64(body []byte) bool {
	found, err := jsonx.Top(body, "encoding_format")
	return err == nil && string(found[0]) == `"base64"`
}

// sendsFloats reports whether an answer in OpenAI's shape has its vectors as
// arrays, as servers send them that do not know base64. SDKs that asked for
// base64 would take these for it.
func (a *attempt) sendsFloats(resp *http.Response) bool {
	r, err := decoded(resp, a.p.Limits.Inflated)
	if err != nil {
		return false
	}
	const head = 4 << 10 // model and usage may come before the first vector
	buf := bufio.NewReaderSize(r, head)
	start, _ := buf.Peek(head)
	if resp.Header.Get("Content-Encoding") != "" {
		resp.Header.Del("Content-Encoding")
		resp.ContentLength = -1
	}
	resp.Body = readCloser{buf, resp.Body}
	return floats.Match(start)
}

var floats = regexp.MustCompile(`"embedding"\s*:\s*\[`)

// serveForward serves the OpenAI routes that are not translated: they go to the
// provider that the model names, in its own format.
func (x *exchange) serveForward() error {
	if err := x.readBody(); err != nil {
		return err
	}
	contentType := x.r.Header.Get("Content-Type")
	mediaType, params, _ := mime.ParseMediaType(contentType)
	var model string
	var err error
	multi := mediaType == "multipart/form-data"
	if multi {
		model, err = formModel(x.body, params["boundary"])
	} else {
		model, _, err = x.modelMember()
	}
	if err != nil {
		return err
	}
	x.rec.ModelAsked = model
	targets, err := x.targets(model, translate.OpenAI)
	if err != nil {
		return err
	}
	return x.run(targets, &job{op: provider.Forward, raw: true, answer: (*attempt).relayRaw, call: func(a *attempt) (*provider.Call, error) {
		c := &provider.Call{
			Op: provider.Forward, Model: a.target.model, Method: http.MethodPost, Path: x.rt.path, Query: withoutKey(x.r.URL.RawQuery),
			Header: headersUp(x.r.Header, false, false), ContentType: contentType,
		}
		var err error
		if multi {
			c.Body, err = withFormModel(x.body, params["boundary"], a.target.model)
		} else {
			c.Body, c.Layout, c.Edits = x.body, x.layout, a.edits()
		}
		return c, err
	}})
}

// formModel returns the field "model" of a multipart body, as audio routes
// have it.
func formModel(body []byte, boundary string) (string, error) {
	start, end, err := formField(body, boundary, "model")
	if err != nil {
		return "", err
	}
	model := string(body[start:end])
	if strings.TrimSpace(model) == "" {
		return "", memberError("model", "the request names no model")
	}
	return model, nil
}

// withFormModel replaces the field "model" and leaves every other byte.
func withFormModel(body []byte, boundary, model string) ([]byte, error) {
	start, end, err := formField(body, boundary, "model")
	if err != nil || string(body[start:end]) == model {
		return body, err
	}
	out := make([]byte, 0, len(body)+len(model))
	out = append(append(append(out, body[:start]...), model...), body[end:]...)
	return out, nil
}

// formField finds a field's value in a multipart body. A field given twice is
// refused, as two readers could see two models.
func formField(body []byte, boundary, name string) (start, end int, err error) {
	start = -1
	offset := 0
	delimiter := []byte("--" + boundary)
	bad := translate.Errorf(translate.InvalidRequest, "the request body is not a proper multipart form")
	if boundary == "" {
		return 0, 0, bad
	}
	// multipart.Reader checks the form and knows header syntax, but tells no
	// offsets; the parts are found by their delimiters beside it.
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if err != nil {
			break
		}
		at := bytes.Index(body[offset:], delimiter)
		if at < 0 {
			return 0, 0, bad
		}
		offset += at + len(delimiter)
		head := bytes.Index(body[offset:], []byte("\r\n\r\n"))
		if head < 0 {
			return 0, 0, bad
		}
		valueStart := offset + head + 4
		next := bytes.Index(body[valueStart:], append([]byte("\r\n"), delimiter...))
		if next < 0 {
			return 0, 0, bad
		}
		if part.FormName() == name && part.FileName() == "" {
			if start >= 0 {
				return 0, 0, memberError(name, "the field "+name+" is given more than once")
			}
			start, end = valueStart, valueStart+next
		}
		offset = valueStart + next + 2
	}
	if start < 0 {
		return 0, 0, memberError(name, "the request names no model")
	}
	return start, end, nil
}

// serveGeminiPass serves Gemini's own embedding methods: they are sent as they
// are, to providers that speak Gemini.
func (x *exchange) serveGeminiPass() error {
	targets, err := x.targets(x.rt.model, translate.Gemini)
	if err != nil {
		return err
	}
	x.rec.ModelAsked = x.rt.model
	t := targets[0]
	if f, ok := t.formatFor(translate.Gemini); !ok || f != translate.Gemini {
		return translate.Errorf(translate.Unsupported, "%s does not serve this method; use /v1/embeddings", t.provider.Name())
	}
	path := "/v1beta/models/" + provider.EscapeSegment(t.model) + ":" + x.rt.path
	return x.passTo(targets[:1], func(*attempt) *provider.Call {
		return &provider.Call{Op: provider.Pass, Model: t.model, Method: http.MethodPost, Path: path, Query: withoutKey(x.r.URL.RawQuery), Header: headersUp(x.r.Header, true, false)}
	})
}
