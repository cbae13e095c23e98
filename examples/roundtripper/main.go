// Roundtripper has OpenAI's SDK reach every provider with pooled keys, without
// a server: the client's http.RoundTripper is the proxy itself, in the same
// process.
//
//	go run ./examples/roundtripper "Hello, world."
//
// No key is needed for that: a demo provider answers. With keys in the
// environment real ones do, whatever their format; a key that is refused or
// must rest is replaced by the next one before the SDK sees any of it:
//
//	OPENAI_API_KEY=sk-first,sk-second go run ./examples/roundtripper -model openai/gpt-5.6 "Hello, world."
//	ANTHROPIC_API_KEY=sk-ant-first go run ./examples/roundtripper -model anthropic/claude-sonnet-5-5 "Hello, world."
//
// The answer is on standard output; on standard error a line for each attempt
// tells its key.
//
// Who wants the pool alone, for one provider in its own format, gives its SDK a
// rotate.Transport.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
)

func main() {
	log.SetFlags(0)
	model := flag.String("model", "demo/echo", "provider/model")
	flag.Parse()
	proxy, err := llmproxy.New(
		llmproxy.FromEnv(os.LookupEnv),
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithoutAuth(), // nobody else can reach it
		llmproxy.WithObserver(llmproxy.Observer{Attempt: func(_ context.Context, _ *llmproxy.Exchange, a *llmproxy.Attempt) {
			log.Printf("[%s %s, key %q: %d]", a.Provider, a.Model, a.Key, a.Status)
		}}),
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := chat(context.Background(), os.Stdout, newClient(proxy), *model, strings.Join(flag.Args(), " ")); err != nil {
		log.Fatal(err)
	}
}

// newClient returns a client that a handler answers. The proxy retries, so the
// client does not.
func newClient(proxy http.Handler) openai.Client {
	return openai.NewClient(
		option.WithBaseURL("http://llmproxy.invalid/v1"),
		option.WithAPIKey("unused"),
		option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: inProcess{proxy}}),
	)
}

// chat writes the answer to w as it comes.
func chat(ctx context.Context, w io.Writer, client openai.Client, model, prompt string) error {
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)},
	})
	defer stream.Close()
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			if _, err := io.WriteString(w, choice.Delta.Content); err != nil {
				return err
			}
		}
	}
	if err := stream.Err(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
