// Package redisrotate lets a fleet of processes share key pools over Redis 7 or
// Valkey, alone or as a cluster.
//
//	engine, err := redisrotate.Open("redis://cache:6379/0")
//	pool := rotate.NewPool(store, rotate.WithShared(engine))
//
// Every Acquire is one round trip, a script that takes a number and reads what
// is new of the cooldowns. Time is the server's, so the clocks of the processes
// need not agree. All keys of one provider carry the same hash tag, hence live
// in one slot of a cluster; providers spread over the slots.
//
// Nothing here needs to be durable: counters that start again cost one uneven
// round, and processes publish again the cooldowns that the server forgot.
package redisrotate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// Engine is a rotate.Shared over Redis. It is safe for concurrent use.
type Engine struct {
	client redis.UniversalClient
	prefix string
}

var _ rotate.Shared = (*Engine)(nil)

// Option configures an Engine.
type Option func(*Engine)

// WithPrefix sets what the names of all keys begin with; the default is "rotate".
// Fleets with different prefixes share nothing.
func WithPrefix(prefix string) Option { return func(e *Engine) { e.prefix = prefix } }

// New returns an engine over a client of the host's, which the host closes. The
// client must have ContextTimeoutEnabled set: without it go-redis waits for a
// server that hangs as long as its ReadTimeout says, whatever the pool's bound.
func New(client redis.UniversalClient, opts ...Option) (*Engine, error) {
	enabled := true
	switch c := client.(type) {
	case nil:
		return nil, errors.New("redisrotate: no client")
	case *redis.Client:
		enabled = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		enabled = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		enabled = c.Options().ContextTimeoutEnabled
	}
	if !enabled {
		return nil, errors.New("redisrotate: the client needs ContextTimeoutEnabled, or a server that hangs would hang requests")
	}
	e := &Engine{client: client, prefix: "rotate"}
	for _, opt := range opts {
		opt(e)
	}
	return e, nil
}

// Open returns an engine over a client of its own, for a URL such as
// redis://user:password@host:6379/0, rediss:// or unix://. Close closes it. It
// does not connect: a server that is down at the start is one that comes back later.
func Open(url string, opts ...Option) (*Engine, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redisrotate: %w", err)
	}
	o.ContextTimeoutEnabled = true
	return New(redis.NewClient(o), opts...)
}

// Close closes the client, also one that New was given, whose host may close it
// instead. The engine must not be used after it.
func (e *Engine) Close() error { return e.client.Close() }

// next takes ARGV[1] numbers of KEYS[1], and reads what is new since version
// ARGV[2]: the cooldowns are in KEYS[2], their versions in KEYS[4], the latest
// version in KEYS[3]. Unused counters go after ARGV[3] ms.
var next = redis.NewScript(`
local first = 0
local n = tonumber(ARGV[1])
if n > 0 then
  first = redis.call('INCRBY', KEYS[1], n) - n
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
local version = redis.call('GET', KEYS[3]) or '0'
local out = {first, version}
if version == ARGV[2] then return out end
local since = ARGV[2]
if tonumber(since) > tonumber(version) then since = '0' end
local cells = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. since, '+inf')
if #cells == 0 then return out end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, cell in ipairs(cells) do
  local v = redis.call('HGET', KEYS[2], cell)
  if v then
    local space = string.find(v, ' ', 1, true)
    local left = tonumber(string.sub(v, 1, space - 1)) - now
    if left > 0 then
      out[#out + 1] = cell
      out[#out + 1] = left
      out[#out + 1] = string.sub(v, space + 1)
    end
  end
end
return out
`)

// publish adds the cooldowns ARGV: cell, milliseconds, class, and so on. The
// version starts at the time in microseconds, so that one that was lost never
// comes back with another meaning.
var publish = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local version = string.format('%.0f', (tonumber(redis.call('GET', KEYS[2])) or t[1] * 1000000 + t[2]) + 1)
local last = 0
for i = 1, #ARGV, 3 do
  local untl = now + tonumber(ARGV[i + 1])
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  if not old or tonumber(string.sub(old, 1, string.find(old, ' ', 1, true) - 1)) < untl then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', untl) .. ' ' .. ARGV[i + 2])
    redis.call('ZADD', KEYS[3], version, ARGV[i])
    if untl > last then last = untl end
  end
