package translate

import "encoding/json"

// Response is a whole answer.
type Response struct {
	ID      string
	Model   string
	Created int64 // Unix seconds; 0: not told
	Parts   []Part
	Finish  Finish
	Usage   *Usage // nil: the provider told none
	// ServiceTier is the tier that served the request, in OpenAI's words.
	ServiceTier string
	Logprobs    json.RawMessage // in OpenAI Chat's shape
	Losses      Losses          // what ParseResponse had to leave out
}

// Finish says why an answer ended.
type Finish struct {
	Reason FinishReason
	// Native is the reason in the provider's own word. An encoder of the
	// same format writes it; an encoder of another one may show it beside
	// its own word where its format has a place (native_finish_reason).
	Native       string
	StopSequence string // the sequence that was met
	Message      string // the provider's explanation, if any
}

// FinishReason is why an answer ended.
type FinishReason string

// The reasons.
const (
	FinishStop         FinishReason = "stop"          // the model was done
	FinishStopSequence FinishReason = "stop_sequence" // a stop sequence was met
	FinishLength       FinishReason = "length"        // max tokens, or the context is full
	FinishToolUse      FinishReason = "tool_use"      // the model waits for tools
	FinishFiltered     FinishReason = "filtered"      // a content filter or a refusal cut it
	FinishPause        FinishReason = "pause"         // a server-side tool loop paused; send the answer back to go on
	FinishError        FinishReason = "error"         // the model failed: a malformed call, no resources
	FinishOther        FinishReason = "other"         // a reason this package does not know; see Native
)

// Usage counts tokens. Its fields are disjoint: fresh input, input read from a
// cache, input written to one, visible output, and reasoning. Formats that
// count one inside another are converted at the edges.
type Usage struct {
	Input      int64 // neither read from nor written to a cache
	CacheRead  int64
	CacheWrite int64
	Output     int64 // without reasoning
	Reasoning  int64
	// ServerTools counts requests of hosted tools (web searches), which are
	// billed by number.
	ServerTools int64
}

// TotalInput returns all input tokens, cached ones included.
func (u *Usage) TotalInput() int64 { return u.Input + u.CacheRead + u.CacheWrite }

// TotalOutput returns all output tokens, reasoning included.
func (u *Usage) TotalOutput() int64 { return u.Output + u.Reasoning }

// Total returns all tokens.
func (u *Usage) Total() int64 { return u.TotalInput() + u.TotalOutput() }

// InclusiveUsage returns the usage of a format that counts cached tokens
// inside the input and reasoning inside the output, as OpenAI and Gemini do.
// Counts that contradict each other never make a field negative: xAI reports
// more cached tokens than input, and reasoning beside the output.
func InclusiveUsage(input, cacheRead, cacheWrite, output, reasoning int64) *Usage {
	u := &Usage{CacheRead: cacheRead, CacheWrite: cacheWrite, Reasoning: reasoning}
	u.Input = max(input-cacheRead-cacheWrite, 0)
	if cacheRead+cacheWrite > input { // the input excludes the cache
		u.Input = input
	}
	u.Output = max(output-reasoning, 0)
	if reasoning > output { // the output excludes reasoning
		u.Output = output
	}
	return u
}
