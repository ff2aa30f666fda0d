package names

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestTheFirstNamesAreKept(t *testing.T) {
	table := &Table{Most: 3, Clean: strings.ToLower}
	for raw, want := range map[string]string{"a": "a", "A": "a"} {
		if got := table.Of(raw); got != want {
			t.Errorf("%s is %s", raw, got)
		}
	}
	table.Of("b")
	table.Of("c")
	if table.Of("d") != Other || table.Of("C") != "c" || table.Of("a") != "a" {
		t.Error("a name beyond the bound, or one within, is told wrong")
	}
}

func TestNamesAreBoundedUnderConcurrency(t *testing.T) {
	table := &Table{Most: 10}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				name := table.Of(fmt.Sprint((g*31 + i) % 100))
				mu.Lock()
				seen[name] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 11 || !seen[Other] {
		t.Errorf("%d names", len(seen))
	}
}

// What is overlong is no name, and takes no place.
func TestAnOverlongNameIsAmongTheOthers(t *testing.T) {
	table := &Table{Most: 1}
	for _, n := range []int{513, 1 << 20} {
		if got := table.Of(strings.Repeat("x", n)); got != Other {
			t.Errorf("%d bytes are %d", n, len(got))
		}
	}
	if name := strings.Repeat("x", 512); table.Of(name) != name {
		t.Error("512 bytes are a name")
	}
}

// Whoever makes up names once there is no room waits for nobody, and has nobody wait.
func TestAFullTableTakesNoLock(t *testing.T) {
	table := &Table{Most: 1}
	table.Of("a")
	table.mu.Lock()
	defer table.mu.Unlock()
	if table.Of("b") != Other || table.Of("a") != "a" {
		t.Error("a full table has become another one")
	}
}
