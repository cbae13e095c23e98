package rotate

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// Conversation returns a function that names the conversation a request belongs
// to, for Scope.Affinity: by the first of the given headers that is set; else by
// what the body says of its user or its cache (prompt_cache_key, user,
// metadata.user_id); else by a hash of what stays the same while a conversation
// grows: the system prompt and the first message up to the first of the user's,
// in the formats of OpenAI, Anthropic and Gemini. It returns "" for a request
// without any of these.
//
// The name is a hash: it does not repeat what the caller wrote.
func Conversation(headers ...string) func(r *http.Request, body []byte) string {
	return func(r *http.Request, body []byte) string {
		for _, name := range headers {
			if v := r.Header.Get(name); v != "" {
				return named("header", v)
			}
		}
		var b struct {
			CacheKey string `json:"prompt_cache_key"`
			User     string `json:"user"`
			Metadata struct {
				UserID string `json:"user_id"`
			} `json:"metadata"`
			System            json.RawMessage   `json:"system"`
			Instructions      json.RawMessage   `json:"instructions"`
			SystemInstruction json.RawMessage   `json:"systemInstruction"`
			Messages          []json.RawMessage `json:"messages"`
			Contents          []json.RawMessage `json:"contents"`
			Input             json.RawMessage   `json:"input"`
		}
		// A member of another type than this is one of another format: the rest counts.
		_ = json.Unmarshal(body, &b)
		for _, id := range [...]struct{ kind, value string }{{"cache", b.CacheKey}, {"user", b.User}, {"user", b.Metadata.UserID}} {
			if id.value != "" {
				return named(id.kind, id.value)
			}
		}
		turns := append(b.Messages, b.Contents...)
		if bytes.HasPrefix(b.Input, []byte("[")) {
			_ = json.Unmarshal(b.Input, &turns)
		} else if len(b.Input) > 0 {
			turns = []json.RawMessage{b.Input}
		}
		var prefix []byte
		for _, raw := range [...]json.RawMessage{b.System, b.Instructions, b.SystemInstruction} {
			prefix = appendWords(prefix, raw)
		}
		for _, raw := range turns {
			prefix = appendWords(prefix, raw)
			var turn struct {
				Role string `json:"role"`
			}
			if json.Unmarshal(raw, &turn) != nil || turn.Role == "user" {
				break
			}
		}
		if len(prefix) == 0 {
			return ""
		}
		return named("prefix", string(prefix))
	}
}

func named(kind, value string) string {
	return kind + "-" + strconv.FormatUint(hash(value), 16)
}

// maxWords bounds how much of a message is looked at: it may hold images.
const maxWords = 16 << 10

// appendWords appends the strings in a JSON value, without those of a
// cache_control, which clients move from message to message.
func appendWords(dst []byte, raw json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	var inObject []bool // per nesting level
	isKey, skipTo := false, -1
	for start := len(dst); len(dst)-start < maxWords; {
		tok, err := d.Token()
		if err != nil {
			return dst
		}
		key := isKey
		switch tok {
		case json.Delim('{'), json.Delim('['):
			inObject = append(inObject, tok == json.Delim('{'))
		case json.Delim('}'), json.Delim(']'):
			inObject = inObject[:len(inObject)-1]
		default:
			s, ok := tok.(string)
			if key && s == "cache_control" && skipTo < 0 {
				skipTo = len(inObject)
				isKey = false
				continue
			}
			if ok && skipTo < 0 {
				dst = append(append(dst, s[:min(len(s), maxWords)]...), 0)
			}
		}
		// After a key comes its value; after anything else in an object, a key.
		_, opens := tok.(json.Delim)
		isKey = len(inObject) > 0 && inObject[len(inObject)-1] && !(key && !opens)
		if skipTo >= 0 && len(inObject) == skipTo && isKey {
			skipTo = -1
		}
	}
	return dst
}
