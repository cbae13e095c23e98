package gemini

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendRequest implements translate.Outbound. The model and whether to stream
// are the URL's matter; r.Model decides what the model's generation takes.
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	w := requestWriter{o: o, r: r, places: r.Places(), own: r.Format == translate.Gemini, gen: generationOf(r.Model)}
	r.ExtraLosses(translate.Gemini, &w.losses)
	if err := w.refuse(); err != nil {
		return dst, w.losses, err
	}
	e := &w.e
	e.Object()
	w.messages()
	w.tools()
	w.config()
	w.rest()
	e.EndObject()
	if w.err != nil {
		return dst, w.losses, w.err
	}
	return append(dst, e.B...), w.losses, nil
}

// requestWriter writes a request.
type requestWriter struct {
	e      jsonx.Encoder
	o      Outbound
	r      *translate.Request
	own    bool // the client speaks this format
	gen    generation
	losses translate.Losses
	places translate.Places
	err    error
}

func (w *requestWriter) fail(path, msg string) {
	if w.err == nil {
		w.err = &translate.Error{Kind: translate.InvalidRequest, Message: path + ": " + msg, Param: path}
	}
}

// generation tells models apart by what they take (https://ai.google.dev/gemini-api/docs/thinking).
type generation int

const (
	older   generation = iota // no thinking
	budgets                   // 2.5: thinkingBudget
	levels                    // 3 and later: thinkingLevel, thought signatures demanded
	gemma                     // no system instruction, OpenAPI schemas
)

// generationOf goes by prefixes, and takes what it does not know for new.
func generationOf(model string) generation {
	model = model[strings.LastIndexByte(model, '/')+1:]
	switch {
	case strings.HasPrefix(model, "gemma"):
		return gemma
	case strings.HasPrefix(model, "gemini-1"), strings.HasPrefix(model, "gemini-2.0"), strings.HasPrefix(model, "learnlm"):
		return older
	case strings.HasPrefix(model, "gemini-2.5"):
		return budgets
	}
	return levels
}

// refuse returns an error for what makes no sense without this provider's help.
func (w *requestWriter) refuse() error {
	r := w.r
	switch {
	case r.Choices > 1 && !w.own:
		w.fail("n", "one answer only can be asked of this provider")
	case r.PreviousResponseID != "":
		w.fail("previous_response_id", "this provider keeps no responses; send the conversation itself")
	case len(r.Conversation) > 0:
		w.fail("conversation", "this provider keeps no conversations; send the conversation itself")
	case r.Background:
		w.fail("background", "this provider answers at once only")
	}
	if w.err != nil {
		return w.err
	}
	return nil
}

func (w *requestWriter) tools() {
	r, e := w.r, &w.e
	strict, functions := true, 0
	open := false
	array := func() {
		if !open {
			e.Key("tools").Array()
			open = true
		}
	}
	var only map[string]bool
	if r.ToolChoice.Mode == translate.ToolAuto {
		only = r.ToolChoice.Named()
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		if t.Kind != translate.FunctionTool || only != nil && !only[t.Name] {
			continue
		}
		if functions++; functions == 1 {
			array()
			e.Object().Key("functionDeclarations").Array()
		}
		strict = strict && t.Strict != nil && *t.Strict
		w.function(t, "tools["+strconv.Itoa(i)+"]")
	}
	if functions > 0 {
		e.EndArray().EndObject()
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		path := "tools[" + strconv.Itoa(i) + "]"
		switch {
		case t.Kind == translate.FunctionTool:
		case t.Kind == translate.HostedTool && t.Format == translate.Gemini:
			array()
			e.Raw(t.Raw)
		case t.Kind == translate.HostedTool:
			w.fail(path, "the tool "+t.Name+" runs at another provider and cannot be used here")
		default:
			w.fail(path, "custom tools are not known to this provider; use a function")
		}
	}
	if open {
		e.EndArray()
	}
	w.toolConfig(strict && functions > 0)
	if r.ParallelTools != nil && !*r.ParallelTools {
		w.losses.Add("parallel_tool_calls", "cannot be switched off at this provider")
	}
}

