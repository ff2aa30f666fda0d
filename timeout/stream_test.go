package timeout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// stream sends one call that goes on after its first message.
func stream(ctx context.Context, sender send, policies ...holdfast.Policy) holdfast.Result {
	return holdfast.Chain(policies...)(ctx, &holdfast.Call{Target: "a", Stream: true, Sender: sender})
}

func TestAnAttemptsLimitEndsAtTheFirstMessageOfAStream(t *testing.T) {
	bubble(t, time.Second+24*time.Hour, func(t *testing.T) {
		p := []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Second})}
		res := stream(t.Context(), func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			if d, ok := ctx.Deadline(); ok {
				t.Errorf("a deadline in %v would go on the wire", time.Until(d))
			}
			return takes(time.Second-1)(ctx, call)
		}, p...)
		b := res.Reply.(*body)
		time.Sleep(1)
		if err := b.read(24 * time.Hour); err != nil {
			t.Errorf("the stream was cut: %v", err)
		}
		b.Close()
		if b.ended() != context.Canceled {
			t.Error("the context outlives the stream")
		}
	})
	bubble(t, time.Second, func(t *testing.T) {
		res := stream(t.Context(), takes(time.Hour), claim, timeout.New(timeout.Options{Limit: time.Second}))
		if res.Code != "timeout" || res.Class != holdfast.Failure || res.Err != context.DeadlineExceeded {
			t.Errorf("got %+v, want a timeout", res)
		}
	})
}

func TestAWholeLimitIsOffForAStreamUnlessAskedFor(t *testing.T) {
	bubble(t, 24*time.Hour, func(t *testing.T) {
		b := stream(t.Context(), func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			if ctx != t.Context() {
				t.Error("a stream without a limit has a context of ours")
			}
			return takes(23*time.Hour)(ctx, call)
		}, timeout.New(timeout.Options{Limit: time.Second})).Reply.(*body)
		if err := b.read(time.Hour); err != nil {
			t.Error(err)
		}
		b.Close()
	})
	bubble(t, time.Minute, func(t *testing.T) {
		b := stream(t.Context(), func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != time.Minute {
				t.Error("the limit that was asked for is no deadline")
			}
			return takes(time.Second)(ctx, call)
		}, timeout.New(timeout.Options{Limit: time.Minute, Streams: true})).Reply.(*body)
		for b.read(time.Second) == nil {
		}
		if b.end.Code != "timeout" {
			t.Errorf("end %+v", b.end)
		}
	})
}

func TestAnIdleLimitOnAStreamCountsWaitingOnly(t *testing.T) {
	for name, c := range map[string]struct {
		policies []holdfast.Policy
	}{
		"attempt": {[]holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Second, Idle: 5 * time.Second})}},
		"whole":   {[]holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second, Idle: 5 * time.Second})}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2*time.Hour+10*4*time.Second+5*time.Second, func(t *testing.T) {
				b := stream(t.Context(), takes(0), c.policies...).Reply.(*body)
				time.Sleep(time.Hour) // a long upload before anything is read
				for range 10 {
					if err := b.read(4 * time.Second); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour) // a reader that thinks
				if b.read(time.Hour); context.Cause(b.ctx).Error() != "holdfast: nothing arrived for 5s" || b.end.Class != holdfast.Failure {
					t.Errorf("%v, %+v", context.Cause(b.ctx), b.end)
				}
			})
		})
	}
}

func TestStreamsAreNotSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := timeout.New(timeout.Options{Adaptive: &timeout.Adaptive{MinSamples: 1}})
		for range 100 {
			stream(t.Context(), takes(time.Millisecond), claim, p).Discard()
			time.Sleep(time.Second)
		}
		if got := p.Limit("a"); got != 10*time.Second {
			t.Errorf("the limit went to %v", got)
		}
	})
}
