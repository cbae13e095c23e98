package responses

import (
	"github.com/go-llmproxy/llmproxy/translate"
)

func (w *eventWriter) stop(e *translate.Event) {
	o := finishOutcome(&e.Finish)
	o.usage = e.Usage
	if e.ServiceTier != "" {
		w.tier = e.ServiceTier
	}
	status := "completed"
	if o.status == "incomplete" {
		status = o.status
	}
	w.endItem(status)
	w.ended = true
	w.begin("response." + o.status).Key("response")
	w.e.Object()
	w.envelope(&w.e, o)
	w.e.EndObject()
	w.end()
}

// AppendError implements translate.EventWriter.
func (w *eventWriter) AppendError(dst []byte, err *translate.Error) []byte {
	if w.ended {
		return dst
	}
	w.ended = true
	w.identify()
	w.e.B = dst
	code := errorCode(err)
	e := w.begin("error").Key("code").String(code).Key("message").String(err.Message).Key("param")
	stringOrNull(e, err.Param)
	e.Key("error")
	appendErrorObject(e, err)
	w.end()
	w.begin("response.failed").Key("response")
	w.e.Object()
	w.envelope(&w.e, &outcome{status: "failed", code: code, message: err.Message})
	w.e.EndObject()
	w.end()
	dst, w.e.B = w.e.B, nil
	return dst
}