func (w *requestWriter) function(t *translate.Tool, path string) {
	e := &w.e
	if !legalName(t.Name) {
		w.fail(path+".name", "must start with a letter or an underscore and hold at most 128 of a-z, A-Z, 0-9, '_', '.', ':' and '-'")
	}
	if t.Cache != nil {
		w.losses.Add(path+".cache_control", "this provider caches by itself")
	}
	e.Object().Key("name").String(t.Name)
	if t.Description != "" {
		e.Key("description").String(t.Description)
	}
	if !emptySchema(t.Schema) {
		w.schema("parameters", "parametersJsonSchema", t.Schema, path+".parameters")
	}
	e.EndObject()
}

func legalName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '.' && c != ':' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// schema writes a schema in the form that the model takes.
func (w *requestWriter) schema(openAPI, json string, schema []byte, path string) {
	l := lowering{losses: &w.losses, openAPI: w.o.OpenAPISchema || w.gen == gemma || strings.HasPrefix(w.r.Model, "gemini-1"), root: schema}
	out, err := l.lower(schema, path)
	if err != nil {
		w.fail(path, err.Error())
		return
	}
	if l.openAPI {
		w.e.Key(openAPI).Raw(out)
	} else {
		w.e.Key(json).Raw(out)
	}
}

func (w *requestWriter) toolConfig(strict bool) {
	c, e := w.r.ToolChoice, &w.e
	mode := ""
	switch c.Mode {
	case translate.ToolRequired:
		mode = "ANY"
	case translate.ToolNone:
		mode = "NONE"
	case translate.ToolAuto:
		mode = "AUTO"
	}
	if strict && (mode == "" || mode == "AUTO") {
		mode = "VALIDATED"
	}
	config, calling := w.extra("toolConfig."), w.extra("toolConfig.functionCallingConfig.")
	if mode == "" && len(config)+len(calling) == 0 {
		return
	}
	e.Key("toolConfig").Object()
	if mode != "" || len(calling) > 0 {
		e.Key("functionCallingConfig").Object()
		if mode != "" {
			e.Key("mode").String(mode)
		}
		if len(c.Names) > 0 && mode == "ANY" {
			e.Key("allowedFunctionNames").Array()
			for _, n := range c.Names {
				e.String(n)
			}
			e.EndArray()
		}
		w.members(calling)
		e.EndObject()
	}
	w.members(config)
	e.EndObject()
}

// extra returns the members of Extra directly below a prefix, where the client
// speaks this format.
func (w *requestWriter) extra(prefix string) []translate.Member {
	if !w.own {
		return nil
	}
	var out []translate.Member
	for _, m := range w.r.Extra {
		if name, ok := strings.CutPrefix(m.Name, prefix); ok && !strings.Contains(name, ".") {
			out = append(out, translate.Member{Name: name, Value: m.Value})
		}
	}
	return out
}

func (w *requestWriter) members(list []translate.Member) {
	for _, m := range list {
		w.e.KeyString(m.Name).Raw(m.Value)
	}
}

// rest writes what stands at the top level beside contents, tools and
// generationConfig, and reports what has no place.
func (w *requestWriter) rest() {
	r, e := w.r, &w.e
	w.members(w.extra(""))
	if t := r.ServiceTier; t != "" {
		switch {
		case !w.o.Vertex && (w.own || t == "flex" || t == "priority"):
			e.Key("serviceTier").String(t)
		case t != "auto" && t != "default":
			w.losses.Add("service_tier", "not known to this provider")
		}
	}
	if r.Store != nil && (w.own && !w.o.Vertex) {
		e.Key("store").Bool(*r.Store)
	} else if r.Store != nil && *r.Store {
		w.losses.Add("store", "this provider keeps no answers")
	}
	if len(r.Metadata) > 0 {
		if w.o.Vertex || w.own {
			e.Key("labels").Object()
			names := make([]string, 0, len(r.Metadata))
			for n := range r.Metadata {
				names = append(names, n)
			}
			slices.Sort(names)
			for _, n := range names {
				e.KeyString(n).String(r.Metadata[n])
			}
			e.EndObject()
		} else {
			w.losses.Add("metadata", "this provider takes no tags")
		}
	}
	for _, l := range [...]struct {
		given bool
		path  string
	}{
		{r.User != "", "user"}, {r.CacheKey != "", "prompt_cache_key"}, {r.Cache != nil, "cache_control"}, {r.Verbosity != "", "verbosity"},
		{len(r.LogitBias) > 0, "logit_bias"}, {r.MinP != nil, "min_p"}, {len(r.Include) > 0, "include"}, {r.Truncation != "" && r.Truncation != "disabled", "truncation"},
	} {
		if l.given {
			w.losses.Add(l.path, "not known to this provider")
		}
	}
}
