package rotate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// requestBody is a request's body, so that it can be sent more than once.
type requestBody struct {
	get     func() (io.ReadCloser, error) // nil: there is no body
	start   []byte                        // the body, or nothing when it is too large to look at
	replays bool
	rest    io.Closer // the original, to be closed in the end
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// readBody takes over the request's body, which it closes in the end, as a
// RoundTripper must.
func readBody(req *http.Request, limit int64) (*requestBody, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return &requestBody{replays: true}, nil
	}
	if limit <= 0 {
		limit = 32 << 20
	}
	data, err := io.ReadAll(io.LimitReader(req.Body, limit+1))
	if err != nil {
		req.Body.Close()
		return nil, fmt.Errorf("rotate: read the request: %w", err)
	}
	b := &requestBody{rest: req.Body, replays: true}
	switch {
	case int64(len(data)) <= limit:
		b.start = data
		b.get = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	case req.GetBody != nil:
		b.get = req.GetBody
	default:
		b.replays = false
		whole := io.MultiReader(bytes.NewReader(data), req.Body)
		b.get = func() (io.ReadCloser, error) { return io.NopCloser(whole), nil }
	}
	return b, nil
}

func (b *requestBody) attach(req *http.Request) error {
	if b.get == nil {
		return nil
	}
	body, err := b.get()
	if err != nil {
		return fmt.Errorf("rotate: replay the request: %w", err)
	}
	req.Body = body
	return nil
}

func (b *requestBody) Close() {
	if b.rest != nil {
		b.rest.Close()
	}
}

// requestModel finds the model of a request: in the path where providers have
// it there (Gemini, Bedrock, Azure), else in the JSON body; "" when nowhere.
func requestModel(u *url.URL, body []byte) string {
	for _, marker := range [...]string{"/models/", "/model/", "/deployments/"} {
		if _, after, ok := strings.Cut(u.Path, marker); ok && after != "" {
			after, _, _ = strings.Cut(after, "/")
			if marker == "/models/" {
				after, _, _ = strings.Cut(after, ":")
			}
			return after
		}
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return ""
	}
	var head struct {
		Model string `json:"model"`
	}
	if json.Unmarshal(body, &head) != nil {
		return ""
	}
	return head.Model
}
