package holdfasttest

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// patience is how long, in real time, goroutines have to end that are about to.
var patience = 5 * time.Second // shorter only in tests of this package

// CheckLeaks makes the test fail if, at its cleanup, goroutines run that did not
// at the time of this call. Call it first: cleanups run in reverse order.
//
// In a bubble it looks at the goroutines of the bubble, once they have come to
// rest and a second of virtual time has passed. Outside it waits for up to five
// seconds; there the goroutines of tests that run in parallel cannot be told
// apart, so do not use it in those.
//
// A timer that has not run, and a response body that was not closed, are no
// goroutines. The first belongs to a context that was not let go of, which
// Script.Verify reports; for the second there is Bodies.
func CheckLeaks(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		t.Helper()
		for _, stack := range leaked(before) {
			t.Errorf("a goroutine was left behind:\n%s", stack)
		}
	})
}

// leaked returns the stacks of the goroutines that are not in before, after
// those that are about to end have had their time.
func leaked(before map[string]string) (stacks []string) {
	bubble := bubbleOf(ownStack())
	left := func() (stacks []string) {
		if bubble != "" {
			synctest.Wait()
		}
		for id, stack := range goroutines() {
			if before[id] == "" {
				stacks = append(stacks, stack)
			}
		}
		return stacks
	}
	step := time.Millisecond
	if bubble != "" {
		step = time.Second
	}
	for waited := time.Duration(0); ; waited += step {
		stacks = left()
		if len(stacks) == 0 || bubble != "" && waited > 0 || waited >= patience {
			return stacks
		}
		<-time.After(step)
	}
}

// reportLeaks reports what is left, and returns once it has had the time to end:
// a bubble that ends with goroutines in it dies of a deadlock, before anybody has
// read the report.
func reportLeaks(t tb, before map[string]string, c clock) {
	t.Helper()
	left := leaked(before)
	for _, stack := range left {
		t.Errorf("a goroutine was left behind:\n%s", stack)
	}
	if len(left) > 0 && !c.real {
		<-time.After(2 * c.forever())
	}
}

// goroutines returns the stacks by the goroutines' numbers, those of the own
// bubble in a bubble, without the caller's and those of the runtime and of
// package testing.
func goroutines() map[string]string {
	own := ownStack()
	bubble := bubbleOf(own)
	found := map[string]string{}
	for _, stack := range strings.Split(allStacks(), "\n\n") {
		id := idOf(stack)
		if id == "" || id == idOf(own) || bubbleOf(stack) != bubble || isKnown(stack) {
			continue
		}
		found[id] = stack
	}
	return found
}

// isKnown reports a goroutine that belongs to the test's surroundings.
func isKnown(stack string) bool {
	if strings.Contains(stack, "created by testing.(*T).Run") || strings.Contains(stack, "created by testing/synctest") {
		return true
	}
	for _, known := range []string{
		"testing.Main(", "testing.(*M).", "testing.(*T).Run(", "testing.runFuzzing(", "testing.(*F).Fuzz(", "testing.(*B).",
		"internal/synctest.Run(", "runtime.goexit0", "runtime.ReadTrace", "runtime/trace.Start", "runtime/pprof.profileWriter",
		"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM", "runtime.runFinalizers", "runtime.runCleanups",
	} {
		if strings.Contains(stack, known) {
			return true
		}
	}
	return false
}

// idOf reads "7" from "goroutine 7 [select, synctest bubble 3]:".
func idOf(stack string) string {
	rest, ok := strings.CutPrefix(stack, "goroutine ")
	id, _, found := strings.Cut(rest, " ")
	if !ok || !found {
		return ""
	}
	return id
}

// bubbleOf reads "3" from it, or "" outside bubbles.
func bubbleOf(stack string) string {
	header, _, _ := strings.Cut(stack, "\n")
	_, rest, ok := strings.Cut(header, "synctest bubble ")
	if !ok {
		return ""
	}
	return strings.TrimRight(rest, "]:")
}

func ownStack() string {
	buf := make([]byte, 1<<10) // the first line is enough
	return string(buf[:runtime.Stack(buf, false)])
}

func allStacks() string {
	for size := 64 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(bytes.TrimSpace(buf[:n]))
		}
	}
}
