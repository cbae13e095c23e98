package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/go-llmproxy/llmproxy"
)

// configuration is the file of -config: JSON with comments. It says what the
// environment says, by the same names, and what the environment cannot. The
// file counts where both say something.
//
//	{
//	  // Lists and objects stand as they are, not inside strings.
//	  "env": {"OPENAI_API_KEY": ["sk-1", "sk-2"], "PROXY_API_KEY": "secret", "DEFAULT_MODEL": "fast"},
//	  "aliases": {"fast": ["groq/openai/gpt-oss-120b", "openai/gpt-5.5-mini"]},
//	  "timeouts": {"first_content": "2m", "idle": "1m"},
//	  "retry": {"attempts": 6},
//	  "strict": false
//	}
type configuration struct {
	Env      map[string]json.RawMessage `json:"env"`
	Aliases  map[string][]string        `json:"aliases"`
	Timeouts struct {
		ResponseHeader duration `json:"response_header"`
		FirstContent   duration `json:"first_content"`
		Idle           duration `json:"idle"`
	} `json:"timeouts"`
	Retry struct {
		Attempts int      `json:"attempts"`
		Time     duration `json:"time"`
	} `json:"retry"`
	Strict bool `json:"strict"`
}

// duration is written as "90s" or "2m".
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

// readConfiguration reads a file; an empty path is an empty one.
func readConfiguration(path string) (*configuration, error) {
	c := new(configuration)
	if path == "" {
		return c, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(withoutComments(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d.More() {
		return nil, fmt.Errorf("%s: data after the configuration", path)
	}
	return c, nil
}

// lookup returns a variable of the file, or else of the environment.
func (c *configuration) lookup(name string) (string, bool) {
	raw, ok := c.Env[name]
	if !ok {
		return os.LookupEnv(name)
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	return string(raw), true // lists, objects, true and false
}

// options returns what the file and the environment say. A variable in the
// file that nobody asks for is a mistake, and an error of New.
func (c *configuration) options() (llmproxy.Option, func() error) {
	asked := map[string]bool{}
	opts := []llmproxy.Option{llmproxy.FromEnv(func(name string) (string, bool) {
		asked[name] = true
		return c.lookup(name)
	})}
	for name, targets := range c.Aliases {
		opts = append(opts, llmproxy.WithAlias(name, targets...))
	}
	opts = append(opts,
		llmproxy.WithTimeouts(llmproxy.Timeouts{ResponseHeader: time.Duration(c.Timeouts.ResponseHeader), FirstContent: time.Duration(c.Timeouts.FirstContent), Idle: time.Duration(c.Timeouts.Idle)}),
		llmproxy.WithRetry(llmproxy.Retry{Attempts: c.Retry.Attempts, Time: time.Duration(c.Retry.Time)}))
	if c.Strict {
		opts = append(opts, llmproxy.WithStrict())
	}
	return llmproxy.Options(opts...), func() error {
		var errs []error
		for name := range c.Env {
			if !asked[name] {
				errs = append(errs, fmt.Errorf("env.%s: no such variable", name))
			}
		}
		slices.SortFunc(errs, func(a, b error) int { return bytes.Compare([]byte(a.Error()), []byte(b.Error())) })
		return errors.Join(errs...)
	}
}

// withoutComments makes comments, // and /* */, and commas that nothing
// follows spaces, so that places in errors stay right.
func withoutComments(b []byte) []byte {
	out := bytes.Clone(b)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	comma := -1
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '"':
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
			comma = -1
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			end := []byte("\n")
			if out[i+1] == '*' {
				end = []byte("*/")
			}
			n := bytes.Index(out[i+2:], end)
			if n < 0 {
				n = len(out) - i - 2 - len(end)
			}
			blank(i, i+2+n+len(end))
			i += 1 + n + len(end)
		case c == ',':
			comma = i
		case c == '}' || c == ']':
			if comma >= 0 {
				out[comma] = ' '
			}
			comma = -1
		case c != ' ' && c != '\n' && c != '\t' && c != '\r':
			comma = -1
		}
	}
	return out
}
