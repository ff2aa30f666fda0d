package holdfast_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// A marked error comes back as it was, also where a mark is around a mark.
func TestAMarkedErrorComesBackAsItWas(t *testing.T) {
	for _, mark := range []error{
		holdfast.Mark(sql.ErrNoRows, holdfast.Success, 0),
		holdfast.Mark(holdfast.Mark(sql.ErrNoRows, holdfast.Failure, 0), holdfast.Success, -1),
	} {
		v := newVerdicts()
		_, err := holdfast.Do(t.Context(), v.handler, holdfast.Call{Target: "db"}, func(context.Context) (int, error) { return 0, mark })
		if err != sql.ErrNoRows || v.last.Class != holdfast.Success {
			t.Errorf("%T %v, held for %v", err, err, v.last.Class)
		}
	}
}

// What a call within a call came to the outer call hears too, whose function returns that
// error: how the server is, and never that the function may be called again whatever it is.
func TestTheOuterCallHearsOfTheInner(t *testing.T) {
	conflict := errors.New("serialization failure")
	for name, c := range map[string]struct {
		of    func(inner error) error
		class holdfast.Class
	}{
		"returned":         {func(inner error) error { return inner }, holdfast.Relayed},
		"wrapped":          {func(inner error) error { return fmt.Errorf("order 7: %w", inner) }, holdfast.Relayed},
		"another":          {func(error) error { return errors.New("other") }, holdfast.Failure},
		"marked otherwise": {func(inner error) error { return holdfast.Mark(inner, holdfast.Overload, 0) }, holdfast.Overload},
	} {
		v := newVerdicts()
		_, err := holdfast.Do(t.Context(), v.handler, holdfast.Call{Target: "orders"}, func(ctx context.Context) (int, error) {
			n, err := holdfast.Do(ctx, nil, holdfast.Call{Target: "db"}, func(context.Context) (int, error) {
				return 0, holdfast.Mark(conflict, holdfast.Conflict, 0)
			})
			return n, c.of(err)
		})
		if v.last.Class != c.class || err == nil {
			t.Errorf("%s: %v, held for %v", name, err, v.last.Class)
		}
	}
}

// A classifier says what errors mean, before marks do; it is not asked who ended the call.
func TestDoTakesAClassifier(t *testing.T) {
	busy, other := errors.New("too many connections"), errors.New("other")
	classify := func(err error) (holdfast.Verdict, bool) {
		if errors.Is(err, context.Canceled) {
			t.Error("asked about a cancel")
		}
		return holdfast.Verdict{Class: holdfast.Overload, Code: "53300", After: 2 * time.Second}, err == busy
	}
	call := holdfast.Call{Target: "db", Classify: classify}
	for _, c := range []struct {
		err  error
		want holdfast.Result
	}{
		{busy, holdfast.Result{Class: holdfast.Overload, Code: "53300", After: 2 * time.Second}},
		{holdfast.Mark(busy, holdfast.Success, 0), holdfast.Result{Class: holdfast.Overload, Code: "53300", After: 2 * time.Second}},
		{holdfast.Mark(other, holdfast.Refused, time.Second), holdfast.Result{Class: holdfast.Refused, Code: "error", After: time.Second}},
		{other, holdfast.Result{Class: holdfast.Failure, Code: "error"}},
	} {
		v := newVerdicts()
		_, _ = holdfast.Do(t.Context(), v.handler, call, func(context.Context) (int, error) { return 0, c.err })
		if got := v.last; got.Class != c.want.Class || got.Code != c.want.Code || got.After != c.want.After {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	v := newVerdicts()
	_, _ = holdfast.Do(ctx, v.handler, call, func(ctx context.Context) (int, error) { cancel(); return 0, ctx.Err() })
	if v.last.Class != holdfast.Ignored {
		t.Errorf("a cancel: %+v", v.last)
	}
}

// Policies keep their state by Target: Method stands in for one that is missing, and
// without both there is a clear error, and no call.
func TestDoNeedsATarget(t *testing.T) {
	targets := map[string]bool{}
	see := holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			targets[call.Target] = true
			return next(ctx, call)
		}
	}))
	f := func(context.Context) (int, error) { return 1, nil }
	for _, call := range []holdfast.Call{{Method: "mail"}, {Target: "users", Method: "get"}} {
		if _, err := holdfast.Do(t.Context(), see, call, f); err != nil {
			t.Error(err)
		}
	}
	if len(targets) != 2 || !targets["mail"] || !targets["users"] {
		t.Errorf("%v", targets)
	}
	_, err := holdfast.Do(t.Context(), see, holdfast.Call{Repeatable: true}, func(context.Context) (int, error) {
		t.Error("called")
		return 0, nil
	})
	if err == nil || !strings.Contains(err.Error(), "call.Target") {
		t.Errorf("got %v", err)
	}
}

