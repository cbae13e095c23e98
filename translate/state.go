package translate

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// State is reasoning state that a provider gave out and wants back unchanged
// in the next turn: Anthropic's signatures and redacted thinking, Gemini's
// thought signatures, the encrypted content of OpenAI's reasoning items.
// Nobody but its origin can read it.
type State struct {
	// Origin names who made it, and so who may be sent it: "anthropic",
	// "gemini", "openai", "xai", …. Each Outbound has its own origin, and
	// leaves out the state of others, as a Loss.
	Origin string
	Data   string
	// Key is the ID of the provider key that it was made with, for providers
	// that bind state to an account. Empty: unknown.
	Key string
}

// sealMagic starts a sealed state. It is eight characters of base64 long, so
// that it can be told from a provider's own state by its first characters.
const sealMagic = "\xfallmp1"

// Seal returns s in a form that a client of another provider's format can
// hold in that format's own place for state, and give back: the data as it is
// where its format is native's, else a base64 envelope that names the origin.
func (s *State) Seal(native string) string {
	if s == nil {
		return ""
	}
	if s.Origin == native && s.Key == "" {
		return s.Data
	}
	return base64.StdEncoding.EncodeToString(appendState([]byte(sealMagic), s))
}

// OpenState reverses Seal: v is what a client gave back in the place where
// native's format keeps state. An empty v is nil.
func OpenState(native, v string) *State {
	if v == "" {
		return nil
	}
	if (v[0] == '+' || v[0] == '-') && strings.HasPrefix(v[1:], sealMark) {
		// Some clients hold bytes, and write them in the URL-safe alphabet.
		if b, err := base64.StdEncoding.DecodeString(StandardBase64(v)); err == nil {
			r := reader{b[len(sealMagic):], true}
			if s := r.state(); r.ok && s != nil {
				return s
			}
		}
	}
	return &State{Origin: native, Data: v}
}

// toolIDMark separates a tool call's own ID from what PackToolID adds. The
// result matches ^[a-zA-Z0-9_-]+$, as Anthropic demands of IDs.
const toolIDMark = "_llmp1_"

// MaxToolID bounds the IDs that PackToolID makes, in bytes, and maxBareID those
// that it makes them of.
const (
	MaxToolID = 256 << 10
	maxBareID = 256
)

// PackToolID returns an ID for a tool call that carries reasoning state: the
// call's own and that of the thinking before it in the same turn. A client
// must echo a tool call's ID whatever its format, so the state survives
// clients that know nothing of it. Without state, or where id is longer than 256
// bytes or the result would be longer than MaxToolID, it returns id.
func PackToolID(id string, use *State, thinking []*Thinking) string {
	stateful := use != nil
	for _, t := range thinking {
		stateful = stateful || t.State != nil
	}
	if !stateful {
		return id
	}
	b := appendState(nil, use)
	for _, t := range thinking {
		if t.State == nil {
			continue
		}
		flag := byte(0)
		if t.Redacted {
			flag = 1
		}
		b = append(b, flag)
		b = appendField(b, t.ID)
		b = appendField(b, t.Text)
		b = appendState(b, t.State)
	}
	packed := id + toolIDMark + base64.RawURLEncoding.EncodeToString(b)
	if len(id) > maxBareID || len(packed) > MaxToolID {
		return id
	}
	return packed
}

// UnpackToolID reverses PackToolID. An ID that carries nothing is returned as
// it is.
func UnpackToolID(id string) (bare string, use *State, thinking []*Thinking) {
	i := strings.LastIndex(id, toolIDMark)
	if i < 0 {
		return id, nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(id[i+len(toolIDMark):])
	if err != nil {
		return id, nil, nil
	}
	r := reader{b, true}
	use = r.state()
	for r.ok && len(r.b) > 0 {
		t := &Thinking{Redacted: r.b[0] == 1}
		r.b = r.b[1:]
		t.ID, t.Text, t.State = r.field(), r.field(), r.state()
		thinking = append(thinking, t)
	}
	if !r.ok {
		return id, nil, nil
	}
	return id[:i], use, thinking
}

// Restore appends to parts, which are a turn so far, the thinking that the ID of
// its next tool call carried. It comes where the model gave it out, before the
// text that led to the call, and takes the place of the same thinking without
// its state. What parts hold already is left alone.
func Restore(parts []Part, carried []*Thinking) []Part {
	const maxRestored = 1000 // parts to look at; the thinking stands not far before its call
	for _, t := range carried {
		at := -1
		known := false
		for i := max(0, len(parts)-maxRestored); i < len(parts); i++ {
			have, ok := parts[i].(*Thinking)
			switch {
			case !ok:
			case have.State == nil && t.State != nil && have.Text == t.Text:
				at = i
			case have.State != nil && t.State != nil:
				known = known || have.State.Origin == t.State.Origin && have.State.Data == t.State.Data
			}
		}
		switch {
		case known:
		case at >= 0:
			parts[at] = t
		default:
			parts = slices.Insert(parts, beforeText(parts), Part(t))
		}
	}
	return parts
}

// beforeText returns where the last run of parts begins that are neither
// thinking nor a call.
func beforeText(parts []Part) int {
	for i := len(parts); i > 0; i-- {
		switch parts[i-1].(type) {
		case *Thinking, *ToolUse:
			return i
		}
	}
	return 0
}

func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendState(b []byte, s *State) []byte {
	if s == nil {
		s = new(State)
	}
	return appendField(appendField(appendField(b, s.Origin), s.Key), s.Data)
}

// reader takes apart what appendState and appendField wrote.
type reader struct {
	b  []byte
	ok bool
}

func (r *reader) field() string {
	n, size := binary.Uvarint(r.b)
	if !r.ok || size <= 0 || n > uint64(len(r.b)-size) {
		r.ok = false
		return ""
	}
	s := string(r.b[size : size+int(n)])
	r.b = r.b[size+int(n):]
	return s
}

func (r *reader) state() *State {
	s := State{Origin: r.field(), Key: r.field(), Data: r.field()}
	if s == (State{}) {
		return nil
	}
	return &s
}

// Sealed reports whether a request's body, in any format, holds reasoning state
// that Seal or PackToolID wrapped. Such a body cannot be sent as it is even to
// a provider of its own format: it must be parsed, so that the state is
// unwrapped or left out.
func Sealed(body []byte) bool {
	_, sealed, _ := jsonx.Find(jsonx.MaxDepth, body, SealedText)
	return sealed
}

// SealedText is Sealed of a single string of the body, as it stands between its
// quotes.
func SealedText(text []byte) bool {
	if len(text) < len(toolIDMark) {
		return false
	}
	rest := text[1:]
	switch text[0] {
	case '\\': // some encoders escape a plus sign
		if len(rest) >= 5 && bytes.EqualFold(rest[:5], []byte("u002b")) && bytes.HasPrefix(rest[5:], []byte(sealMark)) {
			return true
		}
	case '+', '-':
		if bytes.HasPrefix(rest, []byte(sealMark)) {
			return true
		}
	}
	// Text may be long, the ID that a mark stands behind is not.
	return bytes.Contains(text[:min(len(text), maxBareID+len(toolIDMark))], []byte(toolIDMark))
}

// sealMark is how a sealed state begins, behind a plus sign, or behind the minus
// that the URL-safe alphabet has for it.
var sealMark = base64.StdEncoding.EncodeToString([]byte(sealMagic))[1:]
