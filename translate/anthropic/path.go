package anthropic

import (
	"errors"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
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

func (p path) String() string {
	var b []byte
	for _, s := range p {
		switch {
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

// fault is JSON of the right kind that makes no sense.
type fault struct{ path, msg string }

func (f *fault) Error() string { return f.msg }

// requestError says what is wrong with a client's request, and where.
func requestError(body []byte, err error) *translate.Error {
	var (
		where  string
		syntax *jsonx.SyntaxError
		typ    *jsonx.TypeError
		f      *fault
	)
	switch {
	case errors.As(err, &syntax):
		where = jsonx.Path(body, syntax.Offset)
	case errors.As(err, &typ):
		where = jsonx.Path(body, typ.Offset)
	case errors.As(err, &f):
		where = f.path
	}
	e := &translate.Error{Kind: translate.InvalidRequest, Message: err.Error(), Param: where, Err: err}
	if where != "" {
		e.Message = where + ": " + e.Message
	}
	return e
}

func optional[T any](d *jsonx.Decoder, read func() T) *T {
	if d.Null() {
		return nil
	}
	v := read()
	return &v
}
