package clienttest

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/translate"
)

var (
	mediaBytes = []byte("\x89PNG or %PDF, whatever\xff\xfe")
	mediaData  = base64.StdEncoding.EncodeToString(mediaBytes)
)

const mediaURL = "https://example.com/a/b?c=d&e=f"

// attachment is an image or a PDF, by URL or as bytes.
type attachment struct{ pdf, url bool }

func (a attachment) String() string {
	return map[bool]string{false: "image", true: "pdf"}[a.pdf] + map[bool]string{false: " bytes", true: " url"}[a.url]
}

func (a attachment) mime() string {
	return map[bool]string{false: "image/png", true: "application/pdf"}[a.pdf]
}

func (a attachment) dataURL() string { return "data:" + a.mime() + ";base64," + mediaData }

// location is the URL, or the bytes as one.
func (a attachment) location() string {
	if a.url {
		return mediaURL
	}
	return a.dataURL()
}

// showers ask about an attachment in each SDK's manner.
var showers = []struct {
	name   string
	format translate.Format
	noPDF  bool // by URL
	show   func(ctx context.Context, base, model string, a attachment) (seen, error)
}{
	{"openai-go Chat", translate.OpenAI, true, func(ctx context.Context, base, model string, a attachment) (seen, error) {
		part := openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: a.location()})
		if a.pdf {
			part = openai.FileContentPart(openai.ChatCompletionContentPartFileFileParam{FileData: openai.String(a.dataURL()), Filename: openai.String("doc.pdf")})
		}
		p := chatParams(model)
		p.Messages = append(p.Messages, openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{part, openai.TextContentPart("What is this?")}))
		r, err := completion(ctx, openaiClient(base), p, false)
		if err != nil {
			return seen{}, err
		}
		return fromCompletion(r), nil
	}},
	{"openai-go Responses", translate.Responses, false, func(ctx context.Context, base, model string, a attachment) (seen, error) {
		part := responses.ResponseInputContentParamOfInputImage(responses.ResponseInputImageDetailAuto)
		if a.pdf {
			file := responses.ResponseInputFileParam{Filename: openai.String("doc.pdf"), FileData: openai.String(a.dataURL())}
			if a.url {
				file = responses.ResponseInputFileParam{FileURL: openai.String(mediaURL)}
			}
			part = responses.ResponseInputContentUnionParam{OfInputFile: &file}
		} else {
			part.OfInputImage.ImageURL = openai.String(a.location())
		}
		p := responseParams(model)
		p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(
			responses.ResponseInputMessageContentListParam{part, responses.ResponseInputContentParamOfInputText("What is this?")}, responses.EasyInputMessageRoleUser)}}
		r, err := response(ctx, openaiClient(base), p, false)
		if err != nil {
			return seen{}, err
		}
		return fromResponse(r), nil
	}},
	{"anthropic-sdk-go", translate.Anthropic, false, func(ctx context.Context, base, model string, a attachment) (seen, error) {
		block := anthropic.NewImageBlockBase64("image/png", mediaData)
		switch {
		case a.pdf && a.url:
			block = anthropic.NewDocumentBlock(anthropic.URLPDFSourceParam{URL: mediaURL})
		case a.pdf:
			block = anthropic.NewDocumentBlock(anthropic.Base64PDFSourceParam{Data: mediaData})
		case a.url:
			block = anthropic.NewImageBlock(anthropic.URLImageSourceParam{URL: mediaURL})
		}
		p := messageParams(model)
		p.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(block, anthropic.NewTextBlock("What is this?"))}
		m, err := messageOf(ctx, anthropicClient(base), p, false)
		if err != nil {
			return seen{}, err
		}
		return fromMessage(m), nil
	}},
	{"genai", translate.Gemini, false, func(ctx context.Context, base, model string, a attachment) (seen, error) {
		part := genai.NewPartFromBytes(mediaBytes, a.mime())
		if a.url {
			part = genai.NewPartFromURI(mediaURL, a.mime())
		}
		question := genai.NewContentFromParts([]*genai.Part{part, genai.NewPartFromText("What is this?")}, genai.RoleUser)
		return generate(ctx, base, model, []*genai.Content{question}, geminiConfig(), false)
	}},
}

// viewer is a provider and the places where it takes attachments; an empty one
// says that it does not.
type viewer struct {
	model                              string
	make                               func() *provider.HTTP
	image, imageURL, document, fileURL string
}

