package translate

// EventType is the type of an Event.
type EventType uint8

// The types of events, in the order in which a stream has them.
const (
	EventStart      EventType = iota + 1 // once, first: ID, Model, Created, maybe Usage so far
	EventBlockStart                      // Index, Kind, and what the kind has (below)
	EventBlockDelta                      // Index, Kind, Text or Citation
	EventBlockStop                       // Index, Kind, maybe State
	EventStop                            // once, last: Finish, Usage
	EventPing                            // any time after EventStart: the provider is alive; Finish and Usage in all where it has told them already
)

func (t EventType) String() string {
	return [...]string{"none", "start", "block start", "block delta", "block stop", "stop", "ping"}[t]
}

// Event is one step of a streamed answer. The grammar is
//
//	Start (BlockStart BlockDelta* BlockStop)* Stop
//
// with pings anywhere after Start, and with blocks that may overlap, because
// OpenAI's parallel tool calls do: between its start and its stop a block is
// told by its Index. Indices grow by one from 0 in the order of the starts.
// Check enforces the grammar; Sequential takes overlaps out.
//
// By kind of block:
//   - text, thinking, refusal: the deltas' Text is the text.
//   - tool use: ID, Name and Custom stand in BlockStart; the deltas' Text are
//     fragments of the arguments' JSON (of a custom tool's input: of its plain
//     text). No fragments at all mean {}.
//   - media, opaque: Part in BlockStart is the whole part; no deltas.
//
// Text that is cited has deltas with a Citation and no Text. A decoder may
// write the next event where this one's Text was: whoever keeps it copies it.
//
// State is whole wherever it stands: in BlockStart for a tool use, in
// BlockStop for text and thinking.
type Event struct {
	Type     EventType
	Index    int
	Kind     PartKind
	Redacted bool // thinking: BlockStart and BlockStop
	Custom   bool // tool use: BlockStart
	Text     []byte
	ID       string // Start: the response's; BlockStart: the tool use's or thinking's
	Name     string // BlockStart: the tool's
	Part     Part
	State    *State
	Citation *Citation

	Model       string // Start
	Created     int64  // Start
	ServiceTier string // Start or Stop
	Usage       *Usage // Start: so far; Stop and Ping: in all
	Finish      Finish // Stop and Ping
	Losses      Losses // Stop: what the decoder had to leave out
}

// IsContent reports whether the event shows that the model answers: the first
// such event commits a proxy to the provider it has chosen.
func (e *Event) IsContent() bool {
	switch e.Type {
	case EventBlockDelta:
		return len(e.Text) > 0 || e.Citation != nil
	case EventBlockStart:
		return e.Kind == KindToolUse || e.Part != nil || e.Redacted
	case EventBlockStop:
		return e.State != nil
	case EventStop:
		return true
	}
	return false
}
