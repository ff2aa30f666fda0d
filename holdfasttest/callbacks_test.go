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
		told := func(context.Context, retry.Event) { callback() }
		return retry.New(retry.Options{Base: -1, OnRetry: told, OnStop: told})
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
