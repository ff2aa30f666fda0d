package hedge

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A hedge whose timer ran late, since this process did not, looks for an answer first: it is
// sent a moment later, and not at all when the answer is there by then. It looks a few
// times only.
func TestALateHedgeLooksForAnAnswerFirst(t *testing.T) {
	h := New(Options{Delay: time.Hour, Share: -1})
	sent := 0
	g := &group{o: &h.o, t: h.s.targets.Get("t"), ctx: t.Context(), delay: time.Hour, start: clock.Now()}
	g.call = &holdfast.Call{Target: "t", Repeatable: true, Record: new(holdfast.Record)}
	g.next = func(context.Context, *holdfast.Call) holdfast.Result {
		sent++
		return holdfast.Result{Err: errors.New("x"), Class: holdfast.Failure}
	}
	g.first.Context = g.ctx
	g.attempts, g.running = append(g.room[:0], &g.first), 1
	for look := range looks + 1 {
		if sent != 0 {
			t.Fatalf("a hedge was sent at look %d", look)
		}
		g.hedges.Add(1) // as for a timer that is set
		g.timer, g.began, g.due = time.AfterFunc(time.Hour, func() {}), clock.Now()-int64(2*time.Second), clock.Now()-int64(time.Second)
		g.fire()
		if wait := time.Duration(g.due - clock.Now()); look < looks && (g.timer == nil || wait < 900*time.Millisecond || wait > 2*time.Second) {
			t.Fatalf("look %d: a timer is set for %v from now, want as long as the pause was", look, wait)
		}
		if g.timer != nil && g.timer.Stop() {
			g.hedges.Done()
		}
	}
	if sent != 1 {
		t.Errorf("%d hedges after all looks", sent)
	}
	g.hedges.Wait()
}

// One whose timer ran in time is sent at once.
func TestAHedgeInTimeIsSentAtOnce(t *testing.T) {
	g := &group{began: clock.Now(), due: clock.Now() - int64(pause.Late)/2}
	if g.looking() {
		t.Error("it looks, though the timer ran in time")
	}
}

// Failures are no samples, since most are fast; what ran out of time is long.
func TestOnlySuccessesAreSamples(t *testing.T) {
	now := clock.Now()
	for class, want := range map[holdfast.Class]int{holdfast.Success: 1, holdfast.Failure: 0, holdfast.Overload: 0, holdfast.LocalFault: 0, holdfast.Ignored: 0} {
		target := New(Options{}).s.targets.Get("t")
		target.observe(now, time.Millisecond, holdfast.Result{Class: class}, false)
		if _, n := target.times.Quantile(now, 0.5); n != want {
			t.Errorf("%v: %d samples, want %d", class, n, want)
		}
	}
}

// Two that are made of one at once leave it as one of them says, and not in part as the other.
func TestHedgesMadeAtOnceAgree(t *testing.T) {
	h := New(Options{})
	for range 2000 {
		var both sync.WaitGroup
		for n := 1; n <= 2; n++ {
			both.Go(func() { h.With(Options{MaxTargets: n, Window: time.Duration(n) * time.Minute}) })
		}
		both.Wait()
		if window := time.Duration(h.s.window.Load()); window != time.Duration(h.s.targets.Max)*time.Minute {
			t.Fatalf("%d targets, and a window of %v", h.s.targets.Max, window)
		}
	}
}
