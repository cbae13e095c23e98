package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// ErrUnknownProvider is returned where a step's provider has no place in the
// gateway.
var ErrUnknownProvider = errors.New("gateway: the gateway does not know the provider")

// ErrSigned is returned where a step's request is signed: the gateway writes
// the bodies of steps anew, and a signature is over the body's very bytes.
var ErrSigned = errors.New("gateway: a signed request cannot be a step")

// Signed reports whether a request carries an AWS signature.
func Signed(h http.Header) bool {
	return strings.HasPrefix(h.Get("Authorization"), "AWS4-HMAC-SHA256 ")
}

// Step is one request of a universal request: a request that a provider has
// built for itself.
type Step struct {
	Provider string // the provider's name in this module
	Request  *http.Request
}

// NewUniversal returns one request that has the gateway try the steps in order.
// Each step's body must be JSON. The answer is the first successful step's, in
// its provider's own format; StepOf tells which.
func (g *Gateway) NewUniversal(ctx context.Context, steps []Step) (*http.Request, error) {
	e := jsonx.Encoder{}
	e.Array()
	for _, s := range steps {
		endpoint, slug, ok := g.endpoint(s.Request.URL, s.Provider)
		if !ok {
			return nil, ErrUnknownProvider
		}
		if Signed(s.Request.Header) {
			return nil, ErrSigned
		}
		body, err := bodyOf(s.Request)
		if err != nil {
			return nil, err
		}
		if g.SharedCache && s.Request.Header.Get("Cf-Aig-Cache-Key") == "" {
			if key, ok := cacheKey(s.Request, slug+endpoint); ok {
				s.Request.Header.Set("Cf-Aig-Cache-Key", key)
			}
		}
		if s.Request.URL.RawQuery != "" {
			endpoint += "?" + s.Request.URL.RawQuery
		}
		e.Object().Key("provider").String(slug).Key("endpoint").String(strings.TrimPrefix(endpoint, "/")).Key("headers").Object()
		names := make([]string, 0, len(s.Request.Header))
		for name := range s.Request.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			e.KeyString(name).String(strings.Join(s.Request.Header[name], ", "))
		}
		e.EndObject().Key("query").Raw(body).EndObject()
	}
	e.EndArray()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL(), bytes.NewReader(e.B))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	g.Authorize(r.Header)
	return r, nil
}

func bodyOf(r *http.Request) ([]byte, error) {
	if r.GetBody == nil {
		return nil, errors.New("gateway: a step's body cannot be read")
	}
	rc, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err == nil && !jsonx.Valid(b) {
		err = errors.New("gateway: a step's body is not JSON")
	}
	return b, err
}

// StepOf returns the index of the step that answered; false where the answer
// does not say.
func StepOf(h http.Header) (int, bool) {
	n, err := strconv.Atoi(h.Get("Cf-Aig-Step"))
	return n, err == nil && n >= 0
}

// ClientStep is a step of a universal request that a client sent.
type ClientStep struct {
	Provider string // the slug
	Headers  http.Header
	raw      []byte
}

// ParseSteps reads a client's universal request: an array of steps, or one. A
// step that names its provider, endpoint or headers twice, or in two
// spellings, is refused: the gateway might read the other one, and a
// provider's key go to another.
func ParseSteps(body []byte) ([]ClientStep, error) {
	d := jsonx.NewDecoder(body)
	var steps []ClientStep
	step := func() {
		raw := d.Raw()
		if d.Err() != nil {
			return
		}
		s := ClientStep{raw: raw, Headers: http.Header{}}
		top, err := jsonx.Top(raw, "provider", "endpoint", "headers")
		if err != nil {
			d.Fail(err)
			return
		}
		if top[0] != nil {
			sd := jsonx.NewDecoder(top[0])
			s.Provider = sd.String()
			d.Fail(sd.Err())
		}
		if top[2] != nil {
			sd := jsonx.NewDecoder(top[2])
			for name := range sd.Members() {
				n := string(name)
				s.Headers.Set(n, sd.String())
			}
			d.Fail(sd.Err())
		}
		steps = append(steps, s)
	}
	if d.Kind() == jsonx.Array {
		for range d.Elements() {
			step()
		}
	} else {
		step()
	}
	return steps, d.End()
}

// AppendSteps writes the request again with each step's headers replaced by
// headers[i], and everything else as the client sent it.
func AppendSteps(dst []byte, steps []ClientStep, headers []http.Header) ([]byte, error) {
	e := jsonx.Encoder{B: dst}
	e.Array()
	for i, s := range steps {
		var h jsonx.Encoder
		h.Object()
		names := make([]string, 0, len(headers[i]))
		for name := range headers[i] {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			h.KeyString(name).String(strings.Join(headers[i][name], ", "))
		}
		h.EndObject()
		out, err := jsonx.Splice(nil, s.raw, jsonx.Edit{Name: "headers", Value: h.B})
		if err != nil {
			return dst, err
		}
		e.Raw(out)
	}
	e.EndArray()
	return e.B, nil
}
