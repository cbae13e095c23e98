package cohere

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// messages writes the conversation. Neighbours of one role become one message,
// so that all the calls that a model made at once stand together, and tool
// results messages of their own before the user's words.
func (w *writer) messages() {
	all := w.r.Messages
	w.Key("messages").Array()
	for i := 0; i < len(all); {
		end := i + 1
		switch all[i].Role {
		case translate.System, translate.Developer:
			w.system(i)
		default:
			for end < len(all) && all[end].Role == all[i].Role {
				end++
			}
			if all[i].Role == translate.Assistant {
				w.assistant(i, end)
			} else {
				w.user(i, end)
			}
		}
		for ; i < end; i++ {
			if all[i].Name != "" {
				w.losses.Add("messages["+strconv.Itoa(i)+"].name", "Cohere's messages have no names")
			}
		}
	}
	w.EndArray()
}

// open starts a message; its content is a string where one text is all of it.
func (w *writer) open(role string) { w.Object().Key("role").String(role) }

func (w *writer) text(s string) {
	w.Object().Key("type").String("text").Key("text").String(s).EndObject()
}

func (w *writer) system(i int) {
	w.open("system")
	parts := w.r.Messages[i].Parts
	if len(parts) == 1 {
		if t, ok := parts[0].(*translate.Text); ok {
			w.cache(t.Cache, "messages", i)
			w.Key("content").String(t.Text).EndObject()
			return
		}
	}
	w.Key("content").Array()
	for j, p := range parts {
		t, ok := p.(*translate.Text)
		if !ok {
			w.losses.Add(w.r.Path(i, j), "a system message holds text only")
			continue
		}
		w.cache(t.Cache, "messages", i)
		w.text(t.Text)
	}
	w.EndArray().EndObject()
}

// user writes the messages from i to end: tool results first, then the rest.
func (w *writer) user(i, end int) {
	rest, results := 0, 0
	var only *translate.Text
	for k := i; k < end; k++ {
		for j, p := range w.r.Messages[k].Parts {
			if res, ok := p.(*translate.ToolResult); ok {
				w.toolResult(res, k, j)
				results++
				continue
			}
			only, _ = p.(*translate.Text)
			rest++
		}
	}
	if rest == 0 && results > 0 {
		return
	}
	w.open("user")
	if rest == 1 && only != nil && only.State == nil {
		w.cache(only.Cache, "messages", i)
		w.Key("content").String(only.Text).EndObject()
		return
	}
	if rest == 0 {
		w.Key("content").String("").EndObject()
		return
	}
	w.Key("content").Array()
	for k := i; k < end; k++ {
		for j, p := range w.r.Messages[k].Parts {
			if _, ok := p.(*translate.ToolResult); !ok {
				w.userPart(p, k, j)
			}
		}
	}
	w.EndArray().EndObject()
}

func (w *writer) userPart(p translate.Part, i, j int) {
	switch p := p.(type) {
	case *translate.Text:
		w.cache(p.Cache, "messages", i)
		w.text(p.Text)
	case *translate.Refusal:
		w.text(p.Text)
	case *translate.Media:
		w.cache(p.Cache, "messages", i)
		w.media(p, w.r.Path(i, j))
	case *translate.Opaque:
		w.opaque(p, w.r.Path(i, j))
	default:
		w.losses.Add(w.r.Path(i, j), "does not belong into a user message")
	}
}

func (w *writer) opaque(p *translate.Opaque, path string) {
	if p.Format == translate.Cohere {
		w.Raw(p.Raw)
		return
	}
	w.losses.Add(path, p.Type+" is not known outside the "+string(p.Format)+" format")
}

func (w *writer) media(m *translate.Media, path string) {
	switch {
	case m.FileID != "":
		w.fail(path, "a file kept by "+string(m.Format)+" cannot be read by Cohere")
	case m.Kind == translate.File && m.Text != "":
		w.documents = append(w.documents, m)
		w.losses.Add(path, "sent as a document beside the conversation")
	case m.Kind != translate.Image:
		w.fail(path, "Cohere takes text and images, no "+string(m.Kind))
	default:
		url := m.URL
		if url == "" {
			url = m.DataURL()
		}
		w.Object().Key("type").String("image_url").Key("image_url").Object().Key("url").String(url)
		switch m.Detail {
		case "low", "high", "auto":
			w.Key("detail").String(m.Detail)
		case "":
		default:
			w.losses.Add(path+".detail", "Cohere knows low, high and auto")
		}
		w.EndObject().EndObject()
	}
}

// documentData writes what a document holds, all of which the model reads.
func (w *writer) documentData(m *translate.Media) {
	w.Key("data").Object()
	if m.Name != "" {
		w.Key("title").String(m.Name)
	}
	if m.Context != "" {
		w.Key("context").String(m.Context)
	}
	w.Key("text").String(m.Text).EndObject()
}

