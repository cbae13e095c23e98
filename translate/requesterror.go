package translate

import (
	"errors"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// MemberError says that a member of a client's request makes no sense, although
// it is JSON of the right kind.
type MemberError struct{ Path, Msg string }

func (e *MemberError) Error() string { return e.Msg }

// RequestError returns what a client is told of err, which reading its body
// gave: where it is wrong, and what is. It is for codecs.
func RequestError(body []byte, err error) *Error {
	var (
		path   string
		syntax *jsonx.SyntaxError
		typ    *jsonx.TypeError
		member *MemberError
	)
	switch {
	case errors.As(err, &syntax):
		path = jsonx.Path(body, syntax.Offset)
	case errors.As(err, &typ):
		path = jsonx.Path(body, typ.Offset)
	case errors.As(err, &member):
		path = member.Path
	}
	e := &Error{Kind: InvalidRequest, Message: err.Error(), Param: path, Err: err}
	if path != "" {
		e.Message = path + ": " + e.Message
	}
	return e
}
