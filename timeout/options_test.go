package timeout_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

func TestNothingLimitedIsNoPolicy(t *testing.T) {
	next := holdfast.Handler(func(context.Context, *holdfast.Call) holdfast.Result { return holdfast.Result{Code: "next"} })
	for name, p := range map[string]*timeout.Timeout{
		"nil": nil, "zero": new(timeout.Timeout), "off": timeout.New(timeout.Options{Limit: -1}),
		"all off":              timeout.New(timeout.Options{Limit: -1, Idle: -1, MinAttempt: time.Hour, Adaptive: &timeout.Adaptive{}}),
		"most negative number": timeout.New(timeout.Options{Limit: math.MinInt64}),
	} {
		// A Call without a Record would be a panic if anything were done with it.
		if got := p.Wrap(next)(t.Context(), new(holdfast.Call)).Code; got != "next" {
			t.Errorf("%s: %q", name, got)
		}
		if p.Limit("a") != 0 {
			t.Errorf("%s: a limit of %v", name, p.Limit("a"))
		}
	}
	if timeout.New(timeout.Options{Limit: time.Second}).Wrap(nil) != nil {
		t.Error("a nil Handler was wrapped")
	}
}

func TestAnOffTimeoutTakesNoPosition(t *testing.T) {
	bubble(t, 2*time.Second, func(t *testing.T) {
		b := open(t, t.Context(), takes(0), timeout.New(timeout.Options{Limit: -1}), timeout.New(timeout.Options{Limit: 2 * time.Second}))
		if err := b.read(time.Hour); err == nil {
			t.Error("the limit that is there is not around the whole call")
		}
	})
}

func TestAbsurdLimits(t *testing.T) {
	if got := timeout.New(timeout.Options{Limit: 0}).Limit("a"); got != 10*time.Second {
		t.Errorf("New(0) limits to %v", got)
	}
	for _, d := range []time.Duration{1, 1 << 62, math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 10} {
		for _, o := range []timeout.Options{{Limit: d}, {Limit: d, Idle: d, MinAttempt: d, Streams: true}, {Limit: -1, Idle: d}, {Limit: d, MinAttempt: math.MaxInt64, Adaptive: &timeout.Adaptive{Min: d, Window: d}}} {
			for _, call := range []holdfast.Call{{Unary: true}, {}, {Stream: true}} {
				for _, outer := range []holdfast.Policy{nil, claim} {
					synctest.Test(t, func(t *testing.T) {
						call := call
						call.Sender = takes(0)
						if d == 1 {
							call.Sender = send(over)
						}
						res := holdfast.Chain(outer, timeout.New(o))(t.Context(), &call)
						if res.Err != nil {
							t.Fatalf("%+v: %v", o, res.Err)
						}
						if d > 1 && !call.Unary {
							b := res.Reply.(*body)
							for range 3 {
								if err := b.read(time.Second); err != nil {
									t.Errorf("%+v: %v", o, err)
								}
								time.Sleep(2 * time.Minute)
							}
						}
						res.Discard()
					})
				}
			}
		}
	}
}
