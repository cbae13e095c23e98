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

// streamBytes is about how many bytes of a stream make a token: little text in
// much JSON. An estimate by it is rather high than low.
const streamBytes = 32

// spent returns what a request took: what its usage says where that is known
// and whole, nothing but the request where it failed, and else an estimate.
func (l *Limiter) spent(q *llmproxy.Admission, e estimate, x *llmproxy.Exchange) Amounts {
	told := x.Usage != nil && (x.Err == nil && !x.Aborted || x.Finish.Reason != "")
	switch {
	case q.Op == provider.CountTokens:
		return Amounts{Requests: 1}
	case told && x.Priced:
		return Amounts{1, x.Usage.Total(), x.Cost}
	case told:
		return Amounts{1, x.Usage.Total(), l.unpriced}
	case x.Status == http.StatusSwitchingProtocols:
		return e.amounts() // a WebSocket's messages are not read
	case x.Usage == nil && (len(x.Attempts) == 0 || x.Status >= 400 && !x.Aborted):
		return Amounts{Requests: 1}
	case x.Err == nil && !x.Aborted:
		if q.BodyBytes == 0 { // it asked for no answer of a model's
			return Amounts{Requests: 1}
		}
		return e.amounts()
	}
	return l.brokenOff(q, e, x)
}

// brokenOff estimates what a request took whose end was not seen. What is told
// of a stream's usage before its end is true of the input alone.
func (l *Limiter) brokenOff(q *llmproxy.Admission, e estimate, x *llmproxy.Exchange) Amounts {
	u := translate.Usage{Input: e.input}
	if x.Usage != nil && x.Usage.TotalInput() > 0 {
		u = *x.Usage
	}
	if output := u.TotalOutput(); x.Stream {
		u.Output += max(min(x.BytesOut/streamBytes, e.output)-output, 0)
	} else {
		u.Output += max(e.output-output, 0)
	}
	return Amounts{1, u.Total(), l.cost(q, &u)}
}
