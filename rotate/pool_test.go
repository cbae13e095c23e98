package rotate

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

func manyKeys(n int) []Key {
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = Key{ID: fmt.Sprintf("k%d", i), Secret: NewSecret(fmt.Sprintf("secret-%d", i))}
	}
	return keys
}

func TestRoundRobinIsStrictUnderConcurrency(t *testing.T) {
	p := NewPool(Static(map[string][]Key{"p": manyKeys(3)}))
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			k, done, err := p.Acquire(context.Background(), Scope{Provider: "p", Model: "m"})
			if err != nil {
				t.Error(err)
				return
			}
			done(Outcome{})
			mu.Lock()
			got[k.ID]++
			mu.Unlock()
		})
	}
	wg.Wait()
	for i := range 3 {
		if n := got[fmt.Sprintf("k%d", i)]; n != 100 {
			t.Errorf("k%d was used %d times, want 100", i, n)
		}
	}
}

func BenchmarkAcquire(b *testing.B) {
	p := NewPool(Static(map[string][]Key{"p": manyKeys(100)}))
	ctx, cancel := context.WithCancel(context.Background()) // as a request has one
	defer cancel()
	s := Scope{Provider: "p", Model: "m"}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, done, err := p.Acquire(ctx, s)
			if err != nil {
				b.Fatal(err)
			}
			done(Outcome{})
		}
	})
	b.Run("16 goroutines", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, done, err := p.Acquire(ctx, s)
				if err != nil {
					b.Fatal(err)
				}
				done(Outcome{})
			}
		})
	})
}
