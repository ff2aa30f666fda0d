package holdfasttest_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestCallbacksOfRetry(t *testing.T) {
	holdfasttest.TestCallbacks(t, func(callback func()) holdfast.Policy {
		told := func(context.Context, holdfast.Event) { callback() }
		return retry.New(retry.Options{InitialInterval: -1, OnRetry: told, OnStop: told})
	})
}

func TestACallbackUnderALockIsCaught(t *testing.T) {
	holdfasttest.Hurry(t)
	r := new(recorder)
	holdfasttest.CheckCallbacks(r, func(callback func()) holdfast.Policy {
		var mu sync.Mutex
		failures := 0
		return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			res := next(ctx, call)
			mu.Lock()
			defer mu.Unlock()
			if res.Class == holdfast.Failure {
				failures++
				callback()
			}
			return res
		})()
	})
	if !strings.Contains(r.String(), "with a lock held") {
		t.Errorf("it said %q", r)
	}
	r = new(recorder)
	holdfasttest.CheckCallbacks(r, func(func()) holdfast.Policy { return through })
	if !strings.Contains(r.String(), "no callback was run") {
		t.Errorf("it said %q", r)
	}
}

// An event that nobody could count or filter by is found, told of a call or of a state.
func TestAnEventWithoutItsWordsIsCaught(t *testing.T) {
	holdfasttest.Hurry(t)
	good := holdfast.Event{Kind: "rejection", Policy: "p", Reason: "full_2", Detail: "No room."}
	for want, change := range map[string]func(*holdfast.Event){
		"":                            func(*holdfast.Event) {},
		`whose Kind is not one word`:  func(e *holdfast.Event) { e.Kind = "" },
		`in lower case: "Rejection"`:  func(e *holdfast.Event) { e.Kind = "Rejection" },
		`does not say which Policy`:   func(e *holdfast.Event) { e.Policy = "" },
		`Reason that is not one word`: func(e *holdfast.Event) { e.Reason = "5 in a row" },
	} {
		for where, policy := range map[string]func(e holdfast.Event) holdfast.Policy{
			"of a call": func(e holdfast.Event) holdfast.Policy {
				return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
					call.Tell(ctx, e)
					return next(ctx, call)
				})()
			},
			"of a state": func(e holdfast.Event) holdfast.Policy { return &observed{e: e} },
		} {
			e := good
			change(&e)
			r := new(recorder)
			holdfasttest.CheckEvents(r, func() holdfast.Policy { return policy(e) })
			if got := r.String(); !strings.Contains(got, want) || want == "" && got != "" || strings.Count(got, "an event") > 1 {
				t.Errorf("%s, %q: it said %q", where, want, got)
			}
		}
	}
}

// observed tells an event of its state whenever it is called.
type observed struct {
	e     holdfast.Event
	hears func(context.Context, holdfast.Event)
}

func (o *observed) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		o.hears(ctx, o.e)
		return next(ctx, call)
	}
}

func (o *observed) Watch(f func(context.Context, holdfast.Event)) (stop func()) {
	o.hears = f
	return func() {}
}

// An event that is told with the policy's own lock held keeps everybody else from calling.
func TestAnEventUnderALockIsCaught(t *testing.T) {
	holdfasttest.Hurry(t)
	for name, locked := range map[string]bool{"with the lock held": true, "without": false} {
		policy := func() holdfast.Policy {
			var mu sync.Mutex
			underWay := 0
			return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					mu.Lock()
					full := underWay == 4
					if !full {
						underWay++
					}
					if !locked {
						mu.Unlock()
					}
					if full {
						res := call.Reject(ctx, holdfast.Event{Policy: "p", Code: "full", Reason: "full", Err: context.Canceled})
						if locked {
							mu.Unlock()
						}
						return res
					}
					if locked {
						mu.Unlock()
					}
					return call.Hold(ctx, next, hook(func(holdfast.End) {
						mu.Lock()
						underWay--
						mu.Unlock()
					}), 0)
				}
			})
		}
		r := new(recorder)
		holdfasttest.CheckEvents(r, policy)
		if caught := strings.Contains(r.String(), "an event was told with a lock held"); caught != locked {
			t.Errorf("%s: %q", name, r.String())
		}
	}
}
