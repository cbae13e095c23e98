package price

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Table holds the prices of models. It is immutable and safe for concurrent
// use. A nil Table knows no price.
type Table struct {
	prices map[key][]Price // by Above, ascending
}

type key struct{ provider, model string }

//go:embed prices.csv
var embedded []byte

var defaultTable = sync.OnceValue(func() *Table {
	t, err := Parse(embedded)
	if err != nil {
		panic(err) // a test holds it
	}
	return t
})

// Default returns the prices that the package brings along; see the head of
// prices.csv for their date and source.
func Default() *Table { return defaultTable() }

// columns are those of a table's text.
var columns = []string{"provider", "model", "above", "input", "cache_read", "cache_write", "output"}

// Parse reads a table from lines of comma-separated values:
//
//	provider,model,above,input,cache_read,cache_write,output
//
// The provider and model are named as requests are sent to them. Prices are in
// US dollars per million tokens; an empty cache_read or cache_write costs what
// input does, and an empty output nothing, as with embeddings. Above is the
// number of input tokens over which a further line of the same model holds;
// empty in its first. Lines that start with # and the line of the names are
// passed over. The error names the line.
func Parse(text []byte) (*Table, error) {
	t := &Table{prices: map[key][]Price{}}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comment, r.FieldsPerRecord, r.ReuseRecord, r.TrimLeadingSpace = '#', len(columns), true, true
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return t, nil
		}
		if broken := (*csv.ParseError)(nil); errors.As(err, &broken) { // there may be no field whose place is known
			return nil, fmt.Errorf("price: line %d: %w", broken.Line, broken.Err)
		}
		if slices.Equal(rec, columns) {
			continue
		}
		if err := t.add(rec); err != nil {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("price: line %d: %w", line, err)
		}
	}
}

func (t *Table) add(rec []string) error {
	k := key{strings.Clone(rec[0]), strings.Clone(rec[1])}
	if k.provider == "" || k.model == "" {
		return errors.New("a price needs a provider and a model")
	}
	var p Price
	if rec[2] != "" {
		n, err := strconv.ParseInt(rec[2], 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("above: %q is not a number of tokens", rec[2])
		}
		p.Above = n
	}
	for i, to := range []*Rate{&p.Input, &p.CacheRead, &p.CacheWrite, &p.Output} {
		v := rec[3+i]
		if v == "" && to == &p.Input {
			return errors.New("a price needs one for input")
		}
		if v == "" && to != &p.Output {
			*to = p.Input
		} else if v != "" {
			rate, err := parseRate(v)
			if err != nil {
				return fmt.Errorf("%s: %w", columns[3+i], err)
			}
			*to = rate
		}
	}
	have := t.prices[k]
	if n := len(have); n == 0 && p.Above != 0 || n > 0 && p.Above <= have[n-1].Above {
		return fmt.Errorf("the lines of %s/%s are not in the order of above, from an empty one", k.provider, k.model)
	}
	t.prices[k] = append(have, p)
	return nil
}

// parseRate reads dollars, exact to a millionth.
func parseRate(s string) (Rate, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 1e6 || math.IsNaN(f) {
		return 0, fmt.Errorf("%q is not a price", s)
	}
	return Rate(math.Round(f * 1e6)), nil
}

// With returns a table that has t's prices and those of text, see Parse; where
// both price a model, text's hold.
func (t *Table) With(text []byte) (*Table, error) {
	more, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if t != nil {
		all := maps.Clone(t.prices)
		maps.Copy(all, more.prices)
		more.prices = all
	}
	return more, nil
}

// Lookup returns the price of a model for a request of so many input tokens,
// cached ones included. A name that ends in a date, such as
// gpt-5-2025-08-07 or claude-sonnet-4-5@20250929, has the price of the name
// without it unless it has its own; one with a publisher before a slash that
// of the name alone, too.
func (t *Table) Lookup(provider, model string, input int64) (Price, bool) {
	if t == nil {
		return Price{}, false
	}
	for name, ok := model, true; ok; name, ok = simpler(name) {
		if tiers := t.prices[key{provider, name}]; tiers != nil {
			i := len(tiers) - 1
			for i > 0 && input <= tiers[i].Above {
				i--
			}
			return tiers[i], true
		}
	}
	return Price{}, false
}

// Cost returns what a usage of a model costs; false where the model has no
// price, or u is nil: that is unknown, not nothing.
func (t *Table) Cost(provider, model string, u *translate.Usage) (USD, bool) {
	if u == nil {
		return 0, false
	}
	p, ok := t.Lookup(provider, model, u.TotalInput())
	if !ok {
		return 0, false
	}
	return p.Cost(u), true
}

// simpler returns a model's name without its date, or else without what stands
// before its first slash.
func simpler(name string) (string, bool) {
	for _, form := range []string{"-dddd-dd-dd", "-dddddddd", "@dddddddd", "@default"} {
		if head := len(name) - len(form); head > 0 && matches(name[head:], form) {
			return name[:head], true
		}
	}
	_, rest, ok := strings.Cut(name, "/")
	return rest, ok
}

func matches(s, form string) bool {
	for i := range len(s) {
		if c, f := s[i], form[i]; c != f && (f != 'd' || form == "@default" || c < '0' || c > '9') {
			return false
		}
	}
	return true
}
