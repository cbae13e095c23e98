package clienttest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/translate"
)

// loopUpstream is a provider that wants back in each turn what it gave out.
type loopUpstream struct {
	model    string
	make     func() *provider.HTTP
	thinks   bool // gives thoughts out, and wants their text back
	signs    bool // gives state out, and wants it back unchanged
	noReturn bool // wants the state alone, no thoughts
}

var loopUpstreams = []loopUpstream{
	{model: "mistral/magistral", make: provider.Mistral},
	{model: "deepseek/deepseek-reasoner", make: provider.DeepSeek, thinks: true},
	{model: "openai/gpt-5-codex", make: provider.OpenAI, thinks: true, signs: true},
	{model: "anthropic/claude-sonnet-4-5", make: provider.Anthropic, thinks: true, signs: true},
	{model: "google-ai-studio/gemini-3-pro", make: provider.GoogleAIStudio, thinks: true, signs: true, noReturn: true},
	{model: "cohere/command-a-reasoning", make: provider.Cohere, thinks: true},
	{model: "aws-bedrock/anthropic.claude-sonnet-4-5-v1:0", thinks: true, signs: true,
		make: func() *provider.HTTP { return provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}) }},
}

// step is one turn of a conversation: what the client says, and what the
// provider answers.
type step struct {
	user    string
	results []string
	answer  providertest.Answer
}

// facts lists what the step must leave in the next turn's request.
func (s step) facts(up loopUpstream) (out []string) {
	if s.user != "" {
		out = append(out, "user "+s.user)
	}
	a := s.answer
	if a.Thinking != "" && a.Thinking != atEase && up.thinks && !up.noReturn {
		f := "thinking " + a.Thinking
		if up.signs {
			f += " signed " + a.Signature
		}
		out = append(out, f)
	}
	if a.Text != "" {
		out = append(out, "text "+a.Text)
	}
	for i, c := range a.Tools {
		f := "call " + c.ID + " " + c.Name + compact(c.Arguments)
		if up.noReturn && up.signs && i == 0 {
			f += " signed " + a.Signature
		}
		out = append(out, f)
	}
	return out
}

// strict returns the script of a provider that answers 400 to a request that
// does not hold all of the conversation so far, in its own places for it.
func strict(up loopUpstream, steps []step) []providertest.Step {
	var script []providertest.Step
	var want []string
	for i, s := range steps {
		if i > 0 {
			for j, c := range steps[i-1].answer.Tools {
				want = append(want, "result "+c.ID+" "+s.results[j])
			}
		}
		facts := s.facts(up)
		if s.user != "" {
			want, facts = append(want, facts[0]), facts[1:]
		}
		wanted := slices.Clone(want)
		want = append(want, facts...)
		a := s.answer
		if !up.thinks {
			a.Thinking = ""
		}
		if !up.signs {
			a.Signature = ""
		}
		script = append(script, providertest.Step{Reply: func(q *providertest.Request) *providertest.Reply {
			if err := refuse(q, wanted, up); err != "" {
				return providertest.Fail(400, fmt.Sprintf("turn %d: %s\n%s", i+1, err, q.Body)).Reply(q)
			}
			return providertest.Say(a).Reply(q)
		}})
	}
	return script
}

// refuse returns why a real provider would refuse the request.
func refuse(q *providertest.Request, want []string, up loopUpstream) string {
	var body node
	if err := json.Unmarshal(q.Body, &body.v); err != nil {
		return err.Error()
	}
	if translate.Sealed(q.Body) {
		return "the request holds the proxy's own envelope"
	}
	h := history{up: up}
	switch q.Format {
	case translate.OpenAI:
		h.chat(body)
	case translate.Responses:
		if !strings.Contains(body.at("include").String(), "reasoning.encrypted_content") {
			return "encrypted reasoning is not asked for"
		}
		h.responses(body)
	case translate.Anthropic:
		if budget := body.at("thinking", "budget_tokens").num(); budget < 1024 || budget >= body.at("max_tokens").num() {
			return "thinking is not enabled, or its budget is not below max_tokens"
		}
		h.messages(body)
	case translate.Gemini:
		if body.at("generationConfig", "thinkingConfig").v == nil {
			return "thoughts are not asked for"
		}
		h.gemini(body)
	case translate.Cohere:
		h.chat(body)
	case translate.Bedrock:
		if budget := body.at("additionalModelRequestFields", "thinking", "budget_tokens").num(); budget < 1024 || budget >= body.at("inferenceConfig", "maxTokens").num() {
			return "thinking is not enabled, or its budget is not below max_tokens"
		}
		h.converse(body)
	}
	if !slices.Equal(h.facts, want) {
		return fmt.Sprintf("the history is\n%s\nwant\n%s", strings.Join(h.facts, "\n"), strings.Join(want, "\n"))
	}
	return ""
}

// node is a JSON value that can be asked for what it may not have.
type node struct{ v any }

func (n node) at(path ...string) node {
	for _, p := range path {
		m, _ := n.v.(map[string]any)
		n = node{m[p]}
	}
	return n
}

func (n node) list() (out []node) {
	l, _ := n.v.([]any)
	for _, v := range l {
		out = append(out, node{v})
	}
	return out
}

func (n node) str() string {
	s, _ := n.v.(string)
	return s
}

func (n node) num() float64 {
	f, _ := n.v.(float64)
	return f
}

func (n node) String() string {
	b, _ := json.Marshal(n.v)
	return string(b)
}

// history is a request's conversation, as facts in their order.
type history struct {
	up    loopUpstream
	facts []string
	ids   []string // of calls without a result, for formats that may go by order
	text  bool     // the last fact is a text that the next one continues
}

