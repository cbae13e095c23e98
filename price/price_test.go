package price_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/translate"
)

const head = "provider,model,above,input,cache_read,cache_write,output\n"

// TestCost holds costs to figures reckoned by hand from the price pages.
func TestCost(t *testing.T) {
	for _, c := range []struct {
		provider, model string
		usage           translate.Usage
		want            string
	}{
		{"openai", "gpt-4o", translate.Usage{Input: 1_000_000}, "$2.50"},
		{"openai", "gpt-4o-2024-08-06", translate.Usage{Input: 11, Output: 9}, "$0.0001175"},
		{"openai", "gpt-4o-2024-05-13", translate.Usage{Input: 1_000_000}, "$5.00"},          // a price of its own
		{"openai", "gpt-5-2025-08-07", translate.Usage{Output: 10, Reasoning: 90}, "$0.001"}, // by its name without the date
		{"anthropic", "claude-sonnet-4-5-20250929", translate.Usage{Input: 3, CacheRead: 1000, CacheWrite: 100, Output: 10}, "$0.000834"},
		{"anthropic", "claude-haiku-5-5", translate.Usage{Input: 100_000, Output: 1}, "$0.0100005"},
		{"anthropic", "claude-haiku-5-5", translate.Usage{Input: 1, CacheRead: 100_000, Output: 1}, "$0.005003"}, // all of it at the higher price
		{"google-ai-studio", "gemini-2.5-pro", translate.Usage{Input: 200_000}, "$0.25"},
		{"google-ai-studio", "gemini-2.5-pro", translate.Usage{Input: 200_001}, "$0.5000025"},
		{"google-vertex-ai", "google/gemini-2.5-pro", translate.Usage{Input: 8}, "$0.00001"},
		{"google-vertex-ai", "claude-opus-4-6", translate.Usage{Input: 1}, "$0.000005"},
		{"google-vertex-ai", "claude-opus-4-6@default", translate.Usage{Input: 1}, "$0.000005"},
		{"aws-bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", translate.Usage{Input: 1000}, "$0.0033"},
		{"openai", "text-embedding-3-small", translate.Usage{Input: 1}, "$0.00000002"},
		{"openai", "gpt-4o", translate.Usage{}, "$0.00"},
		{"openai", "gpt-4o-2024-05-13", translate.Usage{CacheRead: 1_000_000}, "$5.00"}, // no price for cached input
	} {
		got, ok := price.Default().Cost(c.provider, c.model, &c.usage)
		if !ok || got.String() != c.want {
			t.Errorf("%s/%s %+v: %v %v, want %s", c.provider, c.model, c.usage, got, ok, c.want)
		}
	}
	for _, name := range []string{"gpt-unheard-of", "gpt-4", "", "@default", "-2025-08-07"} {
		if c, ok := price.Default().Cost("grok", name, &translate.Usage{Input: 1}); ok {
			t.Errorf("grok/%s costs %v", name, c)
		}
	}
	if _, ok := price.Default().Cost("openai", "gpt-4o", nil); ok {
		t.Error("what is not known has a cost")
	}
	if _, ok := (*price.Table)(nil).Cost("openai", "gpt-4o", &translate.Usage{}); ok {
		t.Error("no table has a price")
	}
	made := price.Price{Input: 1 << 40, Output: 1 << 40}
	if c := made.Cost(&translate.Usage{Input: math.MaxInt64, Output: math.MaxInt64}); c <= 0 {
		t.Errorf("a count that a provider made up costs %d", c)
	}
}

func TestWith(t *testing.T) {
	with, err := price.Default().With([]byte("# ours\n" + head + "openai,gpt-4o,,1,,,2\nmine,\"a,b\",,0.5,,,\nmine,\"a,b\",10,1,,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		provider, model string
		want            string
	}{{"openai", "gpt-4o", "$3.00"}, {"openai", "gpt-4o-mini", "$0.75"}, {"mine", "a,b", "$1.00"}} {
		got, ok := with.Cost(c.provider, c.model, &translate.Usage{Input: 1_000_000, Output: 1_000_000})
		if !ok || got.String() != c.want {
			t.Errorf("%s/%s: %v, want %s", c.provider, c.model, got, c.want)
		}
	}
	if got, _ := price.Default().Cost("openai", "gpt-4o", &translate.Usage{Input: 1_000_000}); got != 2.5e9 {
		t.Errorf("With changed the table that it was called on: %v", got)
	}
	if alone, err := (*price.Table)(nil).With([]byte("a,b,,1,,,1")); err != nil {
		t.Error(err)
	} else if _, ok := alone.Cost("a", "b", &translate.Usage{}); !ok {
		t.Error("no table with a price has none")
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		head + "a,b,,x,,,":                   `line 2: input: "x" is not a price`,
		"a,b,,1,,,-1":                        `line 1: output: "-1" is not a price`,
		"a,b,,1,NaN,,":                       `cache_read: "NaN" is not a price`,
		"a,b,,,,,1":                          "needs one for input",
		"a,,,1,,,1":                          "needs a provider and a model",
		"a,b,5,1,,,1":                        "not in the order of above",
		"a,b,,1,,,1\na,b,,1,,,1":             "line 2",
		"a,b,,1,,,1\na,b,x,1,,,1":            `above: "x" is not a number of tokens`,
		"a,b,1":                              "line 1",
		"a,b,,1,,,1\na,b,9,1,,,\na,b,3,1,,,": "line 3",
	} {
		if _, err := price.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestUSD(t *testing.T) {
	for a, want := range map[price.USD]string{0: "$0.00", 1: "$0.000000001", -price.Dollar: "-$1.00", 12*price.Dollar + price.Dollar/2: "$12.50", math.MinInt64: "-$9223372036.854775808"} {
		if a.String() != want {
			t.Errorf("%d: %s, want %s", int64(a), a, want)
		}
	}
	if d := (5 * price.Dollar / 4).Dollars(); d != 1.25 {
		t.Error(d)
	}
}

func TestLookupAllocates(t *testing.T) {
	u := &translate.Usage{Input: 10, Output: 10}
	table := price.Default()
	if n := testing.AllocsPerRun(100, func() { table.Cost("openai", "gpt-5-2025-08-07", u) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func ExampleTable_With() {
	prices, err := price.Default().With([]byte("openai,my-model,,1.25,0.125,,10\n"))
	if err != nil {
		panic(err)
	}
	cost, known := prices.Cost("openai", "my-model", &translate.Usage{Input: 1000, CacheRead: 2000, Output: 100})
	fmt.Println(cost, known)
	_, known = prices.Cost("openai", "another", &translate.Usage{Input: 1000})
	fmt.Println(known)
	// Output:
	// $0.0025 true
	// false
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "a,b,,1,2,3,4\na,b,5,1,2,3,4\n"))
	f.Add([]byte(`"`))
	f.Add([]byte(head + "a,b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if table, err := price.Parse(text); err == nil {
			table.Cost("a", "b", &translate.Usage{Input: 6})
		} else if !strings.HasPrefix(err.Error(), "price: line ") {
			t.Errorf("an error without a line: %v", err)
		}
	})
}