const (
	chatImage = `{"type":"image_url","image_url":{"url":"data:image/png;base64,DATA"`
	chatURL   = `{"type":"image_url","image_url":{"url":"URL"`
	chatFile  = `{"type":"file","file":{"file_data":"data:application/pdf;base64,DATA","filename":"`
)

var viewers = []viewer{
	{"groq/llama", provider.Groq, chatImage, chatURL, chatFile, ""},
	{"mistral/m", provider.Mistral, chatImage, chatURL, `{"type":"document_url","document_url":"data:application/pdf;base64,DATA"`, `{"type":"document_url","document_url":"URL"`},
	{"ollama/llama", func() *provider.HTTP { return provider.Ollama("http://x") }, chatImage, "", chatFile, ""},
	{"openai/gpt-5-codex", provider.OpenAI, `{"type":"input_image","image_url":"data:image/png;base64,DATA"`, `{"type":"input_image","image_url":"URL"`,
		`{"type":"input_file","file_data":"data:application/pdf;base64,DATA","filename":"`, `{"type":"input_file","file_url":"URL"`},
	{"anthropic/claude-sonnet-4-5", provider.Anthropic, `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"DATA"}`, `{"type":"image","source":{"type":"url","url":"URL"}`,
		`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"DATA"}`, `{"type":"document","source":{"type":"url","url":"URL"}`},
	{"google-ai-studio/gemini-3-pro", provider.GoogleAIStudio, `{"inlineData":{"mimeType":"image/png","data":"DATA"`, "", `{"inlineData":{"mimeType":"application/pdf","data":"DATA"`, ""},
	{"cohere/command-a", provider.Cohere, chatImage, chatURL, "", ""},
	{"aws-bedrock/amazon.nova-lite-v1:0", func() *provider.HTTP { return provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}) },
		`{"image":{"format":"png","source":{"bytes":"DATA"}}}`, "", `{"document":{"format":"pdf","name":"`, ""},
}

// place returns where the provider takes a, and whether that takes a fetcher.
func (v viewer) place(a attachment) (where string, fetched bool) {
	bytes, url := v.image, v.imageURL
	if a.pdf {
		bytes, url = v.document, v.fileURL
	}
	if a.url && url == "" {
		return bytes, true
	}
	if a.url {
		return url, false
	}
	return bytes, false
}

// pitfall 36: images and documents arrive in the provider's own place for them,
// or are refused by name, and never left out.
func TestAttachments(t *testing.T) {
	for _, c := range showers {
		for _, up := range viewers {
			if _, model, _ := strings.Cut(up.model, "/"); slices.Contains(up.make().Formats(model), c.format) {
				continue // its bytes are not touched
			}
			for _, a := range []attachment{{}, {url: true}, {pdf: true}, {pdf: true, url: true}} {
				if a.pdf && a.url && c.noPDF {
					continue
				}
				t.Run(fmt.Sprintf("%s to %s, %v", c.name, up.model, a), func(t *testing.T) { attach(t, up, a, c.show) })
			}
		}
	}
}

func attach(t *testing.T, up viewer, a attachment, show func(context.Context, string, string, attachment) (seen, error)) {
	where, fetched := up.place(a)
	where = strings.NewReplacer("DATA", mediaData, "URL", mediaURL).Replace(where)
	refused := func(options ...llmproxy.Option) {
		base, _ := serveWith(t, options, up.make)
		if s, err := show(t.Context(), base, up.model, a); status(err) != 400 || !strings.Contains(message(err), "URL") && !strings.Contains(message(err), "document") && !strings.Contains(message(err), "image") {
			t.Errorf("not refused by name: %v, %v", s, err)
		}
	}
	if fetched || where == "" {
		refused()
	}
	fetches := 0
	fetch := llmproxy.WithMediaFetcher(func(_ context.Context, url string) (string, []byte, error) {
		if fetches++; url != mediaURL {
			t.Errorf("fetched %s", url)
		}
		return a.mime(), mediaBytes, nil
	})
	if where == "" {
		refused(fetch)
		return
	}
	base, server := serveWith(t, []llmproxy.Option{fetch}, up.make, providertest.Text("A cat."))
	s, err := show(t.Context(), base, up.model, a)
	if err != nil || s.text != "A cat." {
		t.Fatalf("%v, %v", s, message(err))
	}
	if got := string(server.Requests()[0].Body); !strings.Contains(got, where) || !strings.Contains(got, "What is this?") {
		t.Errorf("%s is not in %s", where, got)
	}
	if (fetches == 1) != fetched {
		t.Errorf("fetched %d times", fetches)
	}
}
