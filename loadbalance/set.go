package loadbalance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/freshness"
	"github.com/holdfast-go/holdfast/internal/names"
)

// A Set is a Policy that sends each attempt to one of the endpoints that a Resolver
// finds: never to one twice for the same call while there is another. It stands
// inside retry and hedge, around the attempt's timeout. It is safe for concurrent
// use. Close it when it is no longer needed: it watches, and runs timers. One that New has not
// made, nil too, has no endpoints and lets calls through as they are.
//
// An error of the Resolver, and an answer without endpoints after one that had
// some, removes nobody; Status says since when the set is stale. An endpoint whose address
// is empty or has a control character is left out, and told of. The first calls
// wait for the first answer, as long as their contexts allow.
type Set struct {
	*Pool
	resolver discovery.Resolver
	stop     context.CancelFunc
	closed   <-chan struct{} // by Close
	stopped  chan struct{}
	known    chan struct{} // closed at the first answer
	source   *freshness.Source
}

var _ holdfast.Policy = (*Set)(nil)

// New makes a Set and begins to watch. A nil strategy means PeakEWMA.
func New(r discovery.Resolver, strategy Strategy, o Options) *Set {
	ctx, stop := context.WithCancel(context.Background())
	s := &Set{Pool: NewPool(strategy, o), resolver: r, stop: stop, closed: ctx.Done(), stopped: make(chan struct{}), known: make(chan struct{}), source: freshness.New()}
	go s.watch(ctx)
	return s
}

func (s *Set) watch(ctx context.Context) {
	defer close(s.stopped)
	if s.resolver == nil {
		s.answered(nil, errors.New("loadbalance: the Resolver is nil"))
		return
	}
	for endpoints, err := range s.resolver.Watch(ctx) {
		if ctx.Err() != nil {
			return
		}
		s.answered(endpoints, err)
	}
}

// answered takes in what the Resolver says.
func (s *Set) answered(endpoints []discovery.Endpoint, err error) {
	was := s.source.Status()
	endpoints, refused, why := withoutRefused(endpoints)
	is, bad := s.source.Answered(s.String(), len(endpoints), err)
	e := holdfast.Event{Kind: "discovery", Policy: "balance", Target: s.String(), Err: bad, Attrs: []slog.Attr{slog.Int("endpoints", is.Endpoints)}}
	if bad == nil {
		added, removed := s.update(endpoints)
		e.Attrs = append(e.Attrs, slog.Int("added", added), slog.Int("removed", removed))
		if refused > 0 {
			e.Level, e.Detail = slog.LevelWarn, why
		}
	} else {
		e.Level, e.Reason, e.Detail = slog.LevelWarn, "empty", bad.Error()
		if err != nil { // its text may hold what a log must not
			e.Reason, e.Detail = "error", "the resolver returned an error"
		}
		var stale time.Duration
		if !is.Stale.IsZero() {
			stale = time.Since(is.Stale).Round(time.Second)
		}
		e.Attrs = append(e.Attrs, slog.Duration("stale", stale))
	}
	if refused > 0 {
		e.Attrs = append(e.Attrs, slog.Int("refused", refused))
	}
	s.note(e)
	if is.Known && !was.Known {
		close(s.known)
	}
	s.tell()
}

// A Status says how a Set stands with its Resolver.
type Status struct {
	Known     bool      // there was an answer
	Endpoints int       // in the last one that counts
	Since     time.Time // of that, or when the Set was made
	Stale     time.Time // since when there were only errors, or answers without endpoints; zero: it is not
	Err       error     // the last of these
}

// Status returns how the Set stands with its Resolver.
func (s *Set) Status() Status {
	if !s.made() {
		return Status{}
	}
	return Status(s.source.Status())
}

// OnDrained is the Pool's; a nil Set has nobody to tell of.
func (s *Set) OnDrained(f func(addr string)) {
	if s.made() {
		s.Pool.OnDrained(f)
	}
}

// Watch is the Pool's; a nil Set tells nothing.
func (s *Set) Watch(f func(ctx context.Context, e holdfast.Event)) (stop func()) {
	if !s.made() {
		return func() {}
	}
	return s.Pool.Watch(f)
}

// Owner returns what all have in common that are made around s: to watch one of them is to watch it.
func (s *Set) Owner() any {
	if !s.made() {
		return nil
	}
	return s.Pool
}

// String names the Set by its Resolver.
func (s *Set) String() string {
	if s == nil {
		return names.Own(nil)
	}
	return names.Own(s.resolver)
}

// ErrNoEndpoint is what every NoEndpointError is to errors.Is.
var ErrNoEndpoint = errors.New("holdfast: no endpoint")

// A NoEndpointError says that a call was not sent, since there is nowhere to send it.
type NoEndpointError struct {
	Target   string
	resolver string
	age      time.Duration // since the last answer, or since the Set was made
	known    bool          // there was one
	err      error         // the Resolver's last error; nil: there is none
	ended    error         // the error of the call's context, which ended while it waited; nil: it did not wait
}

// Error names the target, the resolver, the age and the last cause.
func (e *NoEndpointError) Error() string {
	text := fmt.Sprintf("holdfast: no endpoint for %q: ", e.Target)
	if e.known {
		text += fmt.Sprintf("%s has none to send to, as of %v ago", e.resolver, e.age.Round(time.Millisecond))
	} else {
		text += fmt.Sprintf("no answer of %s in %v", e.resolver, e.age.Round(time.Millisecond))
	}
	if e.err != nil {
		text += fmt.Sprintf(": %v", e.err)
	}
	return text
}

