// Package price tells what tokens cost.
//
// A Table holds the prices of models, by provider. Default is the one that the
// package brings along: list prices, dated, for a first idea and for budgets.
// Who pays other prices, or needs today's, replaces or extends it:
//
//	prices, err := price.Default().With([]byte("openai,gpt-x,,1.25,0.125,,10\n"))
//
// Prices are those of tokens of text at the standard tier. Requests of hosted
// tools, storage of caches, caches of an hour, batches and other service tiers
// have prices of their own, which a Table does not know.
package price

import (
	"fmt"
	"math"
	"strconv"

	"github.com/go-llmproxy/llmproxy/translate"
)

// USD is an amount of US dollars in billionths, so that sums are exact.
type USD int64

// Dollar is one US dollar.
const Dollar USD = 1e9

// Dollars returns the amount in dollars.
func (a USD) Dollars() float64 { return float64(a) / float64(Dollar) }

// String returns the amount as "$0.001234", with as many decimals as it needs
// and at least two.
func (a USD) String() string {
	sign, n := "", uint64(a)
	if a < 0 {
		sign, n = "-", -n
	}
	s := fmt.Sprintf("%09d", n%uint64(Dollar))
	end := len(s)
	for end > 2 && s[end-1] == '0' {
		end--
	}
	return sign + "$" + strconv.FormatUint(n/uint64(Dollar), 10) + "." + s[:end]
}

// Rate is a price for a million tokens, in millionths of a US dollar, which is
// what the cheapest models are priced in: $2.50 are 2,500,000.
type Rate int64

// Price is what a model's tokens cost.
type Price struct {
	Input      Rate // neither read from nor written to a cache
	CacheRead  Rate
	CacheWrite Rate
	Output     Rate // reasoning included
	// Above is the number of input tokens, cached ones included, from which
	// on this price holds for the whole request; 0 for the first price.
	Above int64
}

// Cost returns what a usage, which is not nil, costs, rounded to the nearest
// billionth of a dollar.
func (p Price) Cost(u *translate.Usage) USD {
	// A rate of one is 1e-12 dollars a token. The sum is exact up to thousands
	// of dollars, and no count that a provider makes up overflows it.
	cost := float64(u.Input)*float64(p.Input) + float64(u.CacheRead)*float64(p.CacheRead) +
		float64(u.CacheWrite)*float64(p.CacheWrite) + float64(u.TotalOutput())*float64(p.Output)
	return USD(min(max(math.Round(cost/1000), 0), 1<<62))
}
