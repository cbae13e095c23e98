package providertest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// shapes says which members an object of a format has, each with its kind:
// s(tring), n(umber), b(oolean), a(rray), o(bject) or * for any; a "!" says
// that it must be there. What stands in an object or in the elements of an
// array is looked at where it has a shape of its own.
var shapes = map[translate.Format]map[string]string{
	translate.OpenAI: {
		"": "model:s! messages:a! stream:b stream_options:o max_tokens:n max_completion_tokens:n temperature:n top_p:n n:n stop:* seed:n user:s tools:a tool_choice:* " +
			"parallel_tool_calls:b response_format:o presence_penalty:n frequency_penalty:n logit_bias:o logprobs:b top_logprobs:n reasoning_effort:s reasoning:o verbosity:s " +
			"store:b metadata:o service_tier:s prompt_cache_key:s safety_identifier:s modalities:a audio:o prediction:o web_search_options:o",
		".messages":                     "role:s! content:* name:s tool_calls:a tool_call_id:s refusal:* reasoning_content:s reasoning_details:a reasoning:*",
		".messages.tool_calls":          "id:s! type:s! function:o!",
		".messages.tool_calls.function": "name:s! arguments:s!",
		".tools":                        "type:s! function:o!",
		".tools.function":               "name:s! description:s parameters:o strict:b",
		".stream_options":               "include_usage:b include_obfuscation:b",
	},
	translate.Responses: {
		"": "model:s! input:*! instructions:s stream:b stream_options:o max_output_tokens:n temperature:n top_p:n tools:a tool_choice:* parallel_tool_calls:b text:o reasoning:o " +
			"store:b include:a metadata:o user:s service_tier:s prompt_cache_key:s safety_identifier:s truncation:s top_logprobs:n previous_response_id:s max_tool_calls:n background:b",
		".tools": "type:s! name:s! description:s parameters:o strict:b",
	},
	translate.Anthropic: {
		"": "model:s messages:a! max_tokens:n! system:* stream:b temperature:n top_p:n top_k:n stop_sequences:a tools:a tool_choice:o thinking:o metadata:o service_tier:s " +
			"output_config:o anthropic_version:s anthropic_beta:a",
		".messages": "role:s! content:*!",
		".tools":    "name:s! description:s input_schema:o! cache_control:o type:s strict:b",
	},
	translate.Gemini: {
		"":                             "contents:a! model:s systemInstruction:o tools:a toolConfig:o generationConfig:o safetySettings:a cachedContent:s labels:o",
		".contents":                    "role:s! parts:a!",
		".systemInstruction":           "role:s parts:a!",
		".tools":                       "functionDeclarations:a googleSearch:o codeExecution:o urlContext:o",
		".tools.functionDeclarations":  "name:s! description:s parameters:o parametersJsonSchema:o response:o",
		".toolConfig":                  "functionCallingConfig:o",
		".contents.parts.functionCall": "id:s name:s! args:o",
	},
	translate.Cohere: {
		"": "model:s! messages:a! stream:b tools:a tool_choice:s documents:a citation_options:o response_format:o safety_mode:s max_tokens:n stop_sequences:a temperature:n seed:n " +
			"frequency_penalty:n presence_penalty:n k:n p:n logprobs:b thinking:o priority:n strict_tools:b",
		".messages":       "role:s! content:* tool_calls:a tool_plan:s tool_call_id:s citations:a",
		".tools":          "type:s! function:o!",
		".tools.function": "name:s! description:s parameters:o",
	},
	translate.Bedrock: {
		"": "messages:a! system:a inferenceConfig:o toolConfig:o additionalModelRequestFields:o additionalModelResponseFieldPaths:a guardrailConfig:o promptVariables:o " +
			"requestMetadata:o performanceConfig:o serviceTier:o outputConfig:o",
		".messages":                  "role:s! content:a!",
		".inferenceConfig":           "maxTokens:n temperature:n topP:n stopSequences:a",
		".toolConfig":                "tools:a! toolChoice:o",
		".toolConfig.tools":          "toolSpec:o cachePoint:o",
		".toolConfig.tools.toolSpec": "name:s! description:s inputSchema:o! strict:b",
	},
	replicate.Format: {
		"":       "input:o! version:s stream:b",
		".input": "prompt:s! system_prompt:s max_tokens:n temperature:n top_p:n top_k:n min_p:n presence_penalty:n frequency_penalty:n seed:n stop_sequences:s",
	},
}

// Invalid returns what a server that is strict about its format finds wrong
// with the body of a request for chat: members that are missing, of the wrong
// kind or unheard of. A request that is none for chat has nothing wrong.
func (q *Request) Invalid() error {
	if q.Format == "" || q.Count || len(q.Body) == 0 {
		return nil
	}
	var body map[string]any
	if err := json.Unmarshal(q.Body, &body); err != nil {
		return err
	}
	if q.Format == translate.Anthropic {
		if err := q.placed(body); err != nil {
			return err
		}
	}
	return checkShape(shapes[q.Format], "", body)
}

// placed checks what of a Messages request stands in the body, and what of it
// stands in the path and the headers at that address.
func (q *Request) placed(body map[string]any) error {
	want := []string{"model"}
	var not []string
	switch method := q.Path[strings.LastIndexAny(q.Path, "/:")+1:]; method {
	case "rawPredict", "streamRawPredict":
		want, not = []string{"anthropic_version"}, []string{"model"}
	case "invoke", "invoke-with-response-stream":
		want, not = []string{"anthropic_version"}, []string{"model", "stream"}
	default:
		if q.Header.Get("Anthropic-Version") == "" {
			return fmt.Errorf("the header anthropic-version is missing")
		}
	}
	for _, name := range want {
		if body[name] == nil {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for _, name := range not {
		if body[name] != nil {
			return fmt.Errorf("%s: extra inputs are not permitted", name)
		}
	}
	return nil
}

func checkShape(shapes map[string]string, path string, object map[string]any) error {
	shape, ok := shapes[path]
	if !ok {
		return nil
	}
	kinds := map[string]string{}
	for member := range strings.FieldsSeq(shape) {
		name, kind, _ := strings.Cut(member, ":")
		kinds[name] = kind
		if _, given := object[name]; !given && strings.HasSuffix(kind, "!") {
			return fmt.Errorf("%s.%s is missing", path, name)
		}
	}
	for name, v := range object {
		at := path + "." + name
		kind, known := kinds[name]
		if !known {
			return fmt.Errorf("%s is unknown", at)
		}
		if kind = kind[:1]; kind != "*" && kind != kindOf(v) {
			return fmt.Errorf("%s is %T", at, v)
		}
		elements, ok := v.([]any)
		if !ok {
			elements = []any{v}
		}
		for _, e := range elements {
			if o, ok := e.(map[string]any); ok {
				if err := checkShape(shapes, at, o); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "s"
	case float64:
		return "n"
	case bool:
		return "b"
	case []any:
		return "a"
	case map[string]any:
		return "o"
	}
	return "null"
}
