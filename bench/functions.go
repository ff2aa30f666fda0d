package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/sony/gobreaker/v2"

	"github.com/holdfast-go/holdfast"
)

// A plain function, and what runs one.
type (
	function func(context.Context) (int, error)
	runner   func(context.Context, function) (int, error)
)

type functionSubject struct {
	who  string
	make func(k knobs) runner
}

type functionRow struct {
	name     string
	traits   traits
	goal     goal
	subjects []functionSubject
}

func functionTable() []functionRow {
	return []functionRow{
		{"hedge, unfired", traits{hedge: true}, goal{times: 1.3, of: "floor"}, []functionSubject{
			{"floor", floorHedgeOf}, {"holdfast", ourHedgeOf}, {"failsafe-go", failsafeHedgeOf},
		}},
		{"retry+breaker+timeout", traits{retry: true, breaker: true, timeout: true}, goal{times: 1.25, of: "floor"}, []functionSubject{
			{"floor", floorThreeOf}, {"holdfast", ourThreeOf}, {"failsafe-go", failsafeThreeOf}, {"glue", glueThreeOf},
		}},
		{"the same + hedge", traits{retry: true, breaker: true, timeout: true, hedge: true}, goal{times: 1.25, of: "floor"}, []functionSubject{
			{"floor", floorFourOf}, {"holdfast", ourFourOf}, {"failsafe-go", failsafeFourOf},
		}},
	}
}

func functionRows() []row {
	var rows []row
	for _, r := range functionTable() {
		rows = append(rows, row{"Plain functions", r.name, func() []subject {
			f := func(context.Context) (int, error) { return 1, nil }
			var subjects []subject
			for _, s := range r.subjects {
				run := s.make(idle)
				subjects = append(subjects, subject{s.who, func() {
					if _, err := run(context.Background(), f); err != nil {
						panic(err)
					}
				}})
			}
			return subjects
		}, r.goal, false})
	}
	return rows
}

// guardFunction is plainBreaker's guard for a function.
func (b *plainBreaker) guardFunction(ctx context.Context, f function) (int, error) {
	if until := b.until.Load(); until != 0 && time.Now().UnixNano() < until {
		return 0, errOpen
	}
	v, err := f(ctx)
	switch {
	case err == nil:
		if b.row.Load() != 0 {
			b.row.Store(0)
			b.until.Store(0)
		}
	case b.row.Add(1) >= 5:
		b.until.Store(time.Now().Add(time.Second).UnixNano())
	}
	return v, err
}

func retryingFunction(ctx context.Context, k knobs, f function) (int, error) {
	for attempt := 1; ; attempt++ {
		v, err := f(ctx)
		if attempt == 3 || err == nil || ctx.Err() != nil {
			return v, err
		}
		time.Sleep(k.wait)
	}
}

func floorThreeOf(k knobs) runner {
	b := new(plainBreaker)
	return func(ctx context.Context, f function) (int, error) {
		return retryingFunction(ctx, k, func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, k.limit)
			defer cancel()
			return b.guardFunction(ctx, f)
		})
	}
}

func floorHedgeOf(k knobs) runner {
	return func(ctx context.Context, f function) (int, error) { return hedgingFunction(ctx, k, f) }
}

func floorFourOf(k knobs) runner {
	b := new(plainBreaker)
	return func(ctx context.Context, f function) (int, error) {
		return retryingFunction(ctx, k, func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, k.limit)
			defer cancel()
			return b.guardFunction(ctx, func(ctx context.Context) (int, error) { return hedgingFunction(ctx, k, f) })
		})
	}
}

// outcome is what an attempt came to.
type outcome struct {
	v   int
	err error
}

func hedgingFunction(ctx context.Context, k knobs, f function) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var won atomic.Pointer[outcome]
	done := make(chan struct{})
	timer := time.AfterFunc(k.delay, func() {
		defer close(done)
		if v, err := f(ctx); err == nil && won.CompareAndSwap(nil, &outcome{v, nil}) {
			cancel()
		}
	})
	v, err := f(ctx)
	if !timer.Stop() {
		if err == nil {
			cancel()
		}
		<-done
		if o := won.Load(); o != nil && err != nil {
			return o.v, o.err
		}
	}
	return v, err
}

var call = holdfast.Call{Target: "t", Method: "get", Repeatable: true}

func ourFunction(policies ...holdfast.Policy) runner {
	h := holdfast.Chain(policies...)
	return func(ctx context.Context, f function) (int, error) { return holdfast.Do(ctx, h, call, f) }
}

func ourThreeOf(k knobs) runner { return ourFunction(k.retry(), k.breaker(), k.timeout()) }

func ourHedgeOf(k knobs) runner { return ourFunction(k.hedge()) }

func ourFourOf(k knobs) runner { return ourFunction(k.retry(), k.hedge(), k.breaker(), k.timeout()) }

func failsafeFunction(policies ...failsafe.Policy[int]) runner {
	e := failsafe.With(policies...)
	return func(ctx context.Context, f function) (int, error) {
		return e.WithContext(ctx).GetWithExecution(func(x failsafe.Execution[int]) (int, error) { return f(x.Context()) })
	}
}

func (k knobs) failsafeParts() (retry, breaker, limit failsafe.Policy[int]) {
	return retrypolicy.NewBuilder[int]().WithMaxRetries(2).WithDelay(k.wait).Build(),
		circuitbreaker.NewBuilder[int]().WithFailureThreshold(5).WithDelay(time.Second).Build(),
		timeout.New[int](k.limit)
}

func failsafeThreeOf(k knobs) runner {
	retry, breaker, limit := k.failsafeParts()
	return failsafeFunction(retry, breaker, limit)
}

func failsafeHedgeOf(k knobs) runner {
	return failsafeFunction(hedgepolicy.NewWithDelay[int](k.delay))
}

func failsafeFourOf(k knobs) runner {
	retry, breaker, limit := k.failsafeParts()
	return failsafeFunction(retry, hedgepolicy.NewWithDelay[int](k.delay), breaker, limit)
}

func glueThreeOf(k knobs) runner {
	cb := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{
		Timeout: time.Second, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 5 },
	})
	return func(ctx context.Context, f function) (int, error) {
		schedule := backoff.WithMaxRetries(backoff.NewConstantBackOff(k.wait), 2)
		return backoff.RetryWithData(func() (int, error) {
			ctx, cancel := context.WithTimeout(ctx, k.limit)
			defer cancel()
			return cb.Execute(func() (int, error) { return f(ctx) })
		}, backoff.WithContext(schedule, ctx))
	}
}
