package anthropic

import "testing"

// The steps of a path are where they belong whatever its depth was before.
func TestPath(t *testing.T) {
	var p path
	p.push("messages")
	p.pushIndex(2)
	if got := p.member("role"); got != "messages[2].role" {
		t.Error(got)
	}
	for i := range 4 {
		p.push("content")
		p.pushIndex(i)
	}
	p.push("x")
	const deep = "messages[2].content[0].content[1].content[2].content[3]"
	if got := p.member("y"); got != deep+".x.y" {
		t.Error(got)
	}
	p.pop()
	p.pop()
	p.pushIndex(7)
	if got := p.String(); got != deep[:len(deep)-2]+"7]" {
		t.Error(got)
	}
	for range p.depth {
		p.pop()
	}
	if got := p.member("model"); got != "model" {
		t.Error(got)
	}
}
