package gemini

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseRequest implements translate.Inbound. Members may be in camelCase or in
// snake_case, as Google's servers take both.
func (in Inbound) ParseRequest(body []byte) (*translate.Request, error) {
	return parseRequest(body)
}

func parseRequest(body []byte) (*translate.Request, error) {
	d := jsonx.NewDecoder(body)
	d.Bound()
	if k := d.Kind(); k != jsonx.Object && jsonx.Valid(body) {
		return nil, translate.Errorf(translate.InvalidRequest, "the request must be a JSON object, got %s", k)
	}
	p := requestReader{d: d, r: &translate.Request{Format: translate.Gemini}}
	found := false
	for key := range d.Members() {
		k := camel(key)
		found = found || k == "contents"
		p.member(k)
	}
	if !found {
		d.Fail(&translate.MemberError{Path: "contents", Msg: "this member is required"})
	}
	if err := d.End(); err != nil {
		return nil, translate.RequestError(body, err)
	}
	if len(p.system) > 0 {
		p.r.Messages = append([]translate.Message{{Role: translate.System, Parts: p.system}}, p.r.Messages...)
	}
	return p.r, nil
}

// requestReader reads a client's request.
type requestReader struct {
	d      *jsonx.Decoder
	r      *translate.Request
	system []translate.Part
	calls  openCalls
	// carried is the thinking that calls' IDs carry.
	carried map[*translate.ToolUse][]*translate.Thinking
	path    string // of what is being read
	made    int    // IDs made up so far
}

// members are the format's members, by both of their spellings, so that a key
// is told without allocating.
var members = func() map[string]string {
	m := map[string]string{}
	for _, name := range strings.Fields(`additionalProperties allOf allowedFunctionNames anyOf args blockReason blockReasonMessage boolValue cachedContentTokenCount candidateCount candidates candidatesTokenCount citationMetadata citationSources codeExecutionResult content contents createTime displayName endIndex error executableCode fileData fileUri finishMessage finishReason frequencyPenalty functionCall functionCallingConfig functionDeclarations functionResponse generationConfig groundingChunkIndices groundingChunks groundingMetadata groundingSupports id includeThoughts index inlineData items jsonPath labels maxItems maxLength maxOutputTokens maxProperties mimeType minItems minLength minProperties model modelVersion name nullValue numberValue oneOf parametersJsonSchema partialArgs parts prefixItems presencePenalty promptFeedback promptTokenCount properties response responseId responseJsonSchema responseLogprobs responseMimeType responseModalities responseSchema responseTokenCount role serviceTier startIndex stopSequences stringValue systemInstruction text thinkingBudget thinkingConfig thinkingLevel thought thoughtSignature thoughtsTokenCount toolCall toolConfig toolResponse toolUsePromptTokenCount tools topK topP type usageMetadata willContinue`) {
		m[name] = name
		m[snake(name)] = name
	}
	return m
}()

