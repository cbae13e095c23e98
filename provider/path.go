package provider

import (
	"net/url"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// JoinPath appends an escaped path to a base URL, for pass-through. Segments
// with which the base ends already are not repeated, so that both /v1/files
// and /files below https://host/v1 mean https://host/v1/files. A path with a
// segment "." or "..", however it is escaped, is refused: no request leaves
// the base.
func JoinPath(base, escaped string) (string, error) {
	if escaped == "" || escaped == "/" {
		return base + escaped, nil
	}
	if escaped[0] != '/' { // it would run into the host's name
		escaped = "/" + escaped
	}
	if strings.ContainsFunc(escaped, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '?' || r == '#' }) {
		return "", translate.Errorf(translate.InvalidRequest, "the path is not escaped")
	}
	for seg := range strings.SplitSeq(escaped, "/") {
		if climbs(seg) {
			return "", translate.Errorf(translate.InvalidRequest, "the path must not contain . or .. segments")
		}
	}
	base = strings.TrimSuffix(base, "/")
	// The base's last n segments, then one fewer.
	_, tail, _ := strings.Cut(base, "://")
	for {
		var more bool
		if _, tail, more = strings.Cut(tail, "/"); !more || tail == "" {
			return base + escaped, nil
		}
		if rest, ok := strings.CutPrefix(escaped[1:], tail); ok && (rest == "" || rest[0] == '/') {
			return base + rest, nil
		}
	}
}

// join appends an endpoint's path to the base URL. A version with which the
// base ends and the path begins stands once: people write base URLs with and
// without it.
func join(base, path string) string {
	base = strings.TrimSuffix(base, "/")
	i := strings.LastIndexByte(base, '/')
	if last := base[i+1:]; i > 0 && len(last) > 1 && last[0] == 'v' && '0' <= last[1] && last[1] <= '9' && strings.HasPrefix(path[1:], last+"/") {
		base = base[:i]
	}
	return base + path
}

// climbs reports whether a segment is, or decodes to something that holds, a
// "." or ".." segment. It decodes twice, because some servers do.
func climbs(seg string) bool {
	if !strings.ContainsAny(seg, ".%") { // no dot, however it is escaped
		return false
	}
	for range 3 {
		for part := range strings.FieldsFuncSeq(seg, func(r rune) bool { return r == '/' || r == '\\' }) {
			if part, _, _ = strings.Cut(part, ";"); part == "." || part == ".." {
				return true
			}
		}
		decoded, err := url.PathUnescape(seg)
		if err != nil || decoded == seg {
			return err != nil
		}
		seg = decoded
	}
	return false
}

// EscapeSegment escapes s as one segment of a path. Unlike url.PathEscape it
// escapes ':' too, as Bedrock's model IDs need.
func EscapeSegment(s string) string {
	return strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
}

// MatchModel reports whether a model is matched by patterns, in which '*'
// stands for any characters, '?' for one, and [a-z] or [^a-z] for one of a
// class. A pattern that starts with '!' takes out what it matches. The last
// pattern that matches decides.
func MatchModel(patterns []string, model string) bool {
	matched := false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		if matched == not && match(p, model) { // else it changes nothing
			matched = !not
		}
	}
	return matched
}

// match goes through both strings once, and back to the last star where it
// must.
func match(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last star, and where what it stands for ends
	for {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, i
			p++
			continue
		}
		if i == len(s) {
			return p == len(pattern)
		}
		if n := one(pattern[p:], s[i]); n > 0 {
			p, i = p+n, i+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star+1, from
	}
}

// one returns how many bytes of the pattern stand for c; 0: none do.
func one(pattern string, c byte) int {
	switch {
	case pattern == "":
		return 0
	case pattern[0] == '?':
		return 1
	case pattern[0] != '[':
		if pattern[0] == c {
			return 1
		}
		return 0
	}
	end := strings.IndexByte(pattern, ']')
	if end < 0 {
		return 0
	}
	class, not := strings.CutPrefix(pattern[1:end], "^")
	in := false
	for k := 0; k < len(class); k++ {
		lo, hi := class[k], class[k]
		if k+2 < len(class) && class[k+1] == '-' {
			hi = class[k+2]
			k += 2
		}
		in = in || lo <= c && c <= hi
	}
	if in == not {
		return 0
	}
	return end + 1
}
