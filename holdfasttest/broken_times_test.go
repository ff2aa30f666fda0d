package holdfasttest_test

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
)

// When, how often, and what stays.
var brokenTimes = []breach{
	{"waits without looking at its context", repeated(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		<-time.After(100 * time.Millisecond)
		return properly(ctx, call, next)
	}), "the call returned after"},
	{"sends though its context is done", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
		res := next(free, call)
		res.OnDone(hook(func(holdfast.End) { cancel() }), 0)
		return res
	}), "1 attempts were sent"},
	{"gives an attempt more time than there is", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
		defer cancel()
		res := next(free, call)
		res.Discard()
		return own
	}), "more time than the caller's deadline leaves"},

	// Repeats.
	{"repeats what is not Repeatable", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if _, ok := call.MayRepeat(ctx); !ok || res.Class != holdfast.Failure || res.After != 0 {
			return res
		}
		res.Discard()
		return properly(ctx, call, next)
	}), "a failed call that is not Repeatable was sent 2 times"},
	{"repeats what the server forbade", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if after := res.After; after < 0 {
			if res.After = 0; may(ctx, call, res) {
				res.Discard()
				return properly(ctx, call, next)
			}
			res.After = after
		}
		return res
	}), "that the server forbade to repeat was sent 2 times"},
	{"repeats sooner than asked", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if res.After <= 0 || res.After > time.Minute || !call.Repeatable || ctx.Err() != nil {
			return res
		}
		res.Discard()
		return properly(ctx, call, next)
	}), "the server asked for 1.5s, and the call was sent again after 0s"},
	{"repeats WithoutRepeats", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if res.Class != holdfast.Refused || res.After != 0 || ctx.Err() != nil {
			return res
		}
		res.Discard()
		return properly(ctx, call, next)
	}), "whose context says WithoutRepeats was sent 2 times"},
	{"multiplies what an outer layer repeats", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if res.Class != holdfast.Failure || res.After != 0 || !call.Repeatable || ctx.Err() != nil {
			return res
		}
		res.Discard()
		return properly(ctx, call, next)
	}), "a call that an outer layer repeats was sent 2 times"},

	// Strangers, and what stays.
	{"mixes calls", func() holdfast.Policy {
		var mu sync.Mutex
		var last holdfast.Result
		return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			res := next(ctx, call)
			mu.Lock()
			last = res
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			defer mu.Unlock()
			return last
		})()
	}, "calls at once, an answer"},
	{"serves one chain", func() holdfast.Policy {
		var handler holdfast.Handler
		return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			if handler == nil {
				handler = next
			}
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return handler(ctx, call) }
		})
	}, "a policy in another: a call went down the chain of the policy in one chain"},
	{"is nothing as nil", func() holdfast.Policy {
		return &pointed{func(next holdfast.Handler) holdfast.Handler { return next }}
	}, "a nil *holdfasttest_test.pointed does not let a call pass"},
	{"leaves a goroutine", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		stop := make(chan struct{})
		atEnd(sync.OnceFunc(func() { close(stop) }))
		go leakedOnPurpose(stop)
		return next(ctx, call)
	}), "a goroutine was left behind"},
	{"leaves a timer", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		time.AfterFunc(10000*time.Hour, func() { _ = ctx.Err() })
		return next(ctx, call)
	}), "are still held on to"},
	{"remembers every call", func() holdfast.Policy {
		var mu sync.Mutex
		seen := map[*holdfast.Record]context.Context{}
		return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			mu.Lock()
			seen[call.Record] = ctx
			mu.Unlock()
			return next(ctx, call)
		})()
	}, "are still held on to"},
}
