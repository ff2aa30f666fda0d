package holdfast_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// twice sends every call a second time and returns the second Result.
var twice = holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := next(ctx, call)
		again := call.Again()
		res.Discard()
		return next(ctx, again)
	}
})

func TestDoReturnsWhatTheFunctionReturned(t *testing.T) {
	v, err := holdfast.Do(t.Context(), holdfast.Chain(), holdfast.Call{Target: "db", Method: "load"}, func(ctx context.Context) (string, error) {
		if c := holdfast.CallFrom(ctx); c == nil || c.Target != "db" || c.Method != "load" || !c.Unary || c.Stream || c.Attempt != 1 {
			t.Errorf("the function runs under the Call %+v", c)
		}
		return "value", nil
	})
	if v != "value" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	boom := errors.New("boom")
	v, err = holdfast.Do(t.Context(), nil, holdfast.Call{Target: "t"}, func(context.Context) (string, error) { return "half", boom })
	if v != "" || err != boom {
		t.Errorf("got %q, %v; want no value and the function's own error", v, err)
	}
}

func TestDoTellsPoliciesWhatAnErrorMeans(t *testing.T) {
	var got holdfast.Result
	spy := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			got = next(ctx, call)
			return got
		}
	})
	boom := errors.New("boom")
	_, err := holdfast.Do(t.Context(), holdfast.Chain(spy), holdfast.Call{Target: "t"}, func(context.Context) (int, error) {
		return 0, holdfast.Mark(boom, holdfast.Overload, 3*time.Second)
	})
	if got.Class != holdfast.Overload || got.After != 3*time.Second || got.Code != "error" || got.Reply != nil {
		t.Errorf("policies saw %+v", got)
	}
	if !errors.Is(err, boom) {
		t.Errorf("the caller saw %v", err)
	}
}

func TestDoDoesNotCallUnderADoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	for _, ctx := range []context.Context{ctx, late} {
		var got holdfast.Result
		spy := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result { got = next(ctx, call); return got }
		})
		_, err := holdfast.Do(ctx, holdfast.Chain(spy), holdfast.Call{Target: "t"}, func(context.Context) (int, error) {
			t.Error("the function was called")
			return 0, nil
		})
		if !errors.Is(err, ctx.Err()) || got.Class != holdfast.Ignored {
			t.Errorf("got %v, judged as %v; want %v, which says nothing of a server", err, got.Class, ctx.Err())
		}
	}
}

func TestDoNamesOurLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := &holdfast.TimeoutError{Limit: time.Second, Scope: "attempt"}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, limit)
		defer cancel()
		_, err := holdfast.Do(ctx, nil, holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if err != error(limit) {
			t.Errorf("got %v, want the limit that ran out", err)
		}
	})
}

type closer struct{ closed *int }

func (c closer) Close() error { *c.closed++; return nil }

func TestDoClosesAValueThatNobodySees(t *testing.T) {
	var first, second int
	calls := 0
	v, err := holdfast.Do(t.Context(), holdfast.Chain(twice), holdfast.Call{Target: "t"}, func(context.Context) (closer, error) {
		if calls++; calls == 1 {
			return closer{&first}, nil
		}
		return closer{&second}, nil
	})
	if err != nil || v.closed != &second {
		t.Fatalf("got %v, %v, want the second value", v, err)
	}
	if first != 1 || second != 0 {
		t.Errorf("closed %d and %d times, want the discarded one once and the other not", first, second)
	}
}

func TestDoGivesEachAttemptAValueOfItsOwn(t *testing.T) {
	firstWins := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			first := next(ctx, call)
			next(ctx, call.Again()).Discard()
			return first
		}
	})
	n := 0
	v, err := holdfast.Do(t.Context(), holdfast.Chain(firstWins), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { n++; return n, nil })
	if v != 1 || err != nil {
		t.Errorf("got %d, %v, want the first attempt's value", v, err)
	}
}

