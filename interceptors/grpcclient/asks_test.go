package grpcclient_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// What users have asked gRPC libraries for, by the thread in which they did.

// grpc-go #4615: nine attempts are nine, without another dial option.
func TestNineAttemptsAreNine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: failsFirst(8, unavailable)}
		cc, stop := s.dial(t, all.DialOptions(again(9))...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil || s.calls.Load() != 9 {
			t.Errorf("%v after %d calls", err, s.calls.Load())
		}
	})
}

// grpc-go #2260, go-grpc-middleware #151: an attempt's limit of 50 ms gives the
// second attempt a chance within a deadline of 300 ms, which still ends the call.
func TestAnAttemptsLimitGivesTheNextOneAChance(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
			if n == 1 {
				return "", hangs(ctx)
			}
			return "ok", nil
		}}
		cc, stop := s.dial(t, all.DialOptions(again(9), timeout.New(timeout.Options{Limit: 50 * time.Millisecond}))...)
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := cc.Invoke(ctx, get, say("x"), new(message)); err != nil || time.Since(start) != 50*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		synctest.Wait() // the abandoned attempt's handler is over
		s.get = func(ctx context.Context, _ int, _ string) (string, error) { return "", hangs(ctx) }
		err := cc.Invoke(ctx, get, say("x"), new(message))
		if status.Code(err) != codes.DeadlineExceeded || time.Since(start) > 300*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// go-grpc-middleware #699: the callback runs only when a retry will really be made.
func TestTheRetryCallbackTellsOfRealRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		told := 0
		r := retry.New(retry.Options{MaxAttempts: 3, InitialInterval: -1, OnRetry: func(context.Context, holdfast.Event) { told++ }})
		s := &service{get: failsFirst(99, unavailable)}
		cc, stop := s.dial(t, all.DialOptions(r)...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err == nil || told != int(s.calls.Load())-1 {
			t.Errorf("told %d times of %d calls: %v", told, s.calls.Load(), err)
		}
	})
}

// A hedge's own cancellations open no breaker.
func TestLostHedgesOpenNoCircuit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := breaker.New(breaker.Options{ConsecutiveFailures: 1, MinSamples: 1, FailureRatio: 0.01})
		s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
			if n%2 == 1 {
				return "", hangs(ctx) // and is beaten by the hedge
			}
			return "ok", nil
		}}
		cc, stop := s.dial(t, all.DialOptions(hedges(10*time.Millisecond), b, timeout.New(timeout.Options{Limit: time.Hour}))...)
		defer stop()
		for range 50 {
			if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil {
				t.Fatal(err)
			}
		}
		if st := b.Status(cc.Target()); st.State != breaker.Closed || st.Failures != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// grpc-go #2130: a default limit holds only where the caller set none, for calls
// that wait for a connection too.
func TestADefaultLimitHoldsWhereThereIsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: func(ctx context.Context, _ int, _ string) (string, error) { return "", hangs(ctx) }}
		byDefault := timeout.New(timeout.Options{Limit: time.Second, IfNone: true})
		cc, stop := s.dial(t, append(all.DialOptions(byDefault), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))...)
		defer stop()
		for given, want := range map[time.Duration]time.Duration{0: time.Second, 5 * time.Second: 5 * time.Second, time.Second / 2: time.Second / 2} {
			ctx := t.Context()
			if given > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, given)
				defer cancel()
			}
			start := time.Now()
			if err := cc.Invoke(ctx, get, say("x"), new(message)); status.Code(err) != codes.DeadlineExceeded || time.Since(start) != want {
				t.Errorf("a caller's deadline of %v: %v after %v, want %v", given, err, time.Since(start), want)
			}
		}
	})
}

