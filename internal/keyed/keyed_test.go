package keyed_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
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
		Max:    size,
		New:    func(key string) *state { made.Add(1); return &state{key: key} },
		Shared: func() *state { made.Add(1); return &state{key: keyed.Other} },
		Idle:   func(s *state) bool { return !s.busy.Load() },
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

func TestFindingMakesNothing(t *testing.T) {
	tab, made := table(0)
	if s, ok := tab.Find("a"); ok || s != nil || made.Load() != 0 || tab.Len() != 0 {
		t.Errorf("%v was found in an empty table, %d made", s, made.Load())
	}
	a := tab.Get("a")
	if s, ok := tab.Find("a"); !ok || s != a {
		t.Errorf("%v was found, want %v", s, a)
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
	if tab.Get("later") != late || tab.Len() != 4 || late.key != keyed.Other || made.Load() != 5 {
		t.Errorf("late keys have no shared value: %d keys, %d made", tab.Len(), made.Load())
	}
	tab.Get("0").busy.Store(false)
	if tab.Get("late") == late {
		t.Error("a late key found no room when there was some")
	}
	tab, _ = table(1)
	first := tab.Get("0")
	first.busy.Store(true)
	late = tab.Get("late")
	first.busy.Store(false)
	if tab.Get(keyed.Other) == late || tab.Get("") == late {
		t.Error("a key has the value of the late ones")
	}
	tab.Shared = func() *state { return &state{key: "shared"} }
	tab.Get(keyed.Other).busy.Store(true)
	if s := tab.Get("late"); s.key != "shared" {
		t.Errorf("late keys share %q", s.key)
	}
}

// What late keys share is seen: by Each as Other, and by Find for as long as a key that has no
// value of its own would get it.
func TestWhatLateKeysShareIsSeen(t *testing.T) {
	tab, _ := table(2)
	for _, key := range []string{"a", "b", "late"} {
		tab.Get(key).busy.Store(true)
	}
	late := tab.Get("late")
	seen := map[string]*state{}
	tab.Each(func(key string, s *state) bool { seen[key] = s; return true })
	if len(seen) != 3 || seen[keyed.Other] != late {
		t.Errorf("%v", seen)
	}
	n := 0
	tab.Each(func(string, *state) bool { n++; return false })
	a, own := tab.Find("a")
	s, shared := tab.Find("never seen")
	if n != 1 || !own || a != tab.Get("a") || !shared || s != late {
		t.Errorf("%d told; a has %v, and one never seen %v, want %v", n, a, s, late)
	}
	tab.Get("a").busy.Store(false)
	if s, shared := tab.Find("late"); shared {
		t.Errorf("there is room, and a late key has %v", s)
	}
	tab.Get("late") // takes the place of a
	if _, shared := tab.Find("never seen"); shared {
		t.Error("there is room, and a key never seen has what late ones share")
	}
	late.busy.Store(false)
	tab.Get("more") // takes the place of late
	tab.Get("more").busy.Store(true)
	seen = map[string]*state{}
	tab.Each(func(key string, s *state) bool { seen[key] = s; return true })
	if len(seen) != 2 || seen[keyed.Other] != nil {
		t.Errorf("what nobody shares any more is kept: %v", seen)
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
				if s := tab.Get(key); s.key != key && s.key != keyed.Other {
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

// Those who ask at once for a new key get the same value.
func TestANewKeyHasOneValue(t *testing.T) {
	const rounds = 1000
	tab, made := table(rounds)
	var at atomic.Int64 // the key that all are to ask for
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range int64(rounds) {
				at.Add(1)
				for at.Load() < 2*(i+1) { // they leave together
					runtime.Gosched()
				}
				tab.Get(fmt.Sprint(i))
			}
		})
	}
	wg.Wait()
	if made.Load() != rounds {
		t.Errorf("%d values made for %d keys", made.Load(), rounds)
	}
}

// FuzzTable does as the bytes say to a small table, and compares it with a model
// that knows what must be kept: what is busy, and all there is while there is
// room.
func FuzzTable(f *testing.F) {
	f.Add([]byte("abcdefabcdefABCDEFabcdefghijklmnopGHIJKLghijkl"))
	f.Add([]byte("aAbBcCdDefghaabbccdd"))
	f.Fuzz(func(t *testing.T, does []byte) {
		const size = 4
		tab, _ := table(size)
		known := map[string]*state{}
		for _, b := range does {
			key := fmt.Sprint(b % 16)
			s, full := tab.Get(key), tab.Len() == size
			switch was := known[key]; {
			case tab.Len() > size:
				t.Fatalf("%d keys, want at most %d", tab.Len(), size)
			case s.key != key && (s.key != keyed.Other || !full):
				t.Fatalf("key %s has the value of %q", key, s.key)
			case was != nil && was != s && (was.busy.Load() || !full):
				t.Fatalf("key %s has lost its value", key)
			}
			if s.key == keyed.Other {
				busy := 0
				tab.Each(func(key string, s *state) bool {
					if s.busy.Load() && key != keyed.Other {
						busy++
					}
					return true
				})
				if busy < size {
					t.Fatalf("%d of %d keys are busy, and there is no room for another", busy, size)
				}
				if found, ok := tab.Find(key); !ok || found != s {
					t.Fatalf("key %s has %v, and found %v", key, s, found)
				}
				s.busy.Store(b&16 != 0)
				continue // what late keys share is never in the table
			}
			known[key] = s
			s.busy.Store(b&16 != 0)
		}
	})
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
