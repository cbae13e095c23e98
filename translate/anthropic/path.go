package anthropic

import (
	"strconv"
)

// path tells where in a document a reader is. It becomes text only where
// something is reported.
type path []step

type step struct {
	name  string // a member, or
	index int    // an element
}

func (p *path) push(name string) { *p = append(*p, step{name: name}) }
func (p *path) pushIndex(i int)  { *p = append(*p, step{index: i}) }
func (p *path) pop()             { *p = (*p)[:len(*p)-1] }
func (p path) member(n string) string {
	s := p.String()
	if s == "" {
		return n
	}
	return s + "." + n
}

// String returns the path, which is good enough to find a fault by, and does not
// grow with names and depths that are as long as the request.
func (p path) String() string {
	const long = 500
	var b []byte
	for _, s := range p {
		switch {
		case len(b)+len(s.name) > long:
			return string(b) + ".…"
		case s.name == "":
			b = append(strconv.AppendInt(append(b, '['), int64(s.index), 10), ']')
		case len(b) > 0:
			b = append(append(b, '.'), s.name...)
		default:
			b = append(b, s.name...)
		}
	}
	return string(b)
}
