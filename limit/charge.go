package limit

import (
	"net/http"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

// estimate is what a request is thought to take.
type estimate struct {
	input, output int64
	money         price.USD
}

func (e estimate) amounts() Amounts { return Amounts{1, e.input + e.output, e.money} }

func (l *Limiter) estimate(q *llmproxy.Admission) estimate {
	e := estimate{input: q.InputTokens}
	switch q.Op {
	case provider.CountTokens: // free
		return estimate{}
	case provider.Embed:
	default:
		if e.output = min(q.MaxOutputTokens, l.most); e.output == 0 {
			e.output = l.unknown
		}
	}
	e.money = l.cost(q, &translate.Usage{Input: e.input, Output: e.output})
	return e
}

func (l *Limiter) cost(q *llmproxy.Admission, u *translate.Usage) price.USD {
	if cost, priced := q.Cost(u); priced {
		return cost
	}
	return l.unpriced
}

// spent returns what a request took: its usage where that is told, or was
// estimated from the text that came; nothing but the request where it failed;
// and else what it was thought to take.
func (l *Limiter) spent(q *llmproxy.Admission, e estimate, x *llmproxy.Exchange) Amounts {
	brokenOff := x.Err != nil || x.Aborted
	switch {
	case q.Op == provider.CountTokens:
		return Amounts{Requests: 1}
	case x.Usage != nil && x.Priced:
		return Amounts{1, x.Usage.Total(), x.Cost}
	case x.Usage != nil:
		return Amounts{1, x.Usage.Total(), l.unpriced}
	case x.Status == http.StatusSwitchingProtocols:
		return e.amounts() // a WebSocket's messages are not read
	case len(x.Attempts) == 0, x.Status >= 400 && !x.Aborted:
		return Amounts{Requests: 1}
	case x.Stream && brokenOff: // before any text came
		return Amounts{1, e.input, l.cost(q, &translate.Usage{Input: e.input})}
	case q.BodyBytes == 0: // it asked no model for anything
		return Amounts{Requests: 1}
	}
	return e.amounts()
}
