package translate

import "encoding/json"

// Part is a piece of a message: *Text, *Media, *ToolUse, *ToolResult,
// *Thinking, *Refusal or *Opaque. No other package adds kinds, so a type
// switch over these is complete.
type Part interface{ part() }

// Text is text that is shown.
type Text struct {
	Text      string
	Citations []Citation
	Cache     *CacheMark
	State     *State // Gemini signs text, too
}

// MediaKind is the kind of a Media part.
type MediaKind string

// The kinds of media.
const (
	Image MediaKind = "image"
	Audio MediaKind = "audio"
	Video MediaKind = "video"
	File  MediaKind = "file" // a document, PDF above all
)

// Media is an image, a sound, a video or a document. One of Data, Text, URL
// and FileID is set.
type Media struct {
	Kind     MediaKind
	MIMEType string // "image/png"; may be empty with URL and FileID
	Data     string // standard base64, without a data: prefix
	Text     string // a document that is plain text
	URL      string // https:, gs:, …; never data:
	FileID   string // a file that the provider of Format keeps
	Format   Format // whose FileID that is
	Name     string // file name or title
	Context  string // what Anthropic's documents say about themselves
	Detail   string // OpenAI's "low", "high", "auto", "original"
	Cite     bool   // the model is asked to cite it
	Cache    *CacheMark
}

// ToolUse is the model's call of a tool.
type ToolUse struct {
	ID   string
	Name string
	// Input is the arguments: a JSON object for a function, a JSON string
	// for a custom tool. Empty means {}. A model may have written JSON that
	// is invalid; a decoder then wraps its text as a JSON string.
	Input  json.RawMessage
	Custom bool
	State  *State
	Cache  *CacheMark
}

// ToolResult is what a tool answered. It stands in a user message.
type ToolResult struct {
	ToolUseID string
	Name      string // the tool's name where the format gives it (Gemini)
	Parts     []Part // *Text, *Media, *Opaque
	IsError   bool
	Custom    bool
	Cache     *CacheMark
}

// Thinking is a model's reasoning.
type Thinking struct {
	Text     string // what is shown of it, often a summary; may be empty
	Redacted bool   // State holds all there is; nothing may be shown
	ID       string // the item's ID at the provider (Responses)
	State    *State // what the provider wants back; nil: it wants nothing but perhaps the text
}

// Refusal is a refusal in the model's words.
type Refusal struct{ Text string }

// Opaque is a part that only its own format knows: a hosted tool's call or
// result, a compaction. Another format's encoder reports it as a Loss.
type Opaque struct {
	Format Format
	Type   string
	Raw    json.RawMessage
}

func (*Text) part()       {}
func (*Media) part()      {}
func (*ToolUse) part()    {}
func (*ToolResult) part() {}
func (*Thinking) part()   {}
func (*Refusal) part()    {}
func (*Opaque) part()     {}

// Citation says where a text comes from.
type Citation struct {
	URL       string
	Title     string
	CitedText string // what is quoted from the source
	// Start and End bound the cited stretch in the answer's text, in Unicode
	// code points; both are 0 where the format ties a citation to its whole
	// block.
	Start, End int
	// Format and Raw keep the citation as its provider wrote it, for kinds
	// that are no web address (pages of a document, search results).
	Format Format
	Raw    json.RawMessage
}

// Bound gives a citation that is tied to its whole block the block's bounds,
// for formats that must tell some.
func (c *Citation) Bound(from, to int) {
	if c.Start == 0 && c.End == 0 {
		c.Start, c.End = from, to
	}
}

// PartKind is the kind of a block in a stream.
type PartKind uint8

// The kinds of blocks.
const (
	KindText PartKind = iota + 1
	KindThinking
	KindToolUse
	KindRefusal
	KindMedia  // comes whole, in Event.Part
	KindOpaque // comes whole, in Event.Part
)

func (k PartKind) String() string {
	return [...]string{"no block", "text", "thinking", "tool use", "refusal", "media", "opaque"}[k]
}
