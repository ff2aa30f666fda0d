package holdfasttest_test

import (
	"context"
	"runtime"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// What is held, and must be let go of.
var brokenHolds = []breach{
	{"lets go when it returns", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return next(ctx, call)
	}), "ended when the call returned, and not with its Reply"},
	{"never lets go of the context of a Reply", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := derive(ctx)
		res := next(ctx, call)
		if res.Reply == nil {
			cancel()
		}
		return res
	}), "were not let go of"},
	{"never lets go where there is no Reply", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := derive(ctx)
		res := next(ctx, call)
		if res.Reply != nil {
			res.OnDone(hook(func(holdfast.End) { cancel() }), 0)
		}
		return res
	}), "were not let go of"},
	{"does not let go of what is ignored", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := derive(ctx)
		defer func() {
			if v := recover(); v != nil {
				cancel()
				panic(v)
			}
		}()
		res := next(ctx, call)
		if res.Class != holdfast.Ignored || res.After >= 0 {
			res.OnDone(hook(func(holdfast.End) { cancel() }), 0)
		}
		return res
	}), "an ignored error"},
	{"lets go only of what was read to its end", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := context.WithCancel(ctx)
		res := next(ctx, call)
		res.OnDone(hook(func(end holdfast.End) {
			if end.Class != holdfast.Ignored || end.Err == nil {
				cancel()
			}
		}), 0)
		return res
	}), "a reply that is cancelled: 1 contexts derived"},
	{"does not let go when next panics", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := context.WithCancel(ctx)
		res := next(ctx, call)
		res.OnDone(hook(func(holdfast.End) { cancel() }), 0)
		return res
	}), "script 1: 1 contexts derived"},
	{"does not let go when next exits", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := context.WithCancel(ctx)
		defer func() {
			if v := recover(); v != nil {
				cancel()
				panic(v)
			}
		}()
		res := next(ctx, call)
		res.OnDone(hook(func(holdfast.End) { cancel() }), 0)
		return res
	}), "script 1: 1 contexts derived"},
	{"loses slots when next panics", func() holdfast.Policy {
		slots := make(chan struct{}, 100)
		return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			select {
			case slots <- struct{}{}:
			default:
				return own
			}
			res := next(ctx, call)
			res.OnDone(hook(func(holdfast.End) { <-slots }), 0)
			return res
		})()
	}, "after 1000 calls that panic, none passes any more"},
	{"loses slots of Replies", func() holdfast.Policy {
		slots := make(chan struct{}, 100)
		return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			select {
			case slots <- struct{}{}:
			default:
				return own
			}
			keep := false
			defer func() {
				if !keep {
					<-slots
				}
			}()
			res := next(ctx, call)
			reply, _ := res.Reply.(*holdfasttest.Reply)
			keep = reply != nil && !reply.Finished()
			return res
		})()
	}, "after 1000 calls that are read later, none passes any more"},
	{"swallows a panic", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) (res holdfast.Result) {
		defer func() {
			if recover() != nil {
				res = own
			}
		}()
		return next(ctx, call)
	}), "on the caller's goroutine came the panic <nil>"},
	{"never returns when next exits", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		back := make(chan holdfast.Result, 1)
		failed := make(chan any, 1)
		go func() {
			defer func() {
				if v := recover(); v != nil {
					failed <- v
				}
			}()
			back <- next(ctx, call)
		}()
		select {
		case res := <-back:
			return res
		case v := <-failed:
			panic(v)
		case <-ctx.Done():
			runtime.Goexit() // at last
		}
		return own
	}), "the call did not return"},
	{"has a hook that panics", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if res.Reply != nil {
			res.OnDone(hook(func(end holdfast.End) {
				if end == (holdfast.End{}) {
					panic("no Class")
				}
			}), 0)
		}
		return res
	}), "a hook of the policy did not return: panic no Class"},
}
