// Package rotate hands out API keys from pools, and learns from what comes of them.
//
// A Store says which keys a provider has. A Pool hands them out: Acquire
// returns a key, and a function that is called once with the Outcome of the
// attempt. Classify makes an Outcome of an HTTP answer. There are three ways to
// use it: inside the llmproxy, which does it all; as an http.RoundTripper that
// gives any SDK a pool with failover (Transport); and by hand:
//
//	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": rotate.Secrets("sk-a", "sk-b")}))
//	key, done, err := pool.Acquire(ctx, rotate.Scope{Provider: "openai", Model: "gpt-4o"})
//	if err != nil {
//		return err // an *UnavailableError says when to come back
//	}
//	resp, body, err := call(ctx, key.Secret.Reveal())
//	done(pool.Classify("openai", resp.StatusCode, resp.Header, body, err))
//
// # What is remembered
//
// State is kept per key, per model of a key, and the same for groups of keys
// that share a quota (Key.QuotaGroup). What a refusal covers follows from the
// provider's own words, and it lasts until the latest deadline known: a later,
// shorter one never shortens it. Hints are read from Retry-After (seconds or a
// date), Retry-After-Ms, x-ratelimit-* and anthropic-ratelimit-* resets of limits
// that are used up, Gemini's RetryInfo and QuotaFailure, OpenRouter's body, and
// from the wording of messages. Without a hint:
//
//	class            cools                          for
//	RateLimited      model, key and quota group     1s, doubled with each more, at most 60s; a success starts again
//	QuotaExhausted   key and quota group            1h; Gemini's per-day quotas at least that, whatever they hint
//	Unauthorized     key                            10m
//	Forbidden        nothing                        another key may serve this request
//	TargetFault      nothing                        counted against the target: see Pool.Target
//	ClientFault      nothing
//	Canceled         nothing
//
// DefaultRules is the table by which answers are classified; WithRules replaces
// it, and WithBackoff the durations. A key whose headers say that nothing is left
// rests until its limit is whole again: it serves only when no other key can.
//
// # Which key
//
// The default policy is strict: of n requests over k healthy keys each gets n/k,
// give or take one, however many run at once, and also while keys are skipped.
// Each distinct choice of keys (by model, selection or exclusion) has a counter of
// its own. Weighted, LeastInFlight, MostHeadroom, Random and Affinity are the
// others; a Policy of one's own is one method. Keys with different limits want
// Weighted, with their requests per minute as weights: see the table below.
//
// Acquire and done together take about 0.1 µs and allocate nothing, with one
// goroutine or sixteen on a pool of 100 keys.
//
// # Fleets
//
// With an engine that processes share (WithShared; packages redisrotate and
// sqlrotate), counters and cooldowns hold for all of them. The engine is asked
// once per Acquire, for at most 50 ms. While it is away, each process goes on
// alone, or refuses, as the host chooses; what they learn meanwhile is published
// when it is back. Affinity needs no counter to agree, only the cooldowns.
//
// A simulation (TestSimulation) runs 100 processes and 1,000 keys through a day:
// traffic from 14 % to 56 % of what the keys may do per minute, limits counted
// as providers count them, answers that take 1 to 10 seconds. A 429 is avoidable
// when another key of the pool would have been served at that moment.
//
//	keys     policy                           requests       429s  met an avoidable 429
//	equal    RoundRobin                       15,120,577    1,793  0.0000 %
//	mixed    Weighted by requests per minute  10,584,064    4,408  0.0405 %
//	mixed    RoundRobin                       10,583,974   67,237  0.4591 %
//	mixed    Random                           10,584,598  195,125  1.5548 %
//	mixed    Weighted, no shared engine       10,582,771  361,944  3.2539 %
//
// Equal keys are 30 requests a minute and 14,400 a day each; the demand is more
// than they may do in a day, and what is beyond is refused here rather than there
// (719,958 requests). Mixed keys are 100 buckets of 50 a minute, 300 of 30 a
// minute and 14,400 a day, 200 projects of two keys with 15 a minute and 1,500 a
// day that is told in 429s only, and 200 of 20 a minute without a word about it.
// Round robin gives the small ones as much as the large ones, so that each of
// their windows ends in a 429.
//
// What strictness costs, measured on two shared cores, engines on loopback:
//
//	alone                       0.1 µs per request
//	Redis, one trip each        130 µs; eight processes get 33,000 numbers a second
//	Redis, blocks of 100        4 µs; keys differ by up to 100 per process, cooldowns are seen at the next trip
//	PostgreSQL, one trip each   eight processes get 12,000 numbers a second
//	MariaDB, two trips each     eight processes get 2,300 numbers a second
//
// Larger fleets have three ways on, in this order. Blocks (WithBlocks) divide
// the trips by their size, and are as even in the long run. Sharding: all state of
// a provider lives in one slot of a Redis cluster, so providers spread by
// themselves, and a single provider is split by giving groups of processes
// different prefixes and different parts of the keys, or the same keys at a
// fraction of their weight. Affinity or Random with a local pool need no engine
// at all: what is lost are the shared cooldowns, so that each process meets a
// limit once for itself.
package rotate
