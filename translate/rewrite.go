package translate

import "strconv"

// StateKey returns the ID of the key that the latest reasoning state in the
// conversation was made with; "" where there is none or it is not known.
func (r *Request) StateKey() string {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		parts := r.Messages[i].Parts
		for j := len(parts) - 1; j >= 0; j-- {
			if s := stateOf(parts[j]); s != nil && s.Key != "" {
				return s.Key
			}
		}
	}
	return ""
}

func stateOf(p Part) *State {
	switch p := p.(type) {
	case *Text:
		return p.State
	case *ToolUse:
		return p.State
	case *Thinking:
		return p.State
	}
	return nil
}

// WithoutStateOf returns r without the reasoning state that is known to be
// made with another key than the one that will serve r: a provider that binds
// state to an account would refuse the request. Thinking that is nothing
// without its state is left out whole. Each is a Loss. r is not changed.
func (r *Request) WithoutStateOf(key string) (*Request, []Loss) {
	var losses Losses
	foreign := func(p Part) bool {
		s := stateOf(p)
		return s != nil && s.Key != "" && s.Key != key
	}
	out := *r
	out.Messages = mapParts(r.Messages, func(p Part, i, j int) Part {
		if !foreign(p) {
			return p
		}
		losses.Add("messages["+strconv.Itoa(i)+"].content["+strconv.Itoa(j)+"]", "reasoning state is bound to a key that cannot serve now")
		switch p := p.(type) {
		case *Text:
			t := *p
			t.State = nil
			return &t
		case *ToolUse:
			u := *p
			u.State = nil
			return &u
		}
		return nil
	})
	return &out, losses
}

// MapMedia returns messages with f applied to each Media, those in tool
// results included. The messages are not changed; what stays the same is
// shared.
func MapMedia(messages []Message, f func(*Media) *Media) []Message {
	media := func(p Part, _, _ int) Part {
		if m, ok := p.(*Media); ok {
			return f(m)
		}
		return p
	}
	return mapParts(messages, func(p Part, i, j int) Part {
		if res, ok := p.(*ToolResult); ok {
			inner := mapParts([]Message{{Parts: res.Parts}}, media)[0].Parts
			if len(inner) > 0 && len(res.Parts) > 0 && &inner[0] != &res.Parts[0] {
				copied := *res
				copied.Parts = inner
				return &copied
			}
			return p
		}
		return media(p, i, j)
	})
}

// mapParts applies f to each part; nil takes a part out. It copies only what
// changes.
func mapParts(messages []Message, f func(p Part, message, part int) Part) []Message {
	var out []Message
	for i := range messages {
		parts := messages[i].Parts
		var changed []Part
		for j, p := range parts {
			q := f(p, i, j)
			if q != p && changed == nil {
				changed = append(make([]Part, 0, len(parts)), parts[:j]...)
			}
			if changed != nil && q != nil {
				changed = append(changed, q)
			}
		}
		if changed == nil {
			continue
		}
		if out == nil {
			out = append([]Message(nil), messages...)
		}
		out[i].Parts = changed
	}
	if out == nil {
		return messages
	}
	return out
}
