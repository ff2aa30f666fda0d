package keyed_test

import "testing"

// What is forgotten is told, once each, and nothing else is.
func TestWhatIsForgottenIsTold(t *testing.T) {
	tab, _ := table(2)
	var gone []string
	tab.Gone = func(s *state) { gone = append(gone, s.key) }
	tab.Get("a").busy.Store(true)
	tab.Get("b")
	tab.Get("c")
	if len(gone) != 1 || gone[0] != "b" {
		t.Fatalf("told of %v", gone)
	}
	tab.Get("a").busy.Store(false)
	tab.Resize(1)
	tab.Get("d")
	if len(gone) != 3 {
		t.Errorf("told of %v", gone)
	}
}
