package holdfasttest_test

import (
	"context"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// What becomes of Results, of Replies and of Calls.
var brokenResults = []breach{
	{"makes a Reply", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		next(ctx, call).Discard()
		return holdfast.Result{Reply: new(holdfasttest.Reply), Class: holdfast.Success, Code: "ok"}
	}), "a Reply was returned that was not received"},
	{"returns a Reply and an error", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if res.Reply != nil {
			res.Err = own.Err
		}
		return res
	}), "both a Reply and an error"},
	{"returns nothing", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		next(ctx, call).Discard()
		return holdfast.Result{Class: holdfast.Success}
	}), "neither a Reply nor an error"},
	{"changes the verdict", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if res.Class == holdfast.Failure {
			res.Class = holdfast.Overload
		}
		return res
	}), "a Result was changed on its way up"},
	{"changes the verdict on an error", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		if res.Err != nil {
			res.Class = holdfast.Relayed
		}
		return res
	}), "was changed on its way up"},
	{"makes up an attempt", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		next(ctx, call).Discard()
		made := own
		made.Attempt = 7
		return made
	}), "was changed on its way up, or never came"},
	{"forgets to discard", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		if res := next(ctx, call); !may(ctx, call, res) {
			return res
		}
		return next(ctx, call.Again())
	}), "was neither returned nor Discarded"},
	{"discards twice", repeated(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		next(ctx, call.Again()).Discard()
		res := next(ctx, call.Again())
		res.Discard()
		res.Discard()
		return own
	}), "was Discarded 2 times"},
	{"discards what it returns", repeated(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call.Again())
		res.Discard()
		return res
	}), "the Reply that was returned was Discarded"},
	{"returns before its attempts", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			defer func() {
				_ = recover()
				cancel()
			}()
			next(ctx, call).Discard()
		}()
		return own
	}), "is still under way though its call has returned"},

	// Calls.
	{"sends one Call twice", repeated(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		return next(ctx, call)
	}), "the same Call was sent twice"},
	{"sends a copy of a Call", repeated(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		return next(ctx, &holdfast.Call{
			Target: call.Target, Method: call.Method, Repeatable: call.Repeatable, Stream: call.Stream, Unary: call.Unary,
			Attempt: call.Attempt, Sender: call.Sender, Record: call.Record,
		})
	}), "was sent twice, by two Calls"},
	{"makes a Record of its own", repeated(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		again := call.Again()
		again.Record = new(holdfast.Record)
		return next(ctx, again)
	}), "does not share the Record"},
	{"changes the Target", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		call.Target += ":80"
		return next(ctx, call)
	}), "what the Call says of the request was changed"},
	{"marks the call Repeatable", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		call.Repeatable = true
		return next(ctx, call)
	}), "what the Call says of the request was changed"},
	{"hides the caller's values", stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		own, cancel := context.WithCancel(context.Background())
		defer context.AfterFunc(ctx, cancel)()
		defer cancel()
		res := next(own, call)
		res.Discard()
		return holdfast.Result{Err: own.Err()}
	}), "the values of the caller's context are hidden"},
}
