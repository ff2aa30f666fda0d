package holdfasttest_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// A toy is a door to a server of its own, whose replies go on. Each flag breaks
// one sentence.
type toy struct {
	noTarget, noMethod, noCode, wrongClass, bothResult, callTwice          bool
	ownVerdict, slowCancel, sendsDone, hidesCall, hidesValues, keepsGoing  bool
	doneTwice, doneNever, doneEarly, doneLate, mildTruncation, silent      bool
	wrongEnd, closedAsFailure, cancelAsFailure, limitAsIgnored             bool
	reverseHooks, panicStops, lateNever, discardTwice, discardSilent       bool
	trustsReplies, panicsOnForeign, keepsForeign, trustsStale, nothingIsOK bool
	swallowsPanic, panicElsewhere, mixes, leaks, refusedFails              bool
	limitAsCancel, sendsOnce, cancelThenWell                               bool
}

var (
	errToyRefused = errors.New("nobody listens")
	errToyBroken  = errors.New("broken off")
	errToyWrong   = errors.New("a policy returned what it must not")
)

func (y toy) transport() holdfasttest.Transport {
	return holdfasttest.Transport{Open: y.open, Target: "toys", Method: "play"}
}

func (y toy) open(t testing.TB, s holdfasttest.Setup) holdfasttest.Client {
	h := holdfast.Chain(s.Policies...)
	var shared atomic.Pointer[play]
	if y.leaks {
		go func() { <-time.After(time.Hour) }()
	}
	return func(ctx context.Context, o holdfasttest.Outcome) (body io.ReadCloser, err error) {
		p := &play{toy: y, want: o, beneath: s.Beneath}
		p.call = holdfast.Call{Target: "toys", Method: "play", Repeatable: true, Sender: p, Record: &p.record}
		if y.noTarget {
			p.call.Target = ""
		}
		if y.noMethod {
			p.call.Method = ""
		}
		if y.mixes && !shared.CompareAndSwap(nil, p) {
			p.call.Record = &shared.Load().record
		}
		if y.swallowsPanic {
			defer func() {
				if recover() != nil {
					body, err = nil, errToyWrong
				}
			}()
		}
		res := p.send(ctx, h)
		if y.callTwice {
			res.Discard()
			p.call = holdfast.Call{Target: "toys", Method: "play", Sender: p, Record: new(holdfast.Record)}
			res = h(ctx, &p.call)
		}
		return p.deliver(res)
	}
}

// A play is one call.
type play struct {
	toy
	call    holdfast.Call
	record  holdfast.Record
	want    holdfasttest.Outcome
	beneath func(context.Context)
}

func (p *play) send(ctx context.Context, h holdfast.Handler) (res holdfast.Result) {
	if !p.panicElsewhere {
		return h(ctx, &p.call)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		res = h(ctx, &p.call)
	}()
	<-done
	return res
}

func (p *play) deliver(res holdfast.Result) (io.ReadCloser, error) {
	if res.Err != nil {
		return nil, res.Err
	}
	if res.Reply == nil {
		if p.nothingIsOK {
			return nil, nil
		}
		return nil, errToyWrong
	}
	r, ok := res.Reply.(*toyReply)
	switch {
	case !ok && p.trustsReplies:
		return io.NopCloser(nil), nil
	case !ok && p.panicsOnForeign:
		_ = res.Reply.(*toyReply)
	case !ok || r.of != p && !p.trustsStale:
		if !p.keepsForeign {
			res.Discard()
		}
		return nil, errToyWrong
	}
	return r, nil
}

func (p *play) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	inside := call.Context(ctx)
	if ctx.Err() != nil && !p.sendsDone {
		return p.failed(inside, ctx.Err())
	}
	switch {
	case p.sendsOnce && call.Attempt > 1:
	case p.hidesCall:
		p.beneath(ctx)
	case p.hidesValues:
		p.beneath(new(holdfast.Call).Context(context.Background()))
	default:
		p.beneath(inside)
	}
	switch p.want {
	case holdfasttest.Hanging:
		<-ctx.Done()
		if p.slowCancel {
			<-time.After(time.Minute)
		}
		return p.failed(inside, ctx.Err())
	case holdfasttest.Refusing:
		if p.refusedFails {
			return p.failed(inside, errToyRefused)
		}
		return holdfast.Result{Err: errToyRefused, Class: holdfast.Refused, Code: "dial"}
	}
	res := holdfast.Result{Class: holdfast.Success, Code: "ok"}
	if p.want == holdfasttest.Failed && !p.wrongClass {
		res.Class, res.Code = holdfast.Failure, "broken"
	}
	if p.noCode {
		res.Code = ""
	}
	r := &toyReply{of: p, ctx: inside, class: res.Class, left: 3}
	if p.doneEarly {
		r.finish(nil)
	}
	if res.Reply = r; p.bothResult {
		res.Err = errToyWrong
	}
	return res
}

