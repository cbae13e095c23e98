// Package openai speaks OpenAI's Chat Completions format, as a server and as a
// client, and its embeddings format.
//
// Half of all providers speak a dialect of it. What a dialect wants to be sent
// is data, in Dialect. What it answers needs no switch: the decoder takes all
// dialects at once, because none of them contradicts another.
package openai

import (
	"crypto/rand"
	"time"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Inbound is the server's side. The zero value is ready to use.
//
// Reasoning is shown as DeepSeek and OpenRouter show it, since OpenAI's own
// format has no place for it: reasoning_content is its text, and
// reasoning_details, where there is state, holds what must come back. Both are
// read back from assistant messages. A client that echoes neither still
// carries the state, inside its tool calls' IDs (translate.PackToolID).
type Inbound struct {
	now func() int64 // tests fix the time; nil: the clock
}

// Outbound is the client's side. The zero value speaks to OpenAI.
type Outbound struct {
	// Origin marks the reasoning state that this provider gives out, so that
	// it is sent back to nobody else. Empty: "openai".
	Origin string
	// Dialect is what the provider's requests must look like.
	Dialect Dialect

	newID func() string // tests fix it; nil: random
}

var (
	_ translate.Inbound  = Inbound{}
	_ translate.Outbound = Outbound{}
)

// Dialect tells how a provider's requests differ from OpenAI's below the top
// level, where the difference is more than a parameter's name or absence. The
// zero value is OpenAI itself.
type Dialect struct {
	// SystemRole is the role of all system and developer messages. Empty:
	// each keeps its own, as only OpenAI and Azure know both; others: "system".
	SystemRole string
	// MergeSystem has one system message in front and lets user and assistant
	// take turns, for servers whose chat templates demand it.
	MergeSystem bool
	// StringContent writes content that is all text as one string.
	StringContent bool
	// ReasoningField is the member of an assistant message in which the
	// provider takes reasoning text back: "reasoning_content", "reasoning", or
	// "content" for Mistral's parts of type thinking. Empty: it takes none.
	ReasoningField string
	// EchoReasoning says that every assistant message must have that member,
	// empty where the reasoning is not known (DeepSeek, Kimi).
	EchoReasoning bool
	// ReasoningObject asks for reasoning by OpenRouter's reasoning object
	// instead of reasoning_effort.
	ReasoningObject bool
	// MaxTokensField is the bound's name. Empty: "max_completion_tokens".
	MaxTokensField string
	// NoStreamOptions leaves out stream_options, which some servers refuse;
	// these send usage unasked.
	NoStreamOptions bool
	// NoToolChoice says that the provider has no tool_choice.
	NoToolChoice bool
	// FilterTools restricts a choice of several tools by leaving the others
	// out, for providers without tool_choice's allowed_tools.
	FilterTools bool
	// ToolIDLength demands tool-call IDs of exactly so many letters and
	// digits (Mistral: 9). 0: IDs of up to 64 bytes are sent as they are.
	ToolIDLength int
	// ToolResultNames writes the tool's name on tool messages (Mistral).
	ToolResultNames bool
	// DataURLsOnly says that images must be sent inside the request; one by
	// URL is then refused.
	DataURLsOnly bool
	// DocumentURLs says that documents are parts of type document_url, whose
	// URL may be a data: URL, instead of type file (Mistral).
	DocumentURLs bool
	// Prefix says that a last assistant message marked "prefix": true is
	// continued (DeepSeek's beta, Mistral).
	Prefix bool
	// CacheMark is the member that marks the end of a cached prefix:
	// "prompt_cache_breakpoint" (OpenAI from gpt-5.6), "cache_control"
	// (OpenRouter). Empty: there is none.
	CacheMark string
	// TopK says that the provider knows top_k and min_p.
	TopK bool
	// MaxStops is how many stop sequences it takes. 0: 4; below 0: any number.
	MaxStops int
}

func (o Outbound) origin() string {
	if o.Origin == "" {
		return "openai"
	}
	return o.Origin
}

func (o Outbound) randomID() string {
	if o.newID != nil {
		return o.newID()
	}
	return rand.Text()
}

func (in Inbound) clock() int64 {
	if in.now != nil {
		return in.now()
	}
	return time.Now().Unix()
}
