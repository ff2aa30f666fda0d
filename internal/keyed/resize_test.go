package keyed_test

import (
	"fmt"
	"sync"
	"testing"
)

// A table that is made smaller forgets what is idle, keeps what is busy, and forgets that when it
// is idle and room is asked for.
func TestATableIsResizedInUse(t *testing.T) {
	tab, _ := table(50)
	var busy []*state
	for i := range 50 {
		s := tab.Get(fmt.Sprint(i))
		if i < 10 {
			s.busy.Store(true)
			busy = append(busy, s)
		}
	}
	gone := tab.Get("49")
	tab.Resize(5)
	if tab.Get("49") == gone {
		t.Error("a value is returned that was forgotten")
	}
	if n := tab.Len(); n != 10 {
		t.Errorf("%d keys, want the 10 that are busy", n)
	}
	late := tab.Get("late")
	if late != tab.Get("later") {
		t.Error("there is room for more")
	}
	for i, s := range busy {
		if tab.Get(fmt.Sprint(i)) != s {
			t.Errorf("the busy key %d was dropped", i)
		}
		s.busy.Store(false)
	}
	tab.Get("new")
	if n := tab.Len(); n != 5 {
		t.Errorf("%d keys, want 5 as room was asked for", n)
	}
	tab.Resize(50)
	if tab.Get("late") == late || tab.Get("late") == tab.Get("later") {
		t.Error("keys share what late ones shared, though there is room")
	}
}

// Each sees what late keys share, too.
func TestEachSeesTheSharedValue(t *testing.T) {
	tab, _ := table(1)
	tab.Each(func(string, *state) bool { t.Error("there is one"); return true })
	a := tab.Get("a")
	a.busy.Store(true)
	late := tab.Get("b")
	seen := map[*state]int{}
	tab.Each(func(_ string, s *state) bool { seen[s]++; return true })
	if len(seen) != 2 || seen[a] != 1 || seen[late] != 1 {
		t.Errorf("%v", seen)
	}
}

func TestResizeWhileOthersUseIt(t *testing.T) {
	tab, _ := table(50)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				tab.Get(fmt.Sprint(i % 100))
			}
		})
	}
	for i := range 200 {
		tab.Resize(i%60 + 1)
		tab.Each(func(string, *state) bool { return true })
	}
	wg.Wait()
	tab.Resize(7)
	if n := tab.Len(); n > 7 {
		t.Errorf("%d keys", n)
	}
}