func (p *play) failed(ctx context.Context, err error) holdfast.Result {
	if p.limitAsCancel && errors.Is(err, context.DeadlineExceeded) {
		return holdfast.Result{Err: err, Code: "cancelled"}
	}
	if p.ownVerdict {
		return holdfast.Result{Err: err, Class: holdfast.Failure, Code: "error"}
	}
	return holdfast.Result{Err: err, Class: holdfast.VerdictOf(ctx, err).Class, Code: holdfast.VerdictOf(ctx, err).Code}
}

// A toyReply gives a few bytes, and then what was wanted.
type toyReply struct {
	holdfast.Ending
	of    *play
	ctx   context.Context
	class holdfast.Class
	left  int
	end   atomic.Bool
	mu    sync.Mutex
	hooks []func()
}

func (r *toyReply) OnDone(h holdfast.Hook, token uint64) {
	switch {
	case r.of.lateNever && r.end.Load():
	case r.of.reverseHooks, r.of.panicStops:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hooks = append(r.hooks, func() { h.Done(token, holdfast.End{Class: r.class, Code: "ok"}) })
	default:
		r.Ending.OnDone(h, token)
		if r.of.doneTwice {
			r.Ending.OnDone(h, token)
		}
	}
}

func (r *toyReply) finish(err error) {
	first := !r.end.Swap(true)
	end := holdfast.End{Class: r.class, Code: "ok", Err: err}
	switch {
	case err == nil:
	case r.ctx.Err() != nil && !r.of.cancelAsFailure:
		end.Class, end.Code = holdfast.VerdictOf(r.ctx, err).Class, holdfast.VerdictOf(r.ctx, err).Code
	default:
		end.Class, end.Code = holdfast.Failure, "truncated"
	}
	if r.of.limitAsIgnored && r.ctx.Err() != nil {
		end.Class = holdfast.Ignored
	}
	if r.of.wrongEnd {
		end.Class = holdfast.Ignored
	}
	r.Finish(end)
	if !first {
		return
	}
	for i := range r.hooks {
		if r.of.reverseHooks {
			i = len(r.hooks) - 1 - i
		}
		r.hooks[i]()
	}
}

func (r *toyReply) Discard() {
	if r.of.discardTwice && r.end.Load() {
		panic("discarded twice")
	}
	if !r.of.discardSilent {
		r.finish(nil)
	}
}

func (r *toyReply) Read(p []byte) (int, error) {
	if !r.of.silent {
		r.Progress(true)
		defer r.Progress(false)
	}
	if err := r.ctx.Err(); err != nil {
		r.finish(err)
		return 0, err
	}
	if r.left > 0 {
		r.left--
		return copy(p, "x"), nil
	}
	switch r.of.want {
	case holdfasttest.Stalling:
		<-r.ctx.Done()
		if r.of.keepsGoing {
			<-time.After(time.Minute)
		}
		err := r.ctx.Err()
		r.finish(err)
		return 0, err
	case holdfasttest.Truncated:
		if r.of.mildTruncation {
			return 0, io.EOF
		}
		r.finish(errToyBroken)
		return 0, errToyBroken
	}
	if !r.of.doneNever && !r.of.doneLate {
		r.finish(nil)
	}
	return 0, io.EOF
}

func (r *toyReply) Close() error {
	switch {
	case r.of.doneNever:
	case r.of.closedAsFailure:
		r.finish(errToyBroken)
	case r.ctx.Err() != nil && !r.of.cancelThenWell:
		r.finish(context.Cause(r.ctx))
	default:
		r.finish(nil)
	}
	return nil
}
