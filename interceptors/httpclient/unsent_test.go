package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
)

// A repeat whose body cannot be had, or whose context ends before the base has it, is not sent: its
// token goes back, and the ledger has it without a time.
func TestARepeatThatTheBaseNeverHadCostsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		getBody error
		leave   bool
		spent   uint64
	}{
		"no body":   {errors.New("the disk is gone"), false, 0},
		"cancelled": {nil, true, 0},
		"sent":      {nil, false, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			sent := 0
			rt := base(func(r *http.Request) (*http.Response, error) {
				sent++
				return &http.Response{StatusCode: 503, Body: http.NoBody, Request: r, Header: http.Header{}}, nil
			})
			inner := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					if call.Attempt > 1 && c.leave {
						cancel()
					}
					res := next(ctx, call)
					if call.Sent() != (call.Attempt == 1 || c.spent > 0) {
						t.Errorf("%s: attempt %d is said to be sent: %v", name, call.Attempt, call.Sent())
					}
					return res
				}
			})
			b := retry.NewBudget(retry.BudgetOptions{})
			req := request(t, "PUT", "http://server.test/", strings.NewReader("body")).WithContext(ctx)
			if c.getBody != nil {
				req.GetBody = func() (io.ReadCloser, error) { return nil, c.getBody }
			}
			resp, err := httpclient.Wrap(rt, retry.New(retry.Options{MaxAttempts: 2, Budget: b}), inner).RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			if s := b.Stats("server.test"); sent != 1+int(c.spent) || s.Withdrawn != 1 || s.Withdrawn-s.Refunded != c.spent {
				t.Errorf("%s: sent %d times, %+v", name, sent, s)
			}
		})
	}
}
