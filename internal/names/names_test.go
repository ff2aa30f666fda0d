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