func (h *history) add(kind string, parts ...string) {
	h.text = false
	h.facts = append(h.facts, strings.TrimSpace(kind+" "+strings.Join(parts, " ")))
}

func (h *history) say(role, text string) {
	kind := "text "
	switch role {
	case "system", "developer":
		return
	case "user":
		kind = "user "
	}
	if text == "" {
		return
	}
	if n := len(h.facts) - 1; h.text && strings.HasPrefix(h.facts[n], kind) {
		h.facts[n] += text
		return
	}
	h.facts, h.text = append(h.facts, kind+text), true
}

func (h *history) think(text, signature string) {
	if text == atEase { // needs not come back after the answer is complete
		return
	}
	f := []string{text}
	if h.up.signs {
		f = append(f, "signed", signature)
	}
	h.add("thinking", f...)
}

func (h *history) call(id, name, arguments, signature string) {
	f := []string{id, name + compact(arguments)}
	if signature != "" {
		f = append(f, "signed", signature)
	}
	h.add("call", f...)
	h.ids = append(h.ids, id)
}

var resultWord = regexp.MustCompile(`result-\d+`)

// result takes what the tool said out of whatever it is wrapped in.
func (h *history) result(id, content string) {
	if len(h.ids) > 0 {
		if id == "" {
			id = h.ids[0]
		}
		h.ids = h.ids[1:]
	}
	h.add("result", id, resultWord.FindString(content))
}

// alternate checks that user and model take turns.
func (h *history) alternate(i int, m node) {
	if user := m.at("role").str() == "user"; user != (i%2 == 0) {
		h.add("two turns of one side")
	}
}

// content calls f for each part of a message's content, which may be a string.
func content(n node, f func(kind string, part node)) {
	if s := n.str(); s != "" {
		f("text", node{map[string]any{"text": s}})
	}
	for _, p := range n.list() {
		f(p.at("type").str(), p)
	}
}

func (h *history) chat(body node) {
	for _, m := range body.at("messages").list() {
		role := m.at("role").str()
		if role == "tool" {
			h.result(m.at("tool_call_id").str(), m.at("content").String())
			continue
		}
		if len(h.ids) > 0 {
			h.add("no results for", strings.Join(h.ids, " "))
		}
		for _, name := range []string{"reasoning_content", "tool_plan"} {
			if r := m.at(name).str(); r != "" {
				h.think(r, "")
			}
		}
		content(m.at("content"), func(kind string, p node) {
			if kind == "thinking" {
				h.think(p.at("thinking").str(), "")
				return
			}
			h.say(role, p.at("text").str())
		})
		for _, c := range m.at("tool_calls").list() {
			h.call(c.at("id").str(), c.at("function", "name").str(), c.at("function", "arguments").str(), "")
		}
	}
}

func (h *history) responses(body node) {
	input := body.at("input")
	if s := input.str(); s != "" {
		h.say("user", s)
	}
	for _, item := range input.list() {
		switch item.at("type").str() {
		case "reasoning":
			var text string
			for _, s := range item.at("summary").list() {
				text += s.at("text").str()
			}
			h.think(text, item.at("encrypted_content").str())
		case "function_call":
			h.call(item.at("call_id").str(), item.at("name").str(), item.at("arguments").str(), "")
		case "function_call_output":
			h.result(item.at("call_id").str(), item.at("output").String())
		default:
			content(item.at("content"), func(_ string, p node) { h.say(item.at("role").str(), p.at("text").str()) })
		}
	}
}

func (h *history) messages(body node) {
	for i, m := range body.at("messages").list() {
		h.alternate(i, m)
		content(m.at("content"), func(kind string, p node) {
			switch kind {
			case "text":
				h.say(m.at("role").str(), p.at("text").str())
			case "thinking":
				h.think(p.at("thinking").str(), p.at("signature").str())
			case "tool_use":
				h.call(p.at("id").str(), p.at("name").str(), p.at("input").String(), "")
			case "tool_result":
				h.result(p.at("tool_use_id").str(), p.at("content").String())
			}
		})
	}
}

func (h *history) gemini(body node) {
	for _, m := range body.at("contents").list() { // Google's own SDK repeats roles
		for _, p := range m.at("parts").list() {
			switch {
			case p.at("functionCall").v != nil:
				c := p.at("functionCall")
				args := c.at("args").String()
				if args == "null" {
					args = "{}"
				}
				h.call(c.at("id").str(), c.at("name").str(), args, p.at("thoughtSignature").str())
			case p.at("functionResponse").v != nil:
				r := p.at("functionResponse")
				h.result(r.at("id").str(), r.at("response").String())
			case p.at("thought").v != true:
				h.say(m.at("role").str(), p.at("text").str())
			}
		}
	}
}

func (h *history) converse(body node) {
	for i, m := range body.at("messages").list() {
		h.alternate(i, m)
		for _, p := range m.at("content").list() {
			switch {
			case p.at("text").v != nil:
				h.say(m.at("role").str(), p.at("text").str())
			case p.at("reasoningContent").v != nil:
				r := p.at("reasoningContent", "reasoningText")
				h.think(r.at("text").str(), r.at("signature").str())
			case p.at("toolUse").v != nil:
				u := p.at("toolUse")
				h.call(u.at("toolUseId").str(), u.at("name").str(), u.at("input").String(), "")
			case p.at("toolResult").v != nil:
				r := p.at("toolResult")
				h.result(r.at("toolUseId").str(), r.at("content").String())
			}
		}
	}
}
