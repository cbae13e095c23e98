package llmproxy

import (
	"slices"
	"strings"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

// target is a model at a provider.
type target struct {
	provider provider.Provider
	model    string // in the provider's terms

	client, format translate.Format // what formatFor chose for which client; empty: not asked yet
}

// targets finds what a client's model name stands for: an alias's targets,
// "default", "provider/model", or a bare name at the home provider of the
// route's format.
func (x *exchange) targets(model string, f translate.Format) ([]target, error) {
	p := x.p
	names := p.aliases[model]
	if names == nil {
		if model == "default" {
			if p.defaultModel == "" {
				return nil, modelError("no default model is configured")
			}
			model = p.defaultModel
			names = p.aliases[model]
		}
		if names == nil {
			t, err := p.target(model, f)
			if err != nil {
				return nil, err
			}
			return append(x.first.targets[:0], t), nil
		}
	}
	out := make([]target, 0, len(names))
	for _, n := range names {
		t, err := p.target(n, f)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (p *Proxy) target(model string, f translate.Format) (target, error) {
	prefix, rest, found := strings.Cut(model, "/")
	if prefix == "models" && found { // Gemini's own prefix
		return p.target(rest, f)
	}
	if !found {
		home := p.homes[f]
		pr, ok := p.byName[home]
		if !ok {
			return target{}, modelError("the model " + quote(model) + " names no provider; use provider/model, as GET /v1/models lists them")
		}
		return target{provider: pr, model: model}, nil
	}
	if alias, ok := p.names[prefix]; ok {
		prefix = alias
	}
	pr, ok := p.byName[prefix]
	if !ok {
		return target{}, modelError("no provider " + quote(prefix) + " is configured; GET /v1/models lists the models")
	}
	if rest == "" {
		return target{}, modelError("the model is empty after " + quote(prefix+"/"))
	}
	return target{provider: pr, model: rest}, nil
}

func modelError(msg string) error {
	e := translate.Errorf(translate.NotFound, "%s", msg)
	e.Code, e.Param = "model_not_found", "model"
	return e
}

// quote shows a client's word in a message, cut where it is long.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return `"` + strings.ToValidUTF8(s, "?") + `"`
}

// formatFor chooses the format in which to call a target: the client's own
// where the provider speaks it, so that bytes pass, else the provider's best.
func (t *target) formatFor(f translate.Format) (translate.Format, bool) {
	if t.client != f || t.format == "" {
		formats := t.provider.Formats(t.model)
		switch {
		case len(formats) == 0:
			return "", false
		case slices.Contains(formats, f):
			t.format = f
		default:
			t.format = formats[0]
		}
		t.client = f
	}
	return t.format, true
}
