// Package redislimit keeps limits in Redis 7 or Valkey, alone or as a cluster,
// for a fleet of processes.
//
//	store, err := redislimit.Open("redis://cache:6379/0")
//	limiter := limit.New(limits, limit.WithStore(store))
//
// A request takes two round trips, one before and one after it, of a script
// each. Time is the server's, so the clocks of the processes need not agree.
// What a principal used is one key, which expires when it means nothing more:
// principals spread over the slots of a cluster.
//
// What the server forgets is as if it had not been used. Money is what matters
// for longer than a minute: a server that holds budgets should have its
// append-only file, and no eviction (maxmemory-policy noeviction).
package redislimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/price"
)

// Store is a limit.Store over Redis. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	prefix string
	clock  func() time.Time // nil: the server's
}

var _ limit.Store = (*Store)(nil)

// Option configures a Store.
type Option func(*Store)

// WithPrefix sets what the names of all keys begin with; the default is
// "limit:". Fleets with different prefixes share nothing.
func WithPrefix(prefix string) Option { return func(s *Store) { s.prefix = prefix } }

// WithClock replaces the server's clock, for tests.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.clock = now } }

// New returns a store over a client of the host's, which the host closes. The
// client must have ContextTimeoutEnabled set: without it go-redis waits for a
// server that hangs as long as its ReadTimeout says, whatever the limiter's bound.
func New(client redis.UniversalClient, opts ...Option) (*Store, error) {
	enabled := true
	switch c := client.(type) {
	case nil:
		return nil, errors.New("redislimit: no client")
	case *redis.Client:
		enabled = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		enabled = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		enabled = c.Options().ContextTimeoutEnabled
	}
	if !enabled {
		return nil, errors.New("redislimit: the client needs ContextTimeoutEnabled, or a server that hangs would hang requests")
	}
	s := &Store{client: client, prefix: "limit:"}
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// Open returns a store over a client of its own, for a URL such as
// redis://user:password@host:6379/0, rediss:// or unix://. Close closes it. It
// does not connect: a server that is down at the start is one that comes back later.
func Open(url string, opts ...Option) (*Store, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redislimit: %w", err)
	}
	o.ContextTimeoutEnabled = true
	return New(redis.NewClient(o), opts...)
}

// Close closes the client, also one that New was given, whose host may close it
// instead. The store must not be used after it.
func (s *Store) Close() error { return s.client.Close() }

// script is limit.State's arithmetic. KEYS[1] is a hash of at, requests, tokens,
// day and money. ARGV: the time or "", the limits of requests, tokens and money,
// the amounts of them, the day whose money is settled, or "" to take, and how
// many milliseconds the key outlives its meaning. No number exceeds 2^53, up to
// which Lua's are exact.
var script = redis.NewScript(`
local unit, day_ms, most = 60000, 86400000, 2^52
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local limit = {tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])}
local amount = {tonumber(ARGV[5]) * unit, tonumber(ARGV[6]) * unit, tonumber(ARGV[7])}
local got = redis.call('HMGET', KEYS[1], 'at', 'requests', 'tokens', 'day', 'money')
for i = 1, 5 do got[i] = tonumber(got[i] or 0) end
local at, day = got[1], got[4]
local used = {got[2], got[3], got[5]}

local function drained(i)
  if limit[i] <= 0 then return 0 end
  return math.floor((used[i] + limit[i] - 1) / limit[i])
end
if now > at then
  for i = 1, 2 do
    if now - at >= drained(i) then used[i] = 0 else used[i] = used[i] - limit[i] * (now - at) end
  end
  at = now
end
local today = math.floor(now / day_ms)
if today > day then
  day = today
  used[3] = 0
end

local ok = 1
if ARGV[8] == '' then
  for i = 1, 3 do
    local room = limit[i]
    if i < 3 then room = room * unit end
    if limit[i] < 0 or limit[i] > 0 and amount[i] > 0 and used[i] + amount[i] > room then ok = 0 end
  end
elseif tonumber(ARGV[8]) ~= day then
  amount[3] = 0
end
if ok == 1 then
  for i = 1, 3 do used[i] = math.min(math.max(used[i] + amount[i], 0), most) end
end

local keep = math.max(drained(1), drained(2))
if used[3] > 0 then keep = math.max(keep, (day + 1) * day_ms - at) end
local out = {at, used[1], used[2], day, used[3]}
for i = 1, 5 do out[i] = string.format('%.0f', out[i]) end
redis.call('HSET', KEYS[1], 'at', out[1], 'requests', out[2], 'tokens', out[3], 'day', out[4], 'money', out[5])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', keep + ARGV[9]))
out[6] = ok
return out
`)

func (s *Store) run(ctx context.Context, principal string, l limit.Limits, amounts limit.Amounts, day any) (state limit.State, ok bool, err error) {
	now, spare := any(""), time.Second
	if s.clock != nil { // keys expire by the server's clock all the same
		now, spare = s.clock().UnixMilli(), time.Hour
	}
	reply, err := script.Run(ctx, s.client, []string{s.prefix + principal}, now,
		l.Requests, l.Tokens, int64(l.Money), amounts.Requests, amounts.Tokens, int64(amounts.Money), day, spare.Milliseconds()).Int64Slice()
	switch {
	case err != nil:
		return limit.State{}, false, fmt.Errorf("redislimit: %w", err)
	case len(reply) != 6:
		return limit.State{}, false, errors.New("redislimit: the server's answer makes no sense")
	}
	return limit.State{At: reply[0], Requests: reply[1], Tokens: reply[2], Day: reply[3], Money: price.USD(reply[4])}, reply[5] == 1, nil
}

// Take implements limit.Store.
func (s *Store) Take(ctx context.Context, principal string, l limit.Limits, want limit.Amounts) (limit.State, bool, error) {
	return s.run(ctx, principal, l, want, "")
}

// Settle implements limit.Store.
func (s *Store) Settle(ctx context.Context, principal string, l limit.Limits, day int64, delta limit.Amounts) error {
	_, _, err := s.run(ctx, principal, l, delta, day)
	return err
}
