// What the codecs write in OpenAI's formats, checked against OpenAI's own
// OpenAPI document. A module of its own for the validator's sake.
module github.com/go-llmproxy/llmproxy/internal/openapitest

go 1.26.0

require (
	github.com/go-llmproxy/llmproxy v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	gopkg.in/yaml.v3 v3.0.1
)

require golang.org/x/text v0.43.0 // indirect

replace github.com/go-llmproxy/llmproxy => ../..