// Is reports whether target is ErrNoEndpoint.
func (e *NoEndpointError) Is(target error) bool { return target == ErrNoEndpoint }

// Unwrap returns what ended the wait, and the Resolver's last error.
func (e *NoEndpointError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.ended, e.err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (s *Set) none(ctx context.Context, call *holdfast.Call, ended error) holdfast.Result {
	if ended == holdfast.ErrClosed {
		return call.Reject(ctx, holdfast.Event{Policy: "balance", Err: ended})
	}
	st := s.Status()
	err := &NoEndpointError{Target: call.Target, resolver: names.Own(s.resolver), age: time.Since(st.Since), known: st.Known, err: st.Err, ended: ended}
	return call.Reject(ctx, holdfast.Event{Policy: "balance", Code: holdfast.CodeNoEndpoint, Reason: "no_endpoint", Err: err})
}

// moves bounds the further endpoints that a call tries which did not connect.
const moves = 2

// Wrap returns a Handler that sends each attempt to an endpoint. Where nothing
// further out repeats calls, an attempt that did not connect moves to another one.
func (s *Set) Wrap(next holdfast.Handler) holdfast.Handler {
	return s.WrapAt(holdfast.Place{}, next)
}

// Traits tells that it balances: it moves a call that did not connect, so that what stands
// further in stands around an attempt.
func (s *Set) Traits() holdfast.Traits { return holdfast.Traits{Name: "balancer", Balances: s.made()} }

// WrapAt is Wrap for a place in a chain. Where nothing further out makes attempts, the
// endpoint is chosen for all that are made further in.
func (s *Set) WrapAt(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	if !s.made() {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if err := s.wait(ctx, call); err != nil {
			return s.none(ctx, call, err)
		}
		for moved := 0; ; moved++ {
			res := s.send(ctx, call, next, !at.Attempt)
			if res.Class != holdfast.Refused || res.Code != holdfast.CodeDial {
				return after(call, res, moved)
			}
			if r, ok := s.resolver.(discovery.Refresher); ok {
				r.Refresh()
			}
			if at.Attempt && call.Record.Claimed() || moved == moves || res.After < 0 || ctx.Err() != nil || !s.another(call) || !mayMove(ctx, call) {
				return after(call, res, moved)
			}
			call.Record.Log(call, res)
			res.Discard()
			again := call.Again()
			again.Hedge = call.Hedge
			call = again
		}
	}
}

// mayMove reports whether the call may be sent once more.
func mayMove(ctx context.Context, call *holdfast.Call) bool {
	if _, may := call.Replayable(); !may {
		return false
	}
	_, may := call.MayRepeat(ctx)
	return may
}

// after is what a call has come to that has moved: several attempts are an AttemptsError.
func after(call *holdfast.Call, res holdfast.Result, moved int) holdfast.Result {
	if moved == 0 {
		return res
	}
	call.Record.Log(call, res)
	if res.Err != nil {
		res.Err = &holdfast.AttemptsError{Err: res.Err, Ledger: call.Record.Ledger()}
	}
	return res
}

// another reports whether there is a node that the call was not sent to.
func (s *Set) another(call *holdfast.Call) bool {
	for _, n := range s.Nodes() {
		if !n.drained() && !call.Tried(n.addr) {
			return true
		}
	}
	return false
}

// send sends one attempt to a node, which has it in flight until its answer is done.
func (s *Set) send(ctx context.Context, call *holdfast.Call, next holdfast.Handler, pin bool) holdfast.Result {
	picked, ok, err := s.await(ctx, PickInfo{Ctx: ctx, Call: call})
	if !ok {
		return s.none(ctx, call, err)
	}
	if pin {
		call.Pin(picked.Node.addr)
	} else {
		call.SendTo(picked.Node.addr)
	}
	returned := false
	defer func() {
		if !returned { // a panic, or an exited goroutine: it says nothing of the node
			picked.Done(holdfast.Ignored)
		}
	}()
	res := next(ctx, call)
	returned = true
	if call.Sent() || res.Class.Server() != holdfast.Unknown { // what a policy further in has rejected tells nothing of the node
		picked.Answered(res)
	}
	switch {
	case res.Reply == nil || call.Unary:
		picked.Done(res.Class)
	case picked.leave == nil && picked.probe == 0:
		res.OnDone((*inFlight)(picked.Node), 0)
	default:
		hook := doneHook(picked)
		res.OnDone(&hook, 0)
	}
	return res
}

// An inFlight is a node as the hook of a call that has neither guard nor probe to
// end: no allocation.
type inFlight Node

// Done takes the call from those in flight; one that broke off counts.
func (f *inFlight) Done(_ uint64, end holdfast.End) {
	n := (*Node)(f)
	n.pool.broke(n, end)
	Picked{Node: n}.Done(end.Class)
}

// doneHook is Picked as a hook.
type doneHook Picked

// Done ends the call.
func (d *doneHook) Done(_ uint64, end holdfast.End) {
	d.Node.pool.broke(d.Node, end)
	Picked(*d).Done(end.Class)
}
