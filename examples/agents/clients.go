package main

// client is a coding agent, and what its first request looks like.
type client struct {
	name     string
	base     string            // what its base URL has after the proxy's address
	endpoint string            // what it appends to its base URL
	header   map[string]string // KEY stands for the proxy's key
	body     string            // MODEL stands for the model
	format
}

// clients are made by what their documentation and, where it is public, their
// source say, as of November 2026. Prompts and tools are cut down to one of each
// kind.
var clients = []client{
	{
		name: "claude-code", endpoint: "/v1/messages?beta=true", format: messages,
		header: map[string]string{
			"Authorization": "Bearer KEY", "Anthropic-Version": "2023-06-01", "Anthropic-Beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
			"User-Agent": "claude-cli/2.1.278 (external, cli)", "X-App": "cli", "X-Stainless-Retry-Count": "0", "X-Claude-Code-Session-Id": "6a2f41a3-c54c-4a86-8b7c-3f0e4c2b9d11",
		},
		body: `{"model":"MODEL","max_tokens":32000,"stream":true,
"system":[{"type":"text","text":"You are a coding agent in a terminal.","cache_control":{"type":"ephemeral"}}],
"messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>The directory is empty.</system-reminder>"},{"type":"text","text":"Say hello.","cache_control":{"type":"ephemeral"}}]}],
"tools":[{"name":"Bash","description":"Runs a command.","input_schema":{"type":"object","properties":{"command":{"type":"string"},"timeout":{"type":"number"}},"required":["command"],"additionalProperties":false}}],
"metadata":{"user_id":"session_6a2f41a3"}}`,
	},
	{
		name: "codex", base: "/v1", endpoint: "/responses", format: responses,
		header: map[string]string{
			"Authorization": "Bearer KEY", "Accept": "text/event-stream", "Originator": "codex_cli_rs", "User-Agent": "codex_cli_rs/0.162.1 (Debian 13; x86_64) xterm",
			"Session_id": "019c1e6a-7a30-7c51-9f6e-2d1c8f0b7a42",
		},
		body: `{"model":"MODEL","instructions":"You are a coding agent in a terminal.",
"input":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"Commands run in a sandbox."}]},
{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context>The directory is empty.</environment_context>"}]},
{"type":"message","role":"user","content":[{"type":"input_text","text":"Say hello."}]}],
"tools":[{"type":"function","name":"exec_command","description":"Runs a command.","strict":false,"parameters":{"type":"object","properties":{"cmd":{"type":"string"},"yield_time_ms":{"type":"number"}},"required":["cmd"],"additionalProperties":false}}],
"tool_choice":"auto","parallel_tool_calls":true,"reasoning":null,"store":false,"stream":true,"include":[],"prompt_cache_key":"019c1e6a-7a30-7c51-9f6e-2d1c8f0b7a42"}`,
	},
	{
		name: "gemini-cli", endpoint: "/v1beta/models/MODEL:streamGenerateContent?alt=sse", format: gemini,
		header: map[string]string{
			"X-Goog-Api-Key": "KEY", "User-Agent": "GeminiCLI/0.60.0/MODEL (linux; x64; terminal)", "X-Goog-Api-Client": "google-genai-sdk/1.30.0 gl-node/v22.21.0",
		},
		body: `{"contents":[{"role":"user","parts":[{"text":"The directory is empty."}]},{"role":"user","parts":[{"text":"Say hello."}]}],
"systemInstruction":{"role":"user","parts":[{"text":"You are a coding agent in a terminal."}]},
"tools":[{"functionDeclarations":[{"name":"run_shell_command","description":"Runs a command.","parametersJsonSchema":{"type":"object","properties":{"command":{"type":"string"},"timeout":{"type":"number"}},"required":["command"]}}]}],
"generationConfig":{"temperature":1,"topP":0.95}}`,
	},
	{
		name: "cursor", base: "/v1", endpoint: "/chat/completions", format: chat,
		header: map[string]string{"Authorization": "Bearer KEY"},
		body: `{"model":"MODEL","stream":true,"stream_options":{"include_usage":true},
"messages":[{"role":"system","content":"You are a coding agent in an editor."},{"role":"user","content":[{"type":"text","text":"The directory is empty."}]},{"role":"user","content":"Say hello."}],
"tools":[{"type":"function","function":{"name":"run_terminal_cmd","description":"Runs a command.","parameters":{"type":"object","properties":{"command":{"type":"string"},"is_background":{"type":"boolean"}},"required":["command"]}}}],
"tool_choice":"auto"}`,
	},
	{
		name: "ai-sdk", base: "/v1", endpoint: "/responses", format: responses,
		header: map[string]string{"Authorization": "Bearer KEY", "User-Agent": "ai/6.0.0 ai-sdk/openai/3.0.37 runtime/node.js/22"},
		body: `{"model":"MODEL","stream":true,"input":[{"role":"system","content":"You are a coding agent on a server."},{"role":"user","content":[{"type":"input_text","text":"Say hello."}]}],
"tools":[{"type":"function","name":"run","description":"Runs a command.","parameters":{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"command":{"type":"string"}},"required":["command"],"additionalProperties":false}}],
"tool_choice":"auto"}`,
	},
}