func (w *writer) toolResult(res *translate.ToolResult, i, j int) {
	path := w.r.Path(i, j)
	w.cache(res.Cache, "messages", i)
	if res.IsError {
		w.losses.Add(path, "Cohere's tool results do not tell that a tool failed")
	}
	w.open("tool")
	w.Key("tool_call_id").String(res.ToolUseID).Key("content")
	switch t, ok := single(res.Parts); {
	case ok:
		w.cache(t.Cache, "messages", i)
		w.String(t.Text).EndObject()
		return
	case len(res.Parts) == 0:
		w.String("").EndObject()
		return
	}
	w.Array()
	for n, p := range res.Parts {
		at := path + ".content[" + strconv.Itoa(n) + "]"
		switch p := p.(type) {
		case *translate.Text:
			w.cache(p.Cache, "messages", i)
			w.text(p.Text)
		case *translate.Media:
			if p.Kind != translate.File || p.Text == "" {
				w.fail(at, "Cohere's tool results hold text, no "+string(p.Kind))
				continue
			}
			w.Object().Key("type").String("document").Key("document").Object()
			w.documentData(p)
			w.EndObject().EndObject()
		case *translate.Opaque:
			w.opaque(p, at)
		default:
			w.losses.Add(at, "does not belong into a tool result")
		}
	}
	w.EndArray().EndObject()
}

func single(parts []translate.Part) (*translate.Text, bool) {
	if len(parts) != 1 {
		return nil, false
	}
	t, ok := parts[0].(*translate.Text)
	return t, ok
}

// assistant writes the messages from i to end as one.
func (w *writer) assistant(i, end int) {
	var a answer
	for k := i; k < end; k++ {
		m := &w.r.Messages[k]
		if m.Prefill {
			w.losses.Add("messages["+strconv.Itoa(k)+"]", "Cohere does not continue a message that is begun")
		}
		for j, p := range m.Parts {
			w.sort(&a, p, k, j)
		}
	}
	if len(a.content)+len(a.calls)+len(a.thinking) == 0 {
		return // nothing of it is left
	}
	w.open("assistant")
	plan := len(a.calls) > 0
	if len(a.content) > 0 || !plan {
		w.Key("content").Array()
		if !plan {
			for _, t := range a.thinking {
				w.Object().Key("type").String("thinking").Key("thinking").String(t).EndObject()
			}
		}
		for _, p := range a.content {
			switch p := p.(type) {
			case *translate.Text:
				w.text(p.Text)
			case *translate.Refusal:
				w.text(p.Text)
			case *translate.Opaque:
				w.Raw(p.Raw)
			}
		}
		w.EndArray()
	}
	if plan {
		w.calls(&a)
	}
	if len(a.citations) > 0 {
		w.Key("citations").Array()
		for _, c := range a.citations {
			w.Raw(c.Raw)
		}
		w.EndArray()
	}
	w.EndObject()
}

// answer is an assistant message, sorted by the members of Cohere's.
type answer struct {
	thinking  []string
	content   []translate.Part
	calls     []*translate.ToolUse
	citations []translate.Citation
}

func (w *writer) sort(a *answer, p translate.Part, i, j int) {
	switch p := p.(type) {
	case *translate.Text:
		w.cache(p.Cache, "messages", i)
		w.foreign(p.State, i, j)
		w.citations(a, p, i, j)
		if p.Text != "" {
			a.content = append(a.content, p)
		}
	case *translate.Refusal:
		a.content = append(a.content, p)
	case *translate.Thinking:
		if !w.foreign(p.State, i, j) && p.Text != "" {
			a.thinking = append(a.thinking, p.Text)
		}
	case *translate.ToolUse:
		w.cache(p.Cache, "messages", i)
		w.foreign(p.State, i, j)
		a.calls = append(a.calls, p)
	case *translate.Media:
		w.fail(w.r.Path(i, j), "Cohere's assistant messages hold text, no "+string(p.Kind))
	case *translate.Opaque:
		if p.Format == translate.Cohere {
			a.content = append(a.content, p)
			return
		}
		w.opaque(p, w.r.Path(i, j))
	default:
		w.losses.Add(w.r.Path(i, j), "does not belong into an assistant message")
	}
}

// foreign reports state that is not Cohere's, as a Loss.
func (w *writer) foreign(s *translate.State, i, j int) bool {
	if s == nil || s.Origin == w.origin {
		return false
	}
	w.losses.Add(w.r.Path(i, j), "reasoning state of "+s.Origin+" cannot be used by "+w.origin)
	return true
}

func (w *writer) citations(a *answer, t *translate.Text, i, j int) {
	lost := false
	for _, c := range t.Citations {
		if c.Format == translate.Cohere && len(c.Raw) > 0 {
			a.citations = append(a.citations, c)
		} else {
			lost = true
		}
	}
	if lost {
		w.losses.Add(w.r.Path(i, j)+".citations", "citations of another provider mean nothing to Cohere")
	}
}

func (w *writer) calls(a *answer) {
	if len(a.thinking) > 0 {
		w.Key("tool_plan").String(strings.Join(a.thinking, "\n\n"))
	}
	w.Key("tool_calls").Array()
	for _, u := range a.calls {
		w.Object().Key("id").String(u.ID).Key("type").String("function").Key("function").Object().Key("name").String(u.Name)
		input, _ := u.InputObject()
		w.Key("arguments").String(string(input)).EndObject().EndObject()
	}
	w.EndArray()
}