end
if last == 0 then return 0 end
redis.call('SET', KEYS[2], version, 'KEEPTTL')
-- Some that have ended go with every call, more than came in.
for _, cell in ipairs(redis.call('ZRANDMEMBER', KEYS[3], 8)) do
  local v = redis.call('HGET', KEYS[1], cell)
  if not v or tonumber(string.sub(v, 1, string.find(v, ' ', 1, true) - 1)) <= now then
    redis.call('HDEL', KEYS[1], cell)
    redis.call('ZREM', KEYS[3], cell)
  end
end
local keep = last - now + 60000
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < keep then redis.call('PEXPIRE', key, string.format('%.0f', keep)) end
end
return 1
`)

// idle is how long a counter is kept that nobody takes numbers of.
const idle = 7 * 24 * time.Hour

// restMark begins the field of a cooldown that is a mere rest.
const restMark = "~"

func (e *Engine) key(provider, what string) string {
	// The braces are the hash tag: they may not occur inside it.
	tag := strings.NewReplacer("{", "(", "}", ")").Replace(provider)
	return e.prefix + ":{" + e.prefix + ":" + tag + "}:" + what
}

// Next implements rotate.Shared.
func (e *Engine) Next(ctx context.Context, ask rotate.Ask) (rotate.Turn, error) {
	keys := []string{e.key(ask.Provider, "counter:"+ask.Counter), e.key(ask.Provider, "cooldowns"), e.key(ask.Provider, "version"), e.key(ask.Provider, "versions")}
	reply, err := next.Run(ctx, e.client, keys, ask.N, ask.Since, idle.Milliseconds()).Slice()
	if err != nil {
		return rotate.Turn{}, fmt.Errorf("redisrotate: %w", err)
	}
	return parseTurn(reply)
}

var errReply = errors.New("redisrotate: the server's answer makes no sense")

func parseTurn(reply []any) (rotate.Turn, error) {
	if len(reply) < 2 || len(reply)%3 != 2 {
		return rotate.Turn{}, errReply
	}
	first, ok1 := reply[0].(int64)
	version, ok2 := reply[1].(string)
	v, err := strconv.ParseInt(version, 10, 64)
	if !ok1 || !ok2 || err != nil {
		return rotate.Turn{}, errReply
	}
	t := rotate.Turn{First: uint64(first), Version: v}
	for i := 2; i < len(reply); i += 3 {
		cell, ok1 := reply[i].(string)
		left, ok2 := reply[i+1].(int64)
		class, ok3 := reply[i+2].(string)
		n, err := strconv.ParseUint(class, 10, 8)
		if !ok1 || !ok2 || !ok3 || err != nil {
			return rotate.Turn{}, errReply
		}
		cell, rest := strings.CutPrefix(cell, restMark)
		t.Cooldowns = append(t.Cooldowns, rotate.Cooldown{Cell: cell, For: time.Duration(left) * time.Millisecond, Class: rotate.Class(n), Rest: rest})
	}
	return t, nil
}

// Publish implements rotate.Shared.
func (e *Engine) Publish(ctx context.Context, provider string, list []rotate.Cooldown) error {
	// A script call may not have too many arguments: Lua's stack ends at 8000.
	for len(list) > 0 {
		part := list[:min(len(list), 1000)]
		list = list[len(part):]
		args := make([]any, 0, 3*len(part))
		for _, c := range part {
			cell := c.Cell
			if c.Rest {
				cell = restMark + cell
			}
			// Rounded up, and one more, as the scripts' clock is rounded down: a
			// cooldown may end late, but not early.
			args = append(args, cell, (c.For + 2*time.Millisecond - 1).Milliseconds(), int(c.Class))
		}
		keys := []string{e.key(provider, "cooldowns"), e.key(provider, "version"), e.key(provider, "versions")}
		if err := publish.Run(ctx, e.client, keys, args...).Err(); err != nil {
			return fmt.Errorf("redisrotate: %w", err)
		}
	}
	return nil
}
