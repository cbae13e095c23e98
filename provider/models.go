package provider

import (
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseModelList reads a page of a model list in any shape that providers
// have: OpenAI's {"data":[…]}, Gemini's, Cohere's and Ollama's {"models":[…]},
// Cloudflare's {"result":[…]}, Replicate's {"results":[…],"next":…}, Bedrock's
// {"modelSummaries":[…]}, Vertex AI's {"publisherModels":[…]} and a bare
// array. Of a body with several of these OpenAI's counts: llama.cpp lists its
// models in two shapes at once. Models that cannot chat or are retired, where
// the list says so, are left out.
func ParseModelList(body []byte) (models []Model, next string, err error) {
	d := jsonx.NewDecoder(body)
	if d.Kind() == jsonx.Array {
		models = parseModels(d)
		return models, "", listError(d)
	}
	var data []Model
	var lastID string
	var hasMore bool
	for key := range d.Members() {
		switch string(key) {
		case "data":
			if d.Kind() == jsonx.Array {
				data = parseModels(d)
			}
		case "models", "result", "results", "modelSummaries", "publisherModels":
			if d.Kind() == jsonx.Array {
				models = append(models, parseModels(d)...)
			}
		case "nextPageToken", "next_page_token", "nextToken", "next":
			if d.Kind() == jsonx.String {
				next = d.String()
			}
		case "last_id":
			if d.Kind() == jsonx.String {
				lastID = d.String()
			}
		case "has_more":
			hasMore = d.Kind() == jsonx.Bool && d.Bool()
		}
	}
	if len(data) > 0 {
		models = data
	}
	if hasMore && next == "" {
		next = lastID
	}
	return models, next, listError(d)
}

func listError(d *jsonx.Decoder) error {
	if err := d.End(); err != nil {
		return translate.Malformed(err)
	}
	return nil
}

func parseModels(d *jsonx.Decoder) []Model {
	var models []Model
	for range d.Elements() {
		if d.Kind() != jsonx.Object {
			continue
		}
		if m, ok := parseModel(d); ok {
			models = append(models, m)
		}
	}
	return models
}

func parseModel(d *jsonx.Decoder) (m Model, ok bool) {
	var id, name, model, owner string
	ok = true
	str := func() string {
		if d.Kind() == jsonx.String {
			return d.String()
		}
		return ""
	}
	num := func() int64 {
		if d.Kind() == jsonx.Number {
			return int64(d.Float())
		}
		return 0
	}
	for key := range d.Members() {
		switch string(key) {
		case "id", "modelId":
			id = str()
		case "name", "modelName":
			name = str()
		case "model": // Ollama's name for the id
			model = str()
		case "owned_by", "owner", "providerName":
			owner = str()
		case "display_name", "displayName":
			m.DisplayName = str()
		case "created":
			m.Created = num()
		case "created_at", "modified_at":
			if d.Kind() == jsonx.Number {
				m.Created = num()
			} else if t, err := time.Parse(time.RFC3339, str()); err == nil {
				m.Created = t.Unix()
			}
		case "context_window", "context_length", "max_context_length", "inputTokenLimit", "max_input_tokens":
			m.ContextWindow = num()
		case "max_completion_tokens", "max_tokens", "outputTokenLimit":
			m.MaxOutput = num()
		case "active": // Groq
			ok = ok && (d.Kind() != jsonx.Bool || d.Bool())
		case "is_deprecated": // Cohere
			ok = ok && !(d.Kind() == jsonx.Bool && d.Bool())
		case "lifecycle": // Anthropic
			ok = ok && !(d.Kind() == jsonx.String && d.String() == "retired")
		case "supportedGenerationMethods", "endpoints": // Gemini, Cohere
			ok = chats(d) && ok
		}
	}
	switch {
	case id != "" && !(strings.HasPrefix(name, "@cf/") || strings.HasPrefix(name, "@hf/")):
		m.ID = id
	case owner != "" && name != "" && id == "" && model == "": // Replicate
		m.ID = owner + "/" + name
	case name != "":
		m.ID = name
	default:
		m.ID = model
	}
	if m.DisplayName == "" && id != "" && name != m.ID {
		m.DisplayName = name
	}
	m.ID = strings.TrimPrefix(m.ID, "models/")
	if i := strings.LastIndex(m.ID, "/models/"); strings.HasPrefix(m.ID, "publishers/") && i >= 0 {
		m.ID = m.ID[i+len("/models/"):]
	}
	m.OwnedBy = owner
	return m, ok && m.ID != ""
}

// chats reads a list of methods and reports whether chat is among them.
func chats(d *jsonx.Decoder) bool {
	if d.Kind() != jsonx.Array {
		return true
	}
	n, found := 0, false
	for range d.Elements() {
		n++
		if d.Kind() == jsonx.String {
			switch d.String() {
			case "generateContent", "chat":
				found = true
			}
		}
	}
	return found || n == 0
}
