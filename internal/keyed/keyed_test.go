package keyed_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

type state struct {
	key  string
	busy atomic.Bool
}

func table(size int) (t *keyed.Table[*state], made *atomic.Int64) {
	made = new(atomic.Int64)
	return &keyed.Table[*state]{
		Max:  size,
		New:  func(key string) *state { made.Add(1); return &state{key: key} },
		Idle: func(s *state) bool { return !s.busy.Load() },
	}, made
}

func TestAKeyKeepsItsValue(t *testing.T) {
	tab, made := table(0)
	a, b := tab.Get("a"), tab.Get("b")
	for range 10 {
		if tab.Get("a") != a || tab.Get("b") != b {
			t.Fatal("a key has lost its value")
		}
	}
	if made.Load() != 2 || tab.Len() != 2 || a.key != "a" {
		t.Errorf("%d values made for two keys", made.Load())
	}
}

func TestATableIsBoundedAndKeepsWhatIsBusy(t *testing.T) {
	tab, _ := table(50)
	var busy []*state
	for i := range 20 {
		s := tab.Get(fmt.Sprint("busy", i))
		s.busy.Store(true)
		busy = append(busy, s)
	}
	hot := tab.Get("hot")
	kept := 0
	for i := range 10_000 {
		tab.Get(fmt.Sprint("cold", i))
		if n := tab.Len(); n > 50 {
			t.Fatalf("%d keys, want at most 50", n)
		}
		if tab.Get("hot") == hot {
			kept++
		} else {
			hot = tab.Get("hot")
		}
	}
	for i, s := range busy {
		if tab.Get(fmt.Sprint("busy", i)) != s {
			t.Errorf("the busy key %d was dropped", i)
		}
	}
	if kept < 9_500 {
		t.Errorf("a key in constant use was dropped %d times in 10,000", 10_000-kept)
	}
}

func TestLateKeysShareAValueWhenNothingCanGo(t *testing.T) {
	tab, made := table(4)
	for i := range 4 {
		tab.Get(fmt.Sprint(i)).busy.Store(true)
	}
	late := tab.Get("late")
	if tab.Get("later") != late || tab.Len() != 4 || late.key != "" || made.Load() != 5 {
		t.Errorf("late keys have no shared value: %d keys, %d made", tab.Len(), made.Load())
	}
	tab.Get("0").busy.Store(false)
	if tab.Get("late") == late {
		t.Error("a late key found no room when there was some")
	}
}

func TestEachSeesEveryKeyUntilToldToStop(t *testing.T) {
	tab, _ := table(0)
	for i := range 10 {
		tab.Get(fmt.Sprint(i))
	}
	seen := map[string]bool{}
	tab.Each(func(key string, s *state) bool { seen[key] = s.key == key; return true })
	if len(seen) != 10 || !seen["3"] {
		t.Errorf("saw %v", seen)
	}
	n := 0
	tab.Each(func(string, *state) bool { n++; return n < 3 })
	if n != 3 {
		t.Errorf("went on to %d", n)
	}
}

func TestATableIsRaceFree(t *testing.T) {
	tab, _ := table(16)
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 1))
			for range 5000 {
				key := fmt.Sprint(rng.IntN(40))
				if s := tab.Get(key); s.key != key && s.key != "" {
					t.Errorf("key %s has the value of %s", key, s.key)
				}
				tab.Each(func(string, *state) bool { return false })
			}
		})
	}
	wg.Wait()
	if n := tab.Len(); n > 16 {
		t.Errorf("%d keys, want at most 16", n)
	}
}

func TestAKeyThatIsThereCostsNoAllocation(t *testing.T) {
	tab, _ := table(0)
	tab.Get("b")
	if n := testing.AllocsPerRun(100, func() { tab.Get("a"); tab.Get("b") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	tab, _ := table(0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tab.Get("users.internal:443")
		}
	})
}
