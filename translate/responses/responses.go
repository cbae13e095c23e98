// Package responses speaks OpenAI's Responses format, as a server and as a
// client.
//
// xAI, Azure, Perplexity's Agent API and others answer in dialects of it. The
// decoder takes all of them at once, because none contradicts another; what a
// dialect wants to be sent is data, in Dialect.
package responses

import (
	"crypto/rand"
	"time"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Inbound is the server's side. The zero value is ready to use.
//
// Reasoning is shown as reasoning items: the text as a summary, the state
// sealed in encrypted_content, whoever made it. A tool call's own state, for
// which the format has no place, travels in its call_id.
//
// A streamed failure is what OpenAI sends: an error event, which the official
// SDKs raise, and then response.failed with the response's ID, which Codex
// waits for.
type Inbound struct {
	now   func() int64  // tests fix the time; nil: the clock
	newID func() string // tests fix it; nil: random
}

// Outbound is the client's side. The zero value speaks to OpenAI.
//
// The proxy keeps no conversations, so a request from another format says
// store: false unless its client said otherwise, and asks for reasoning in a
// form that can be sent back. A client of this format has said itself what it
// wants.
type Outbound struct {
	// Origin marks the reasoning state that this provider gives out, so that
	// it is sent back to nobody else. Empty: "openai".
	Origin string
	// Dialect is what the provider's requests must look like.
	Dialect Dialect
}

// Dialect tells how a provider's requests differ from OpenAI's. The zero value
// is OpenAI itself, Azure and xAI.
type Dialect struct {
	// ResponseFormat asks for structured output by Chat's response_format
	// instead of text.format (Perplexity).
	ResponseFormat bool
	// NoEncryptedReasoning leaves out include "reasoning.encrypted_content",
	// which models that do not reason refuse and Perplexity does not know.
	NoEncryptedReasoning bool
	// NoStore leaves out store.
	NoStore bool
	// ReasoningText sends reasoning that has no state back as reasoning_text
	// (open models on vLLM and the like). Else it is a Loss.
	ReasoningText bool
	// CacheBreakpoints marks the end of cached prefixes with
	// prompt_cache_breakpoint (OpenAI from gpt-5.6).
	CacheBreakpoints bool
}

var (
	_ translate.Inbound     = Inbound{}
	_ translate.Outbound    = Outbound{}
	_ translate.URLAcceptor = Outbound{}
)

// AcceptsURL implements translate.URLAcceptor: images and files may be URLs.
func (Outbound) AcceptsURL(m *translate.Media) bool {
	return m.Kind == translate.Image || m.Kind == translate.File
}

func (o Outbound) origin() string {
	if o.Origin == "" {
		return "openai"
	}
	return o.Origin
}

func (in Inbound) clock() int64 {
	if in.now != nil {
		return in.now()
	}
	return time.Now().Unix()
}

func (in Inbound) randomID() string {
	if in.newID != nil {
		return in.newID()
	}
	return rand.Text()
}
