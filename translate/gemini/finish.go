package gemini

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

func (a *answer) reason() translate.Finish {
	f := translate.Finish{Native: a.finish, Message: a.message}
	if a.blocked {
		f.Reason = translate.FinishFiltered
		if f.Message == "" {
			f.Message = "the prompt was blocked: " + a.finish
		}
		return f
	}
	f.Reason = reasons[a.finish]
	switch {
	case f.Reason == "" && strings.Contains(a.finish, "SAFETY") || strings.Contains(a.finish, "PROHIBITED"):
		f.Reason = translate.FinishFiltered
	case f.Reason == "":
		f.Reason = translate.FinishOther
	case f.Reason == translate.FinishStop && a.calls > 0:
		f.Reason = translate.FinishToolUse
	}
	return f
}

var reasons = map[string]translate.FinishReason{
	"STOP": translate.FinishStop, "MAX_TOKENS": translate.FinishLength, "CONTINUATION": translate.FinishLength,
	"SAFETY": translate.FinishFiltered, "RECITATION": translate.FinishFiltered, "LANGUAGE": translate.FinishFiltered, "BLOCKLIST": translate.FinishFiltered,
	"PROHIBITED_CONTENT": translate.FinishFiltered, "SPII": translate.FinishFiltered, "IMAGE_SAFETY": translate.FinishFiltered, "IMAGE_RECITATION": translate.FinishFiltered,
	"MALFORMED_FUNCTION_CALL": translate.FinishError, "UNEXPECTED_TOOL_CALL": translate.FinishError, "TOO_MANY_TOOL_CALLS": translate.FinishError, "MALFORMED_RESPONSE": translate.FinishError,
}

// readUsage reads usageMetadata, whose prompt includes what was cached and
// whose candidates exclude the thoughts.
func readUsage(d *jsonx.Decoder) *translate.Usage {
	if d.Kind() != jsonx.Object {
		return nil
	}
	var prompt, cached, candidates, thoughts, tools int64
	for k := range d.Members() {
		switch camel(k) {
		case "promptTokenCount":
			prompt = d.Int()
		case "cachedContentTokenCount":
			cached = d.Int()
		case "candidatesTokenCount", "responseTokenCount":
			candidates = d.Int()
		case "thoughtsTokenCount":
			thoughts = d.Int()
		case "toolUsePromptTokenCount":
			tools = d.Int()
		}
	}
	return translate.InclusiveUsage(prompt+tools, cached, 0, candidates+thoughts, thoughts)
}