// A limit of ours reads as a limit, also to a function that works with a context of its own
// and takes the end of its time for a cancel.
func TestALimitIsNoCancelToAFunction(t *testing.T) {
	for name, of := range map[string]func(err error) error{
		"as it is":          func(err error) error { return err },
		"wrapped":           func(err error) error { return fmt.Errorf("query: %w", err) },
		"a driver's cancel": func(error) error { return fmt.Errorf("pq: %w", context.Canceled) },
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := holdfast.Do(t.Context(), holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second})), holdfast.Call{Target: "db"}, func(ctx context.Context) (int, error) {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				<-ctx.Done()
				return 0, of(ctx.Err())
			})
			var limit *holdfast.TimeoutError
			if !errors.Is(err, context.DeadlineExceeded) || name != "wrapped" && !errors.As(err, &limit) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// A call within that was rejected by a policy of ours blames no outer target, and a refusal
// within does not have the outer call repeated, which may have done more.
func TestWhatCallsWithinSay(t *testing.T) {
	boom := errors.New("connection refused")
	full := holdfast.Chain(holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: boom, Class: holdfast.Ignored, Code: holdfast.CodeLimited}
		}
	}))
	inner := func(ctx context.Context, h holdfast.Handler, class holdfast.Class) error {
		_, err := holdfast.Do(ctx, h, holdfast.Call{Target: "inner"}, func(context.Context) (int, error) { return 0, holdfast.Mark(boom, class, 0) })
		return err
	}
	for name, c := range map[string]struct {
		f    func(ctx context.Context) error
		want holdfast.Class
	}{
		"rejected":   {func(ctx context.Context) error { return inner(ctx, full, 0) }, holdfast.Ignored},
		"refused":    {func(ctx context.Context) error { return inner(ctx, nil, holdfast.Refused) }, holdfast.Failure},
		"a shortage": {func(ctx context.Context) error { return inner(ctx, nil, holdfast.LocalShortage) }, holdfast.Ignored},
		"a miss":     {func(ctx context.Context) error { return inner(ctx, nil, holdfast.Success) }, holdfast.Success},
		"two alike, judged otherwise": {func(ctx context.Context) error {
			_ = inner(ctx, nil, holdfast.Success)
			return inner(ctx, nil, holdfast.Overload)
		}, holdfast.Failure},
		"many": {func(ctx context.Context) error {
			for range 100 {
				_ = inner(ctx, nil, holdfast.Overload)
			}
			return inner(ctx, nil, holdfast.Overload)
		}, holdfast.Overload},
	} {
		v := newVerdicts()
		_, err := holdfast.Do(t.Context(), v.handler, holdfast.Call{Target: "outer"}, func(ctx context.Context) (int, error) { return 0, c.f(ctx) })
		if v.last.Class != c.want || err != boom {
			t.Errorf("%s: %v, held for %v, want %v", name, err, v.last.Class, c.want)
		}
	}
}

// An answer that the function gives when its time has run out meanwhile is an answer.
func TestAnAnswerCountsAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, err := range map[holdfast.Class]error{
			holdfast.Overload: holdfast.Mark(errors.New("busy"), holdfast.Overload, time.Second),
			holdfast.Refused:  holdfast.Mark(errors.New("not there"), holdfast.Refused, 0),
			holdfast.Failure:  holdfast.Mark(context.DeadlineExceeded, holdfast.Success, 0), // no answer
		} {
			v := newVerdicts()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _ = holdfast.Do(ctx, v.handler, holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, err })
			cancel()
			if v.last.Class != want {
				t.Errorf("%v is held for %v", err, v.last.Class)
			}
		}
	})
}