func TestDoAnswersBadInputWithAClearError(t *testing.T) {
	f := func(context.Context) (int, error) { return 1, nil }
	answers := func(res holdfast.Result) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result { return res }
	}
	foreign := new(reply)
	var kept holdfast.Result // a Reply of another call of Do
	keep := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { kept = next(ctx, call); return kept }
	})
	_, _ = holdfast.Do(t.Context(), holdfast.Chain(keep), holdfast.Call{Target: "t"}, f)

	for name, c := range map[string]struct {
		ctx  context.Context
		h    holdfast.Handler
		f    func(context.Context) (int, error)
		want string
	}{
		"nil function":            {t.Context(), nil, nil, "one of them is nil"},
		"nil context":             {nil, nil, f, "one of them is nil"},
		"a Reply of nobody":       {t.Context(), answers(holdfast.Result{}), f, "neither a Reply nor an error"},
		"a foreign Reply":         {t.Context(), answers(holdfast.Result{Reply: foreign}), f, "did not get from this call"},
		"a Reply of another call": {t.Context(), answers(kept), f, "did not get from this call"},
	} {
		t.Run(name, func(t *testing.T) {
			if v, err := holdfast.Do(c.ctx, c.h, holdfast.Call{Target: "t"}, c.f); err == nil || v != 0 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v, want an error that says %q", v, err, c.want)
			}
		})
	}
	if foreign.discards != 1 {
		t.Errorf("the foreign Reply was discarded %d times, want once", foreign.discards)
	}
}

func TestDoPanicReachesTheCaller(t *testing.T) {
	defer func() {
		if got := recover(); got != "boom" {
			t.Errorf("recovered %v, want the function's own panic", got)
		}
	}()
	_, _ = holdfast.Do(t.Context(), holdfast.Chain(), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { panic("boom") })
}

// A doorstop counts how often it is closed, which one that is nil cannot.
type doorstop struct{ n int }

func (c *doorstop) Close() error { c.n++; return nil }

// What is discarded twice is closed once.
func TestDoDiscardsOnce(t *testing.T) {
	c := new(doorstop)
	twice := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			res.Discard()
			res.Discard()
			return holdfast.Result{Err: errors.New("no")}
		}
	})
	if _, err := holdfast.Do(t.Context(), holdfast.Chain(twice), holdfast.Call{Target: "t"}, func(context.Context) (*doorstop, error) { return c, nil }); err == nil || c.n != 1 {
		t.Errorf("%v, closed %d times", err, c.n)
	}
}

type (
	nilFunc    func()
	nilMap     map[string]int
	nilSlice   []int
	nilChan    chan int
	nilPointer struct{ n int }
	noPointer  struct{ f func() }
)

func (f nilFunc) Close() error     { f(); return nil }
func (m nilMap) Close() error      { m["closed"] = 1; return nil }
func (s nilSlice) Close() error    { s[0] = 1; return nil }
func (c nilChan) Close() error     { close(c); return nil }
func (p *nilPointer) Close() error { p.n++; return nil }
func (s noPointer) Close() error   { s.f(); return nil }

// closesNil has Do discard a value that a function returns for one that is not there.
func closesNil[T any](t *testing.T, v T) {
	t.Helper()
	defer func() {
		if thrown := recover(); thrown != nil {
			t.Errorf("%T: %v", v, thrown)
		}
	}()
	if _, err := holdfast.Do(t.Context(), holdfast.Chain(twice), holdfast.Call{Target: "t"}, func(context.Context) (T, error) { return v, nil }); err != nil {
		t.Error(err)
	}
}

// A value that is not there is not closed, whatever its type; one that is there is.
func TestDoClosesNoNil(t *testing.T) {
	closesNil(t, nilFunc(nil))
	closesNil(t, nilMap(nil))
	closesNil(t, nilSlice(nil))
	closesNil(t, nilChan(nil))
	closesNil(t, (*nilPointer)(nil))
	closesNil[io.Closer](t, nil)
	closesNil[io.Closer](t, (*nilPointer)(nil))
	closesNil[any](t, (*nilPointer)(nil))
	closed := 0
	closesNil(t, noPointer{func() { closed++ }})
	closesNil(t, nilFunc(func() { closed++ }))
	closesNil[any](t, nilFunc(func() { closed++ }))
	if closed != 3 {
		t.Errorf("%d of three values were closed", closed)
	}
}
