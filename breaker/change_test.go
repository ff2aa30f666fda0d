package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// What was counted stays however often the Window changes, and in a bubble, whose clock is negative.
func TestWindowsBackAndForthLoseNothing(t *testing.T) {
	counts := func(t *testing.T) {
		t.Helper()
		o := breaker.Options{ConsecutiveFailures: -1, ConsecutiveFailuresUnderLoad: -1, FailureRatio: -1, Window: 10 * time.Second}
		b := breaker.New(o)
		fail := func() {
			_, _ = holdfast.Do(t.Context(), holdfast.Chain(b), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 0, errors.New("x") })
		}
		for range 100 {
			fail()
		}
		for i := range 20 {
			o.Window = 10*time.Second + time.Duration(i%2)*10*time.Millisecond
			b = b.With(o)
			fail() // which has it take the new Window
		}
		if s := b.Status("t"); s.Failures != 120 {
			t.Errorf("%d failures, want 120", s.Failures)
		}
		o.Window = 5 * time.Second
		b = b.With(o)
		if fail(); b.Status("t").Failures != 121 {
			t.Errorf("%d failures, want 121", b.Status("t").Failures)
		}
	}
	counts(t)
	synctest.Test(t, counts)
}

// A circuit that is isolated stays so, though others come and go at that moment.
func TestAnIsolationIsNotLost(t *testing.T) {
	b := breaker.New(breaker.Options{MaxKeys: 64})
	h := holdfast.Chain(b)
	over := time.Now().Add(time.Second / 2)
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() {
			for i := 0; time.Now().Before(over); i++ {
				_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: fmt.Sprint(worker, " ", i)}, func(context.Context) (int, error) { return 0, nil })
			}
		})
	}
	for i := 0; time.Now().Before(over); i++ {
		key := fmt.Sprint("isolated ", i)
		b.Isolate(key)
		if _, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: key}, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, breaker.ErrOpen) {
			t.Errorf("%s: %v", key, err)
		}
		b.Reset(key)
	}
	wg.Wait()
}
