package keyed_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

// What is held stays, though it is idle; what is released goes.
func TestWhatIsHeldIsNotForgotten(t *testing.T) {
	tab, _ := table(2)
	a, b := hold(tab, "a"), hold(tab, "b")
	a.Again()
	a.Release()
	for i := range 100 {
		if s := tab.Get(fmt.Sprint(i)); s.key != keyed.Other {
			t.Fatalf("%d has a place", i)
		}
	}
	if tab.Get("a") != a.Value || tab.Get("b") != b.Value {
		t.Error("a key that is held has lost its value")
	}
	tab.Resize(1)
	if tab.Len() != 2 {
		t.Error("a smaller table forgets what is held")
	}
	tab.Resize(2)
	b.Release()
	if tab.Get("c").key != "c" || tab.Get("a") != a.Value {
		t.Error("c has found no place, or has that of a")
	}
}

// A late key that holds what is shared stays with it until it is through, though there is room: what
// it has under way is counted there. Then it gets a value of its own, which is told.
func TestALateKeyMovesWhenItHoldsNothing(t *testing.T) {
	tab, _ := table(1)
	moved := 0
	var shared *state
	tab.Moved = func(own, other *state) {
		if own.key == "late" && other == shared {
			moved++
		}
	}
	a := hold(tab, "a")
	one, two := hold(tab, "late"), hold(tab, "late")
	shared = one.Value
	if shared.key != keyed.Other || two.Value != shared || tab.Get("late") != shared {
		t.Fatalf("late has %v and %v", one.Value, two.Value)
	}
	a.Release()
	three := hold(tab, "late")
	if found, ok := tab.Find("late"); three.Value != shared || found != shared || !ok {
		t.Error("late has moved while it holds what is shared")
	}
	one.Release()
	two.Release()
	if tab.Get("late") != shared {
		t.Error("late has moved while it holds what is shared")
	}
	three.Release()
	if own := hold(tab, "late"); own.Value.key != "late" || moved != 1 {
		t.Errorf("late has %q, and moved %d times", own.Value.key, moved)
	}
}

