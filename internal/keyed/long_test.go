package keyed_test

import (
	"runtime"
	"strings"
	"testing"
)

// Of a long key a short one is kept, which is another one for another key; of a piece of something
// large the piece.
func TestLongKeysCostNoMoreThanOthers(t *testing.T) {
	tab, _ := table(0)
	long := strings.Repeat("x", 1<<20)
	a, b := tab.Get(long+"a"), tab.Get(long+"b")
	if a == b || tab.Get(long+"a") != a || hold(tab, long+"b").Value != b || tab.Keep(long+"a").Value != a {
		t.Error("long keys are taken for each other")
	}
	if found, ok := tab.Find(long + "a"); !ok || found != a || len(a.key) > 512 {
		t.Errorf("%v was found by a long key, and %d bytes of it are kept", found, len(a.key))
	}
	memory := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := memory()
	for i := range 100 {
		piece := strings.Repeat(string(rune('a'+i%26)), 1<<20)
		tab.Get(piece[:i+1])
	}
	if grown := memory() - before; grown > 4<<20 {
		t.Errorf("%d KiB are kept for a hundred short keys", grown>>10)
	}
	runtime.KeepAlive(tab)
}