func snake(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			b.WriteByte(c - 'A' + 'a')
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// camel returns a member's key in camelCase, or a key that is none as it is.
func camel(key []byte) string {
	if name, ok := members[string(key)]; ok {
		return name
	}
	return string(key)
}

// lose skips a member that the model has no place for. A null says nothing.
func (p *requestReader) lose(path string) {
	if !p.d.Null() {
		p.d.Skip()
		p.r.Losses.Add(path, "has no place outside the gemini format")
	}
}

// keep keeps a member for a provider of this format.
func (p *requestReader) keep(name string) {
	if !p.d.Null() {
		p.r.Extra = append(p.r.Extra, translate.Member{Name: name, Value: p.d.Raw()})
	}
}

func (p *requestReader) member(key string) {
	d, r := p.d, p.r
	switch key {
	case "model":
		r.Model = strings.TrimPrefix(d.String(), "models/")
	case "contents":
		p.contents()
	case "systemInstruction":
		p.path = key
		_, p.system = p.content(key)
	case "tools":
		p.tools()
	case "toolConfig":
		p.toolConfig()
	case "generationConfig":
		for k := range d.Members() {
			p.config(camel(k))
		}
	case "serviceTier":
		r.ServiceTier = strings.ToLower(d.String())
	case "store":
		r.Store = jsonx.Optional(d, d.Bool)
	case "labels":
		for k := range d.Members() {
			name := string(k)
			if r.Metadata == nil {
				r.Metadata = map[string]string{}
			}
			r.Metadata[name] = d.String()
		}
	default:
		p.keep(key)
	}
}

// config reads a member of generationConfig.
func (p *requestReader) config(key string) {
	d, r := p.d, p.r
	switch key {
	case "temperature":
		r.Temperature = jsonx.Optional(d, d.Float)
	case "topP":
		r.TopP = jsonx.Optional(d, d.Float)
	case "topK":
		r.TopK = jsonx.Optional(d, d.Int)
	case "candidateCount":
		r.Choices = d.Int()
	case "maxOutputTokens":
		r.MaxTokens = jsonx.Optional(d, d.Int)
	case "stopSequences":
		for range d.Elements() {
			r.Stop = append(r.Stop, d.String())
		}
	case "seed":
		r.Seed = jsonx.Optional(d, d.Int)
	case "presencePenalty":
		r.PresencePenalty = jsonx.Optional(d, d.Float)
	case "frequencyPenalty":
		r.FrequencyPenalty = jsonx.Optional(d, d.Float)
	case "responseLogprobs":
		r.Logprobs = jsonx.Optional(d, d.Bool)
	case "logprobs":
		r.TopLogprobs = jsonx.Optional(d, d.Int)
	case "responseModalities":
		for range d.Elements() {
			r.Output.Modalities = append(r.Output.Modalities, strings.ToLower(d.String()))
		}
	case "responseMimeType":
		switch mime := d.String(); {
		case mime == "application/json" && r.Output.Type == "":
			r.Output.Type = translate.OutputJSON
		case mime != "application/json" && mime != "text/plain" && mime != "":
			r.Extra = append(r.Extra, translate.Member{Name: "generationConfig.responseMimeType", Value: jsonx.AppendString(nil, mime)})
		}
	case "responseSchema":
		if !d.Null() {
			r.Output.Type, r.Output.Schema = translate.OutputSchema, jsonSchema(d.Raw())
		}
	case "responseJsonSchema":
		if !d.Null() {
			r.Output.Type, r.Output.Schema = translate.OutputSchema, d.Raw()
		}
	case "thinkingConfig":
		p.thinking()
	default:
		p.keep("generationConfig." + key)
	}
}

func (p *requestReader) thinking() {
	d, r := p.d, &p.r.Reasoning
	for k := range d.Members() {
		switch key := camel(k); key {
		case "includeThoughts":
			if !d.Null() {
				if r.Summary = "none"; d.Bool() {
					r.Summary = "auto"
				}
			}
		case "thinkingBudget":
			if !d.Null() {
				if r.Budget = d.Int(); r.Budget == 0 {
					r.Effort = "none"
				}
			}
		case "thinkingLevel":
			r.Effort = strings.ToLower(d.String())
		default:
			p.keep("generationConfig.thinkingConfig." + key)
		}
	}
}

func (p *requestReader) tools() {
	d := p.d
	for i := range d.Elements() {
		path := "tools[" + strconv.Itoa(i) + "]."
		for k := range d.Members() {
			key := camel(k)
			if key != "functionDeclarations" {
				if d.Null() {
					continue
				}
				var e jsonx.Encoder
				e.Object().KeyString(key).Raw(d.Raw()).EndObject()
				p.r.Tools = append(p.r.Tools, translate.Tool{Kind: translate.HostedTool, Name: key, Format: translate.Gemini, Raw: e.B})
				continue
			}
			for j := range d.Elements() {
				p.function(path + "functionDeclarations[" + strconv.Itoa(j) + "]")
			}
		}
	}
}

func (p *requestReader) function(path string) {
	d := p.d
	t := translate.Tool{Kind: translate.FunctionTool}
	for k := range d.Members() {
		switch key := camel(k); key {
		case "name":
			t.Name = d.String()
		case "description":
			t.Description = d.String()
		case "parameters":
			if !d.Null() {
				t.Schema = jsonSchema(d.Raw())
			}
		case "parametersJsonSchema":
			if !d.Null() {
				t.Schema = d.Raw()
			}
		default: // response, responseJsonSchema, behavior
			p.lose(path + "." + key)
		}
	}
	if t.Name == "" {
		d.Fail(&translate.MemberError{Path: path + ".name", Msg: "this member is required"})
	}
	p.r.Tools = append(p.r.Tools, t)
}

func (p *requestReader) toolConfig() {
	d, c := p.d, &p.r.ToolChoice
	for k := range d.Members() {
		key := camel(k)
		if key != "functionCallingConfig" {
			p.keep("toolConfig." + key)
			continue
		}
		for k := range d.Members() {
			switch key := camel(k); key {
			case "mode":
				switch mode := d.String(); strings.ToUpper(mode) {
				case "ANY":
					c.Mode = translate.ToolRequired
				case "NONE":
					c.Mode = translate.ToolNone
				case "AUTO":
					c.Mode = translate.ToolAuto
				case "VALIDATED": // auto, with arguments that obey the schema
					c.Mode = translate.ToolAuto
					p.r.Losses.Add("toolConfig.functionCallingConfig.mode", "VALIDATED is sent as AUTO")
				case "", "MODE_UNSPECIFIED":
				default:
					d.Fail(&translate.MemberError{Path: "toolConfig.functionCallingConfig.mode", Msg: "must be AUTO, ANY, NONE or VALIDATED"})
				}
			case "allowedFunctionNames":
				for range d.Elements() {
					c.Names = append(c.Names, d.String())
				}
			default:
				p.keep("toolConfig.functionCallingConfig." + key)
			}
		}
	}
}