// While nobody holds what late keys share, nothing of them is kept, however many they are.
func TestLateKeysCostNothing(t *testing.T) {
	tab, _ := table(1)
	hold(tab, "a")
	tab.Get("other")
	if n := testing.AllocsPerRun(1000, func() { tab.Get("late") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for i := range 1000 {
		hold(tab, fmt.Sprint(i)).Release()
	}
	n := 0
	tab.Each(func(string, *state) bool { n++; return true })
	if n != 2 {
		t.Errorf("%d entries, want that of a and the shared one", n)
	}
}

// Where nothing is shared a late key has nothing. Each is counted, and is to be told when their
// number has doubled.
func TestLateKeysAreCountedAndTold(t *testing.T) {
	tab, _ := table(1)
	tab.Shared = nil
	var told []uint64
	a := hold(tab, "a")
	for i := range 9 {
		e, late := tab.Hold("late")
		if e != nil || tab.Get("late") != nil {
			t.Fatalf("late has a value, the %d-th time", i)
		}
		if late > 0 {
			told = append(told, late)
		}
		tab.Hold("a")
	}
	if fmt.Sprint(told) != "[1]" || tab.Late() != 18 { // Get counts as well, and tells nobody
		t.Errorf("told %v, counted %d", told, tab.Late())
	}
	for range 110 {
		if _, late := tab.Hold("late"); late > 0 {
			told = append(told, late)
		}
	}
	if fmt.Sprint(told) != "[1 32 64 128]" {
		t.Errorf("told %v", told)
	}
	kept := tab.Keep("by hand")
	if kept == nil || tab.Len() != 2 || hold(tab, "by hand") != kept {
		t.Error("what is kept by hand has no place")
	}
	for range 10 {
		a.Release()
	}
	tab.Resize(2)
	if e, late := tab.Hold("late"); e.Value.key != "late" || late != 0 || tab.Late() != 128 {
		t.Errorf("there is room, and late has none: %d", tab.Late())
	}
}

func hold(tab *keyed.Table[*state], key string) *keyed.Entry[*state] {
	e, _ := tab.Hold(key)
	return e
}

// Every idle key is found in time, however many busy ones there are: each time room is asked for,
// others are looked at.
func TestRoomIsFoundInTime(t *testing.T) {
	const size = 1000
	tab, _ := table(size)
	for i := range size {
		tab.Get(fmt.Sprint(i)).busy.Store(true)
	}
	for round := range 5 {
		idle := tab.Get(fmt.Sprint(round * 190))
		idle.busy.Store(false)
		asked := 1
		for ; tab.Get("late").key != "late"; asked++ {
			if asked > size/16+2 {
				t.Fatalf("asked %d times, and the idle key was not found", asked)
			}
		}
		late := tab.Get("late")
		late.busy.Store(false)
		back := tab.Get(fmt.Sprint(round * 190)) // and back again
		for ; back.key == keyed.Other; back = tab.Get(fmt.Sprint(round * 190)) {
			if asked++; asked > 2*size/16+4 {
				t.Fatal("not found again")
			}
		}
		back.busy.Store(true)
	}
}

// Holding from everywhere at once, while keys come and go: what is held is what everybody finds.
func TestHoldingAtOnce(t *testing.T) {
	tab, _ := table(3)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				key := fmt.Sprint((i*7 + worker) % 12)
				e := hold(tab, key)
				if e.Value.key != key && e.Value.key != keyed.Other {
					t.Errorf("%s has the value of %s", key, e.Value.key)
				}
				if i%64 == 0 {
					tab.Resize(1 + i%5)
				}
				if again := hold(tab, key); again.Value != e.Value {
					t.Errorf("%s has two values at once", key)
				} else {
					again.Release()
				}
				e.Release()
			}
		})
	}
	wg.Wait()
	tab.Resize(3)
	tab.Get("a")
	if n := tab.Len(); n > 3 {
		t.Errorf("%d keys", n)
	}
}

// An entry that was held, used and released while it was being forgotten is not idle any more, and
// stays.
func TestWhatIsUsedWhileItIsForgottenStays(t *testing.T) {
	tab, _ := table(1)
	a := tab.Get("a")
	use := true
	tab.Idle = func(s *state) bool {
		idle := !s.busy.Load()
		if use && s == a { // right after it was asked
			use = false
			e := hold(tab, "a")
			s.busy.Store(true)
			e.Release()
		}
		return idle
	}
	if b := tab.Get("b"); b.key != keyed.Other {
		t.Errorf("%q has the place of one in use", b.key)
	}
	if tab.Get("a") != a {
		t.Error("what is in use is forgotten")
	}
	a.busy.Store(false)
	if b := tab.Get("b"); b.key != "b" {
		t.Errorf("%q, and there is room", b.key)
	}
}

// Who asks again is not counted, and has the place of the key that it knows to be idle, however many
// others there are.
func TestWhoAsksAgainIsNotCounted(t *testing.T) {
	const size = 1000
	tab, _ := table(size)
	for i := range size {
		tab.Get(fmt.Sprint(i)).busy.Store(true)
	}
	hold(tab, "late").Release()
	for i := range 20 {
		again := tab.HoldAgain("late", "")
		if again.Value.key != keyed.Other || tab.Late() != 1 {
			t.Fatalf("%q, and %d were late", again.Value.key, tab.Late())
		}
		again.Release()
		idle := fmt.Sprint(i * 37)
		tab.Get(idle).busy.Store(false)
		e := tab.HoldAgain(fmt.Sprint("new ", i), idle)
		if e.Value.key == keyed.Other {
			t.Fatalf("%s is idle, and was not found", idle)
		}
		e.Value.busy.Store(true)
		e.Release()
	}
	tab, _ = table(1)
	tab.Shared = nil
	tab.Get("a").busy.Store(true)
	if e := tab.HoldAgain("b", "a"); e != nil {
		t.Errorf("%+v, and nothing is shared", e)
	}
}
