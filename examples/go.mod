module github.com/go-llmproxy/llmproxy/examples

go 1.26.0

require github.com/go-llmproxy/llmproxy v0.0.0

require github.com/go-chi/chi/v5 v5.5.0 // indirect

replace github.com/go-llmproxy/llmproxy => ../
