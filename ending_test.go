package holdfast_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// notes is a Hook that writes down which tokens were done, and how.
type notes struct {
	mu     sync.Mutex
	tokens []uint64
	ends   []holdfast.End
	panics uint64 // the token that panics
	exits  uint64 // the token that exits its goroutine
}

func (n *notes) Done(token uint64, end holdfast.End) {
	n.mu.Lock()
	n.tokens, n.ends = append(n.tokens, token), append(n.ends, end)
	n.mu.Unlock()
	if n.panics != 0 && token == n.panics {
		panic(fmt.Sprint("hook ", token))
	}
	if n.exits != 0 && token == n.exits {
		runtime.Goexit()
	}
}

// watcher also notes progress.
type watcher struct {
	notes
	waits []bool
}

func (w *watcher) Progress(_ uint64, waiting bool) { w.waits = append(w.waits, waiting) }

func TestEndingRunsHooksInOrderOnce(t *testing.T) {
	var e holdfast.Ending
	n := new(notes)
	want := []uint64{1, 2, 3, 4, 5, 6, 7} // more than are kept inline
	for _, token := range want {
		e.OnDone(n, token)
	}
	e.OnDone(nil, 9)
	if len(n.tokens) != 0 || e.Finished() {
		t.Fatal("hooks ran before the end")
	}
	end := holdfast.End{Class: holdfast.Failure, Code: "truncated", Err: errors.New("cut"), Bytes: 7}
	if !e.Finish(end) || e.Finish(holdfast.End{}) {
		t.Error("the first Finish is the one that counts, and no other")
	}
	if !slices.Equal(n.tokens, want) {
		t.Errorf("hooks ran as %v, want %v", n.tokens, want)
	}
	e.OnDone(n, 8)
	if got := n.tokens[len(n.tokens)-1]; got != 8 || !e.Finished() {
		t.Error("a late hook did not run at once")
	}
	for _, got := range n.ends {
		if got != end {
			t.Errorf("a hook learned %+v, want %+v", got, end)
		}
	}
}

func TestEndingAHookThatPanicsStopsNoOther(t *testing.T) {
	for at := uint64(1); at <= 6; at++ {
		var e holdfast.Ending
		n := &notes{panics: at}
		for token := uint64(1); token <= 6; token++ {
			e.OnDone(n, token)
		}
		func() {
			defer func() {
				if got, want := recover(), fmt.Sprint("hook ", at); got != want {
					t.Errorf("recovered %v, want the hook's own panic to go on its way", got)
				}
			}()
			e.Finish(holdfast.End{})
		}()
		if len(n.tokens) != 6 {
			t.Errorf("hook %d panicked: %v ran, want all six, once", at, n.tokens)
		}
	}
}

func TestEndingAHookThatExitsItsGoroutineStopsNoOther(t *testing.T) {
	var e holdfast.Ending
	n := &notes{exits: 2}
	for token := uint64(1); token <= 6; token++ {
		e.OnDone(n, token)
	}
	var wg sync.WaitGroup
	wg.Go(func() { e.Finish(holdfast.End{}) })
	wg.Wait()
	if len(n.tokens) != 6 {
		t.Errorf("%v ran, want all six, once", n.tokens)
	}
}

func TestEndingIsRaceFree(t *testing.T) {
	var e holdfast.Ending
	n := new(watcher)
	var wg sync.WaitGroup
	for token := uint64(1); token <= 32; token++ {
		wg.Go(func() { e.OnDone(&n.notes, token) })
		wg.Go(func() { e.Progress(true) })
	}
	for range 8 {
		wg.Go(func() { e.Finish(holdfast.End{}) })
	}
	wg.Wait()
	slices.Sort(n.tokens)
	if len(slices.Compact(n.tokens)) != 32 {
		t.Errorf("%v ran, want each of 32 once", n.tokens)
	}
}

func TestEndingTellsWatchersOfProgress(t *testing.T) {
	var e holdfast.Ending
	w, w2 := new(watcher), new(watcher)
	e.OnDone(w, 1)
	e.OnDone(w2, 2)
	e.Progress(true)
	e.Progress(false)
	e.Finish(holdfast.End{})
	e.Progress(true) // nobody waits for an ended reply
	if want := []bool{true, false}; !slices.Equal(w.waits, want) || !slices.Equal(w2.waits, want) {
		t.Errorf("watchers learned %v and %v, want %v", w.waits, w2.waits, want)
	}
}

func TestResultWithoutReply(t *testing.T) {
	boom := errors.New("boom")
	res := holdfast.Result{Err: boom, Class: holdfast.Refused, Code: "dial"}
	res.Discard()
	n := new(notes)
	res.OnDone(n, 3)
	res.OnDone(nil, 4)
	if want := (holdfast.End{Class: holdfast.Refused, Code: "dial", Err: boom}); len(n.ends) != 1 || n.ends[0] != want {
		t.Errorf("the hook learned %+v, want %+v at once", n.ends, want)
	}
}

func TestClassNames(t *testing.T) {
	for c, want := range map[holdfast.Class]string{
		0: "ignored", holdfast.Success: "success", holdfast.Failure: "failure",
		holdfast.Overload: "overload", holdfast.Refused: "refused", 99: "unknown",
	} {
		if got := c.String(); got != want {
			t.Errorf("Class(%d) is %q, want %q", c, got, want)
		}
	}
}
