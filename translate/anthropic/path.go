package anthropic

import (
	"strconv"
)

// path tells where in a document a reader is. It becomes text only where
// something is reported. The first steps take no memory of their own, so that
// what has a path needs none either.
type path struct {
	depth int
	first [6]step
	more  []step
}

type step struct {
	name  string // a member, or
	index int    // an element
}

func (p *path) push(name string) { p.add(step{name: name}) }
func (p *path) pushIndex(i int)  { p.add(step{index: i}) }
func (p *path) pop()             { p.depth-- }

func (p *path) add(s step) {
	if n := p.depth - len(p.first); n < 0 {
		p.first[p.depth] = s
	} else {
		p.more = append(p.more[:n], s)
	}
	p.depth++
}

func (p *path) member(n string) string {
	s := p.String()
	if s == "" {
		return n
	}
	return s + "." + n
}

// String returns the path, which is good enough to find a fault by, and does not
// grow with names and depths that are as long as the request.
func (p *path) String() string {
	const long = 500
	var b []byte
	for i := range p.depth {
		s := &p.first[min(i, len(p.first)-1)]
		if n := i - len(p.first); n >= 0 {
			s = &p.more[n]
		}
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
