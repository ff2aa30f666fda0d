package holdfasttest_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// A breach is a policy that breaks one sentence of the contract.
type breach struct {
	name   string
	policy func() holdfast.Policy
	caught string // what TestPolicy must say of it
}

type handle = func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result

// stateless makes a policy without state.
func stateless(f handle) func() holdfast.Policy {
	return func() holdfast.Policy {
		return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call, next) }
		})
	}
}

// repeated repeats once what it may, in the way that again does it.
func repeated(again handle) func() holdfast.Policy {
	return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		mine := call.Record.Claim()
		res := next(ctx, call)
		if !mine || !may(ctx, call, res) {
			return res
		}
		res.Discard()
		return again(ctx, call, next)
	})
}

func may(ctx context.Context, call *holdfast.Call, res holdfast.Result) bool {
	if _, ok := call.MayRepeat(ctx); !ok || res.After != 0 || ctx.Err() != nil {
		return false
	}
	return res.Class == holdfast.Refused || call.Repeatable && (res.Class == holdfast.Failure || res.Class == holdfast.Overload)
}

func properly(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
	return next(ctx, call.Again())
}

// hook is a Hook of one function.
type hook func(holdfast.End)

func (h hook) Done(_ uint64, end holdfast.End) { h(end) }

// derive hides from vet what a policy is about to forget.
func derive(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 10000*time.Hour)
}

var own = holdfast.Result{Err: errors.New("own"), Code: "own"}

// A pointed policy is one whose type is a pointer.
type pointed struct {
	wrap func(holdfast.Handler) holdfast.Handler
}

func (p *pointed) Wrap(next holdfast.Handler) holdfast.Handler { return p.wrap(next) }

// stop ends what the broken policies leave behind, when a bubble ends.
var stop = struct {
	sync.Mutex
	f []func()
}{}

func atEnd(f func()) {
	stop.Lock()
	defer stop.Unlock()
	stop.f = append(stop.f, f)
}

func end() {
	stop.Lock()
	defer stop.Unlock()
	for _, f := range stop.f {
		f()
	}
	stop.f = nil
}

var breaches = []breach{
	// Results and Replies.
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

	// What is held.
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

	// Time.
	{"waits without looking at its context", repeated(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		time.Sleep(100 * time.Millisecond)
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
			time.Sleep(time.Second)
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

// TestPolicy catches every policy that breaks a sentence, and says which.
func TestBrokenPoliciesAreCaught(t *testing.T) {
	for _, b := range breaches {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer synctest.Wait()
				defer end()
				r := new(recorder)
				caught := func() bool { return strings.Contains(r.String(), b.caught) }
				holdfasttest.CheckPolicy(r, b.policy, caught)
				if !caught() {
					t.Errorf("not caught; want %q, it said %.4000s", b.caught, r)
				}
			})
		})
	}
}
