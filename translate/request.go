package translate

import (
	"encoding/json"
	"strconv"
)

// Request is a chat request in no format's terms. Its zero value asks for
// nothing in particular: every field's zero value means "not given". Requests
// are read-only once parsed; a reader may share parts of them.
type Request struct {
	Format Format // the format it was parsed from
	Model  string
	Stream bool
	// IncludeUsage says that a streaming OpenAI client asked for usage; the
	// other formats always report it.
	IncludeUsage bool

	Messages []Message

	Tools         []Tool
	ToolChoice    ToolChoice
	ParallelTools *bool // nil: the provider's default, which is to allow them

	MaxTokens        *int64
	Temperature      *float64
	TopP             *float64
	TopK             *int64
	MinP             *float64
	Seed             *int64
	Stop             []string
	PresencePenalty  *float64
	FrequencyPenalty *float64
	Choices          int64 // how many answers: n, candidateCount; 0 is 1
	Logprobs         *bool
	TopLogprobs      *int64
	LogitBias        json.RawMessage

	Output    Output
	Reasoning Reasoning
	Verbosity string // "low", "medium", "high"

	User        string            // end user's identity: safety_identifier, user, metadata.user_id
	CacheKey    string            // prompt_cache_key: requests that share a prefix
	Cache       *CacheMark        // caching asked for the request as a whole
	Metadata    map[string]string // the client's own tags
	ServiceTier string            // in OpenAI's words: "auto", "default", "flex", "priority"
	Store       *bool             // whether the provider may keep the exchange

	// Stateful requests of the Responses format, which only a provider of
	// that format can serve.
	PreviousResponseID string
	Conversation       json.RawMessage
	Background         bool
	Include            []string
	Truncation         string

	// Extra are the top-level members that the model has no field for, in
	// their order. An Outbound of the same format writes them; one of
	// another format reports each as a Loss (see ExtraLosses).
	Extra []Member
	// Losses are what ParseRequest itself had to leave out.
	Losses Losses
}

// ExtraLosses adds to l what an Outbound of format f cannot write because it
// belongs to the format the request came from.
func (r *Request) ExtraLosses(f Format, l *Losses) {
	*l = append(*l, r.Losses...)
	if r.Format == f {
		return
	}
	for _, m := range r.Extra {
		l.Add(m.Name, "not known outside the "+string(r.Format)+" format")
	}
	for i := range r.Tools {
		for _, m := range r.Tools[i].Extra {
			l.Add("tools["+strconv.Itoa(i)+"]."+m.Name, "not known outside the "+string(r.Format)+" format")
		}
	}
}

// Role says who speaks.
type Role string

// The roles. Tool results stand in user messages, as parts.
const (
	System    Role = "system"
	Developer Role = "developer" // OpenAI's name for System on reasoning models
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one message. System and developer messages may stand anywhere.
// Neighbours may have the same role.
type Message struct {
	Role  Role
	Name  string // who speaks, where several share a role
	Parts []Part
	// Prefill marks a last assistant message that the model is to continue.
	Prefill bool
}

// ToolKind tells what runs a tool.
type ToolKind string

// The kinds of tools.
const (
	FunctionTool ToolKind = "function" // the client, with JSON arguments
	CustomTool   ToolKind = "custom"   // the client, with free text
	HostedTool   ToolKind = "hosted"   // the provider
)

// Tool is a tool that the model may use.
type Tool struct {
	Kind        ToolKind
	Name        string // for HostedTool, the type in its format's words: "web_search", "googleSearch"
	Description string
	Schema      json.RawMessage // JSON Schema of a function's arguments; empty: none
	Strict      *bool
	Cache       *CacheMark
	Format      Format          // of a hosted or custom tool's Raw
	Raw         json.RawMessage // the whole definition of a hosted tool; a custom tool's "format"
	Extra       []Member        // members that the request's own format alone knows
}

// ToolMode says whether the model may, must or must not use a tool.
type ToolMode string

// The modes. The zero value leaves it to the provider.
const (
	ToolAuto     ToolMode = "auto"
	ToolNone     ToolMode = "none"
	ToolRequired ToolMode = "required"
)

// ToolChoice says which tools the model may use. ToolRequired with one name
// demands that tool; several names, or names with ToolAuto, restrict the
// choice to them.
type ToolChoice struct {
	Mode  ToolMode
	Names []string
}

// Named returns the set of Names, to look tools up in; nil where there are none.
func (c *ToolChoice) Named() map[string]bool {
	if len(c.Names) == 0 {
		return nil
	}
	set := make(map[string]bool, len(c.Names))
	for _, name := range c.Names {
		set[name] = true
	}
	return set
}

// OutputType is the form that the answer's text must have.
type OutputType string

// The forms. The zero value is plain text.
const (
	OutputJSON   OutputType = "json_object" // any JSON object
	OutputSchema OutputType = "json_schema" // JSON that Schema admits
)

// Output asks for structured output.
type Output struct {
	Type        OutputType
	Name        string
	Description string
	Schema      json.RawMessage
	Strict      *bool
	Modalities  []string // "text", "image", "audio"; nil: text
}

// Reasoning says how much the model is to think and what it shows of it. The
// zero value leaves both to the provider.
type Reasoning struct {
	// Effort is "none" (do not think), "minimal", "low", "medium", "high",
	// "xhigh" or "max".
	Effort string
	// Budget bounds the thinking, in tokens; 0 where the request has none.
	// -1 leaves it to the model (Gemini's dynamic, Anthropic's adaptive).
	Budget int64
	// Summary asks to be shown thinking: "auto", "concise", "detailed";
	// "none" asks not to be.
	Summary string
}

// CacheMark asks a provider to cache the prompt up to and including the part
// that carries it.
type CacheMark struct {
	TTL string // "5m", "1h", "30m", …; empty: the provider's default
}

// ToolNames maps the IDs of the tool calls in the request's history to the
// tools' names, for formats whose results name the tool.
func (r *Request) ToolNames() map[string]string {
	var names map[string]string
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			if u, ok := p.(*ToolUse); ok {
				if names == nil {
					names = make(map[string]string)
				}
				names[u.ID] = u.Name
			}
		}
	}
	return names
}
