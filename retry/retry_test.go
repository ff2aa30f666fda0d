package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

func TestASuccessAfterRepeatsIsReturnedAsItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []holdfast.Result{failure(), failure(), success()}}
		r := constant(retry.Options{})
		res, record := send(t.Context(), true, s, r)
		if res.Err != nil || res.Reply == nil || res.Class != holdfast.Success || s.discards != 0 {
			t.Errorf("got %+v", res)
		}
		if got := record.Ledger(); len(got.Attempts) != 3 || got.Stopped != "" || got.Attempts[2].Code != "ok" {
			t.Errorf("ledger %v", got)
		}
		if got := r.Budget().Stats("t"); got.Successes != 1 {
			t.Errorf("%d successes paid in, want the call's one", got.Successes)
		}
		for i, call := range s.calls {
			if call.Attempt != i+1 {
				t.Errorf("attempt %d has the number %d", i+1, call.Attempt)
			}
		}
	})
}

// T27, the other half: what failed while the caller left is not repeated.
func TestT27_AnAttemptDuringWhichTheCallerLeftIsTheLast(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := retry.New(retry.Options{InitialInterval: -1})
	_, err := holdfast.Do(ctx, holdfast.Chain(r, holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			cancel() // after the verdict: a failure of the server
			return res
		}
	})), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { return 0, errBoom })
	if !errors.Is(err, errBoom) || !errors.Is(err, context.Canceled) || r.Budget().Stats("t").Withdrawn != 0 {
		t.Errorf("got %v with %+v, want the cancel and the error, and nothing spent", err, r.Budget().Stats("t"))
	}
}

func TestOneAttemptsErrorStaysItself(t *testing.T) {
	s := &script{results: []holdfast.Result{failure()}}
	if res, _ := send(t.Context(), false, s, retry.New(retry.Options{})); res.Err != errBoom {
		t.Errorf("got %v, want the error itself", res.Err)
	}
}
