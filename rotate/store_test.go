package rotate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is a store whose keys, and whose health, a test changes.
type shelf struct {
	mu    sync.Mutex
	keys  []Key
	err   error
	calls atomic.Int64
	block chan struct{}
}

func (s *shelf) Keys(ctx context.Context, _ string) ([]Key, error) {
	s.calls.Add(1)
	s.mu.Lock()
	block := s.block
	s.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, s.err
}

func (s *shelf) set(keys []Key, err error, block chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.err, s.block = keys, err, block
}

func TestHotReplacement(t *testing.T) {
	f, s := newFake(), &shelf{keys: manyKeys(2)}
	b := bench{t, f, NewPool(s, WithClock(f.now), WithCacheTTL(time.Second))}
	_, inFlight, err := b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "m"}) // k0
	if err != nil {
		t.Fatal(err)
	}
	s.set(manyKeys(3)[1:], nil, nil)
	b.pass(time.Second)
	for range 10 {
		if got := b.use(Outcome{}); got == "k0" {
			t.Fatal("a removed key is used")
		}
	}
	inFlight(Outcome{Class: Unauthorized}) // finishes, and harms nobody
	if got := count(b, Scope{Provider: "p", Model: "m"}, 10); got["k1"] != 5 || got["k2"] != 5 {
		t.Errorf("got %v", got)
	}
	if n := s.calls.Load(); n != 2 {
		t.Errorf("the store was asked %d times", n)
	}

	// What is known of the keys that stay is kept; a new secret starts afresh.
	b.useFor(Scope{Provider: "p", Model: "m", Owner: "k1"}, Outcome{Class: Unauthorized})
	next := manyKeys(2)[1:]
	s.set(next, nil, nil)
	b.pass(time.Second)
	if b.wait() == 0 {
		t.Error("k1's cooldown is forgotten")
	}
	replaced := []Key{{ID: "k1", Secret: NewSecret("a new one")}}
	s.set(replaced, nil, nil)
	b.pass(time.Second)
	if d := b.wait(); d != 0 {
		t.Errorf("a new secret waits %v for the old one's sins", d)
	}
	s.set(nil, nil, nil)
	b.pass(time.Second)
	if _, _, err := b.p.Acquire(context.Background(), Scope{Provider: "p"}); !errors.Is(err, ErrNoKeys) {
		t.Errorf("with no key left: %v", err)
	}
}

func TestRefresh(t *testing.T) {
	f, s := newFake(), &shelf{keys: manyKeys(2)}
	b := bench{t, f, NewPool(s, WithClock(f.now), WithCacheTTL(time.Hour))}
	b.p.Refresh("p") // before anything is known
	b.use(Outcome{})
	s.set(manyKeys(3)[2:], nil, nil)
	b.p.Refresh("p")
	for range 5 {
		if got := b.use(Outcome{}); got != "k2" {
			t.Errorf("got %s after it was removed", got)
		}
	}
	if n := s.calls.Load(); n != 2 {
		t.Errorf("the store was asked %d times", n)
	}
}

func TestStoreFails(t *testing.T) {
	f, s := newFake(), &shelf{err: errors.New("down")}
	var events []Event
	b := bench{t, f, NewPool(s, WithClock(f.now), WithEvents(func(e Event) { events = append(events, e) }))}
	if _, _, err := b.p.Acquire(context.Background(), Scope{Provider: "p"}); err == nil || !errors.Is(err, s.err) {
		t.Errorf("with no answer ever: %v", err)
	}
	s.set(manyKeys(1), nil, nil)
	b.use(Outcome{})
	s.set(nil, errors.New("down again"), nil)
	b.pass(time.Minute)
	b.use(Outcome{})
	if len(events) != 1 || events[0].Kind != StoreFailed {
		t.Errorf("got %+v", events)
	}
}

// A thousand requests at once ask the store once; one whose caller leaves does
// not take the others along.
func TestStoreSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{keys: manyKeys(3), block: make(chan struct{})}
		p := NewPool(s, WithCacheTTL(time.Second))
		ctx, cancel := context.WithCancel(context.Background())
		first := make(chan error, 1)
		go func() { // waited for below
			_, _, err := p.Acquire(ctx, Scope{Provider: "p"})
			first <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if _, done, err := p.Acquire(context.Background(), Scope{Provider: "p"}); err != nil {
					t.Error(err)
				} else {
					done(Outcome{})
				}
			})
		}
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that left: %v", err)
		}
		synctest.Wait()
		close(s.block)
		wg.Wait()
		if n := s.calls.Load(); n != 2 {
			t.Errorf("the store was asked %d times, want once by the one that left and once more", n)
		}
		// A store that hangs holds nobody up for long once it has answered.
		s.set(manyKeys(3), nil, make(chan struct{}))
		time.Sleep(time.Minute)
		start := time.Now()
		if _, _, err := p.Acquire(context.Background(), Scope{Provider: "p"}); err != nil || time.Since(start) != storeTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	b := newBench(t, manyKeys(2000))
	s := Scope{Provider: "p", Model: "keep"}
	b.useFor(s, Outcome{Class: RateLimited, RetryAfter: time.Hour}) // k0
	for i := range 300 {
		b.useFor(Scope{Provider: "p", Model: fmt.Sprint("model ", i)}, Outcome{})
	}
	pp := b.p.provider("p")
	if n := len(*pp.set.Load().views.Load()); n > 64 {
		t.Errorf("%d models are remembered", n)
	}
	if n := len(pp.cells); n > 64*2000*3 {
		t.Errorf("%d cells", n)
	}
	s.Select = SelectKeys(0, 0)
	if _, _, err := b.p.Acquire(context.Background(), s); err == nil {
		t.Error("a cooldown is forgotten with its model")
	}
}

func TestKeyServes(t *testing.T) {
	for model, want := range map[string]bool{"gpt-4o": true, "gpt-4o-mini": true, "vendor/x": true, "vendor/x/y": false, "claude": false, "": true, "[": true, "[x": false} {
		if got := (Key{Models: []string{"gpt-4o*", "vendor/*", "["}}).Serves(model); got != want {
			t.Errorf("%q: %v", model, got)
		}
	}
	if !(Key{}).Serves("x") || (Key{Models: []string{}}).Serves("x") {
		t.Error("nil is every model, empty is none")
	}
}