// grpc-go #1717, #4379, #9249: a stream's completion callback runs once, however it
// ends.
func TestAStreamsCompletionRunsOnce(t *testing.T) {
	for name, end := range map[string]func(cc *grpc.ClientConn, s grpc.ClientStream, cancel func()){
		"read to its end": func(_ *grpc.ClientConn, s grpc.ClientStream, _ func()) { _ = s.CloseSend(); _, _ = read(s) },
		"its error":       func(_ *grpc.ClientConn, s grpc.ClientStream, _ func()) { _ = s.SendMsg(say("fail")); _, _ = read(s) },
		"a cancel":        func(_ *grpc.ClientConn, _ grpc.ClientStream, cancel func()) { cancel() },
		"cc.Close":        func(cc *grpc.ClientConn, s grpc.ClientStream, _ func()) { _ = cc.Close(); _, _ = read(s) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, p := &service{stream: echoes}, &probe{}
				cc, stop := s.dial(t, all.DialOptions(again(2), p)...)
				defer stop()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var finished atomic.Int32
				stream, err := cc.NewStream(ctx, chatDesc, chat, grpc.OnFinish(func(error) { finished.Add(1) }))
				if err != nil {
					t.Fatal(err)
				}
				end(cc, stream, cancel)
				pass(time.Millisecond)
				if finished.Load() != 1 || len(p.over(t, 1)) != 1 {
					t.Errorf("it ran %d times, and the policies were told %d times", finished.Load(), len(p.ends))
				}
			})
		})
	}
}

// go-grpc-middleware #575, chainguard #550, mimir #5650: an open circuit fails fast
// with UNAVAILABLE, is not repeated, and can leave health checks out.
func TestAnOpenCircuitFailsFastAndLeavesHealthChecksOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := breaker.New(breaker.Options{Key: func(c *holdfast.Call) string {
			if strings.HasPrefix(c.Method, "/grpc.health.v1.Health/") {
				return ""
			}
			return c.Target
		}})
		s := &service{get: failsFirst(99, unavailable)}
		cc, stop := s.dial(t, all.DialOptions(retry.New(retry.Options{}), b)...)
		defer stop()
		for range 10 {
			_ = cc.Invoke(t.Context(), get, say("x"), new(message))
		}
		before, start := s.calls.Load(), time.Now()
		err := cc.Invoke(t.Context(), get, say("x"), new(message))
		if status.Code(err) != codes.Unavailable || !errors.Is(err, breaker.ErrOpen) || time.Since(start) != 0 || s.calls.Load() != before {
			t.Errorf("%v after %v and %d calls more", err, time.Since(start), s.calls.Load()-before)
		}
		if err := cc.Invoke(t.Context(), "/grpc.health.v1.Health/Check", say("x"), new(message)); status.Code(err) != codes.Unimplemented {
			t.Errorf("a health check: %v, want the server's own answer", err)
		}
	})
}

// failsafe-go #136: one interceptor serves many calls, and the end of one cancels
// no other; the callers' first attempts and hedges alike.
func TestOneInterceptorServesManyCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: func(_ context.Context, _ int, in string) (string, error) {
			if in == "slow" {
				time.Sleep(time.Second)
			}
			return in, nil
		}}
		cc, stop := s.dial(t, all.DialOptions(again(2), hedge.New(hedge.Options{Delay: 100 * time.Millisecond, Share: -1}), timeout.New(timeout.Options{Limit: 10 * time.Second}))...)
		defer stop()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				word := "slow"
				if i%2 == 0 {
					word = "fast"
				}
				out := new(message)
				if err := cc.Invoke(ctx, get, say(word), out); err != nil || out.GetValue() != word {
					t.Errorf("%s: %v %q", word, err, out.GetValue())
				}
			})
		}
		wg.Wait()
		pass(2 * time.Second) // the losers' handlers
	})
}

func TestWaitForReadyIsThePolicysAndTheCallsOwnWordCounts(t *testing.T) {
	var got []bool
	invoker := func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		for _, o := range opts {
			if o, ok := o.(grpc.FailFastCallOption); ok {
				got = append(got, !o.FailFast)
			}
		}
		return nil
	}
	w := grpcclient.Wrapper{WaitForReady: func(m string) (bool, bool) { return true, m == get }}
	for method, want := range map[string][]bool{get: {true, false}, put: {false}} {
		got = nil
		err := w.Unary()(t.Context(), method, say("x"), new(message), nil, invoker, grpc.WaitForReady(false))
		if err != nil || !slices.Equal(got, want) { // gRPC takes the last
			t.Errorf("%s: %v, %v", method, err, got)
		}
	}
}
