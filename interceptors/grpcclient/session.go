package grpcclient

import (
	"cmp"
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast"
)

// A session is one streaming call: all of its attempts, of which at most one is
// handed to the caller.
type session struct {
	call   holdfast.Call
	record holdfast.Record

	rpc
	ctx      context.Context // the caller's
	desc     *grpc.StreamDesc
	streamer grpc.Streamer
	own      ownOptions
	witness  witness
	plain    plainErrors

	finished atomic.Bool // OnFinish was run

	busy atomic.Bool // an attempt is under way; what follows is its
	last *open       // the stream of the latest attempt that got one and failed

	won atomic.Pointer[open] // what the caller reads
}

func (d *door) session(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts []grpc.CallOption) *session {
	s := &session{rpc: rpc{door: d, cc: cc}, ctx: ctx, desc: desc, streamer: streamer}
	s.opts, s.own = takeOwn(d.ready(method, opts))
	s.call.Target, s.call.Method, s.call.Stream = targetOf(cc), method, true
	s.call.Record, s.of = &s.record, &s.call
	return s
}

// Protocol tells observers what is sent.
func (s *session) Protocol() string { return "grpc" }

// run sends the call through the policies. The caller gets the stream that they
// settled on, or the error.
func (s *session) run() (*open, error) {
	returned := false
	defer func() {
		if !returned { // by a panic: there is no stream whose end could be told of
			s.Done(0, holdfast.End{Code: holdfast.CodePanic})
		}
	}()
	res := s.settled(s.door.handle(s.ctx, &s.call))
	if a, mine := res.Reply.(*open); mine {
		s.last = nil // nobody asks for what failed before
		s.won.Store(a)
		if a.empty {
			a.out.publish(a.attempt)
		}
		a.OnDone(s, 0)
		returned = true
		return a, nil
	}
	err := s.door.settle(s.ctx, res, &s.plain)
	holdfast.Within(s.ctx, holdfast.Result{Err: err, Class: res.Class, Code: res.Code, After: res.After}) // where this call is made within another one
	for res.Attempt != 0 && s.last != nil && s.last.attempt != res.Attempt {
		s.last = s.last.before
	}
	if s.last != nil {
		s.last.out.publish(s.last.attempt)
	}
	s.Done(0, holdfast.End{Err: err})
	returned = true
	return nil, err
}

// came makes the Result of an attempt that came to an error.
func (s *session) came(ctx context.Context, call *holdfast.Call, err error, at arrival) holdfast.Result {
	res := s.leftToNative(ctx, s.failed(ctx, err, at))
	s.plain.note(call.Attempt, res.Err)
	return res
}

// settled returns the Result with an error in the place of a Reply that no caller can be
// given.
func (s *session) settled(res holdfast.Result) holdfast.Result {
	a, mine := res.Reply.(*open)
	switch {
	case res.Err != nil:
		res.Reply = nil
	case res.Reply == nil:
		res = holdfast.Result{Err: errNothing, Code: holdfast.CodeConfig}
	case !mine || a.of != s:
		res.Discard()
		res = holdfast.Result{Err: errForeign, Code: holdfast.CodeConfig}
	}
	return res
}

// Outcome returns the name of the gRPC status that the caller would get for a Result of
// the policies.
func (s *session) Outcome(ctx context.Context, res holdfast.Result) holdfast.Code {
	if res.Err == nil && res.Reply != nil {
		return "OK"
	}
	return codeFor(s.door.settle(ctx, s.settled(res), &s.plain))
}

// Done runs the caller's OnFinish callbacks, once for the call: at the end of the
// stream that the caller got, or when there is none.
func (s *session) Done(_ uint64, end holdfast.End) {
	if s.finished.Swap(true) { // one of them has panicked
		return
	}
	if end.Code == holdfast.CodePanic {
		end.Err = cmp.Or(end.Err, errBrokenOff)
	}
	s.own.finish(end.Err)
}
