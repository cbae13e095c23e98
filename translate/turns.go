package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Turns returns the conversation as Anthropic, Gemini and Bedrock want it: the
// leading system text apart, and turns of user and assistant that alternate,
// neighbours of one role merged, tool results first in their turn. A system
// message later on becomes user text in <system> tags, because moving it to
// the front would change what the model reads and void prompt caches; where
// keepSystem is set it stays a message of its own.
func (r *Request) Turns(keepSystem bool, losses *Losses) (system []*Text, turns []Message) {
	leading := true
	turns = make([]Message, 0, len(r.Messages))
	own := false // the last turn's parts are not the request's
	for i, m := range r.Messages {
		if m.Role == System || m.Role == Developer {
			if leading {
				system = appendSystem(system, m, i, losses)
				continue
			}
			if !keepSystem {
				losses.Add("messages["+strconv.Itoa(i)+"]", "a system message after the first turn is sent as user text")
				var parts []Part
				for _, t := range appendSystem(nil, m, i, losses) {
					parts = append(parts, &Text{Text: "<system>\n" + t.Text + "\n</system>", Cache: t.Cache})
				}
				m = Message{Role: User, Parts: parts}
			} else {
				m.Role = System
			}
		}
		leading = false
		if n := len(turns); n > 0 && turns[n-1].Role == m.Role && m.Role != System {
			last := &turns[n-1]
			if !own {
				last.Parts, own = slices.Clip(last.Parts), true
			}
			last.Parts = append(last.Parts, m.Parts...)
			last.Prefill = m.Prefill
			continue
		}
		turns, own = append(turns, m), false
	}
	for i := range turns {
		if turns[i].Role == User {
			turns[i].Parts = resultsFirst(turns[i].Parts)
		}
	}
	return system, turns
}

// Places tells where the parts of a request stand, in the client's own numbers,
// which turns do not have. It looks only when it is first asked, for a loss or a
// refusal, and once for all of them. It is not safe for concurrent use.
type Places struct {
	r  *Request
	at map[Part]position
}

// position is r.Messages[message].Parts[part], or content inside that.
type position struct{ message, part, content int }

// Places returns the places of r's parts. r must not change as long as they are
// used.
func (r *Request) Places() Places { return Places{r: r} }

// Of returns where p stands.
func (ps *Places) Of(p Part) Place { return Place{ps, p} }

func (ps *Places) look() {
	ps.at = make(map[Part]position)
	add := func(p Part, at position) {
		if _, ok := ps.at[p]; !ok {
			ps.at[p] = at
		}
	}
	for i, m := range ps.r.Messages {
		for j, p := range m.Parts {
			add(p, position{i, j, -1})
			if res, ok := p.(*ToolResult); ok {
				for k, q := range res.Parts {
					add(q, position{i, j, k})
				}
			}
		}
	}
}

// Place is where one part stands.
type Place struct {
	of   *Places
	part Part
}

// String returns the part's Path, and "messages" for a part that is not the
// client's.
func (pl Place) String() string {
	if pl.of.at == nil {
		pl.of.look()
	}
	at, ok := pl.of.at[pl.part]
	switch path := pl.of.r.Path; {
	case !ok:
		return "messages"
	case at.content >= 0:
		return path(at.message, at.part) + ".content[" + strconv.Itoa(at.content) + "]"
	default:
		return path(at.message, at.part)
	}
}

// Path returns where the part r.Messages[i].Parts[j] stands in the words and
// the numbers of the client's format: "messages[2].content[0]", or
// "contents[2].parts[0]". Anthropic's and Gemini's have the system text apart.
// Clients of Responses are told messages, too, whose items are not counted here.
func (r *Request) Path(i, j int) string {
	list, parts := "messages[", "].content["
	system := 0
	switch r.Format {
	case Gemini:
		list, parts = "contents[", "].parts["
		fallthrough
	case Anthropic:
		for system < len(r.Messages) && r.Messages[system].Role == System {
			system++
		}
	}
	if i < system {
		return "system[" + strconv.Itoa(j) + "]"
	}
	return list + strconv.Itoa(i-system) + parts + strconv.Itoa(j) + "]"
}

// appendSystem appends the texts of a system message to out.
func appendSystem(out []*Text, m Message, i int, losses *Losses) []*Text {
	for j, p := range m.Parts {
		if t, ok := p.(*Text); ok {
			out = append(out, t)
			continue
		}
		losses.Add("messages["+strconv.Itoa(i)+"].content["+strconv.Itoa(j)+"]", "a system message holds text only")
	}
	return out
}

// resultsFirst returns parts with the tool results before everything else and
// the order kept otherwise. It copies parts where it must change them.
func resultsFirst(parts []Part) []Part {
	seen, sorted := false, true
	for _, p := range parts {
		_, result := p.(*ToolResult)
		sorted = sorted && !(result && seen)
		seen = seen || !result
	}
	if sorted {
		return parts
	}
	out := make([]Part, 0, len(parts))
	for _, p := range parts {
		if _, ok := p.(*ToolResult); ok {
			out = append(out, p)
		}
	}
	for _, p := range parts {
		if _, ok := p.(*ToolResult); !ok {
			out = append(out, p)
		}
	}
	return out
}

// FitID returns id where it has at most max bytes of [a-zA-Z0-9_-], and else
// an ID that fits and is always the same for the same id.
func FitID(id string, max int) string {
	fits := id != "" && len(id) <= max && strings.IndexFunc(id, func(r rune) bool {
		return !(r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}) < 0
	if fits {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	s := "call_" + hex.EncodeToString(sum[:])
	return s[:min(max, 29)]
}

// FitName returns name where it is a legal name of a tool in every format:
// 1 to max bytes of [a-zA-Z0-9_-]. Else it returns one that is, always the
// same for the same name, and false.
func FitName(name string, max int) (string, bool) {
	clean := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	if clean == name && name != "" && len(name) <= max {
		return name, true
	}
	sum := sha256.Sum256([]byte(name))
	return clean[:min(len(clean), max-9)] + "_" + hex.EncodeToString(sum[:4]), false
}
