package holdfasttest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// TestCallbacks checks that a policy runs what it was given by its user with no
// lock held. policy
// makes one whose callbacks and listeners all call the function that it is given:
//
//	holdfasttest.TestCallbacks(t, func(callback func()) holdfast.Policy {
//		return retry.New(retry.Options{
//			InitialInterval: -1,
//			OnRetry:         func(context.Context, holdfast.Event) { callback() },
//		})
//	})
//
// While a callback runs, another call is made through the policy, which must be
// answered. This runs in real time and outside of bubbles, where a goroutine
// that waits for a lock can be seen; so let the policy wait for little.
func TestCallbacks(t *testing.T, policy func(callback func()) holdfast.Policy) {
	t.Helper()
	runCallbackCheck(t, policy)
}

func runCallbackCheck(t tb, policy func(callback func()) holdfast.Policy) {
	t.Helper()
	if policy == nil {
		t.Errorf("there is no policy to be tested")
		return
	}
	if ran := checkReentry(t, patience, "a callback ran with a lock held: a call made meanwhile was not answered until it had returned",
		func(callback func()) (holdfast.Policy, []holdfast.Policy) {
			p := policy(callback)
			return p, []holdfast.Policy{p}
		}); ran == 0 {
		t.Errorf("no callback was run, for answers, failures and repeated calls")
	}
}

// checkReentry makes calls of many kinds through a policy, as part of a list, and another one
// whenever it calls back. A call takes no longer than each. It reports complaint where a call was
// not answered, and returns how often it was called back; -1: there is no policy.
func checkReentry(t tb, each time.Duration, complaint string, policy func(callback func()) (holdfast.Policy, []holdfast.Policy)) (called int32) {
	t.Helper()
	var handler holdfast.Handler
	var ran, stuck atomic.Int32
	var inside atomic.Bool // the call that a callback makes has callbacks too
	var late sync.WaitGroup
	p, list := policy(func() {
		if stuck.Load() > 0 || inside.Swap(true) {
			return // that is known already, or it is the callback's own call
		}
		defer inside.Store(false)
		ran.Add(1)
		done := make(chan struct{})
		late.Go(func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(context.Background(), patience/10)
			defer cancel()
			res := new(Script).Do(ctx, handler, holdfast.Call{Target: "target"})
			res.Discard()
		})
		timer := time.NewTimer(patience / 5)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			stuck.Add(1)
		}
	})
	if p == nil {
		t.Errorf("there is no policy to be tested")
		return -1
	}
	defer closeNow(p)
	handler = holdfast.Chain(list...)
	for _, steps := range [][]Step{{{}}, {{Err: errScript}}, {{Err: errScript}, {Open: true}}, {{Class: holdfast.Failure, Open: true}}} {
		ctx, cancel := context.WithTimeout(context.Background(), each)
		s := &Script{Steps: steps}
		res := s.Do(ctx, handler, holdfast.Call{Target: "target", Repeatable: true})
		if reply, ok := res.Reply.(*Reply); ok {
			reply.Finish(reply.End(nil))
		}
		cancel()
	}
	crowd(handler)
	late.Wait()
	if stuck.Load() > 0 {
		t.Errorf("%s", complaint)
	}
	return ran.Load()
}
