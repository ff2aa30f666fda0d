package httpclient

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// An exchange is one RoundTrip: its Call, its Record and its first answer in one
// allocation. It is the Sender of its attempts.
type exchange struct {
	door   *door
	req    *http.Request // the caller's, never changed
	key    *string       // the idempotency key that we made; nil: none
	call   holdfast.Call
	record holdfast.Record
	body   body
	first  answer
}

// Replayable reports whether the request can be sent again.
func (x *exchange) Replayable() (why string, ok bool) {
	if x.body.again() {
		return "", true
	}
	return fmt.Sprintf("the request body is longer than ReplayCap (%d bytes) and has no GetBody", x.door.ReplayCap), false
}

// Protocol, Request and Base tell observers what is sent, and through what.
func (x *exchange) Protocol() string        { return "http" }
func (x *exchange) Request() *http.Request  { return x.req }
func (x *exchange) Base() http.RoundTripper { return x.door.base }

// endsWith reports whether a context ends with the answer of an attempt, for a policy sees to that
// whose context it is. One that was detached from it (context.WithoutCancel) has no deadline.
func endsWith(ctx context.Context, record *holdfast.Record) bool {
	_, has := ctx.Deadline()
	return has && ctx.Value(attempt.EndsKey{}) == any(record)
}

// Send makes one attempt.
func (x *exchange) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	a := &x.first
	if call != &x.call {
		a = new(answer)
	}
	a.life.Context = call.Context(ctx)
	inside := context.Context(&a.life)
	if x.closes() || endsWith(ctx, &x.record) {
		inside = a.life.Context // its end is not needed, or is that of the answer as it is
	}
	if ctx.Err() != nil { // nothing is sent
		call.Unsent()
		err := context.Cause(ctx)
		v := holdfast.VerdictOf(inside, err)
		return holdfast.Result{Err: err, Class: v.Class, Code: v.Code}
	}
	s := sending{life: &a.life}
	var resp *http.Response
	settled := false
	defer func() {
		if settled {
			return
		}
		s.close()
		if resp != nil { // the base or Classify has panicked
			shut(resp.Body)
		}
	}()
	res := x.request(ctx, inside, call, &s)
	if s.out == nil {
		call.Unsent()
		return res
	}
	resp, err := s.via.RoundTrip(s.out)
	if err != nil && resp == nil && s.stripped && untaken(err) && inside.Err() == nil && x.renew(inside, &s) {
		resp, err = s.via.RoundTrip(s.out)
	}
	switch {
	case err != nil:
		both := resp // a base that returns both breaks the RoundTripper's contract
		resp = nil
		res = x.failed(inside, &s, err)
		if both != nil {
			shut(both.Body)
		}
	case resp == nil:
		s.close()
		res = holdfast.Result{
			Err:   fmt.Errorf("httpclient: the base %T returned neither a response nor an error", x.door.base),
			Class: holdfast.Failure, Code: holdfast.CodeNoResponse, After: -1,
		}
	case inside.Err() != nil:
		// A server that learns of the end of its request can still answer, 200 for
		// what it has left undone, and be quick enough: that is no answer.
		res = x.failed(inside, &s, context.Cause(inside))
		shut(resp.Body)
	default:
		res = x.answered(a, call, &s, resp)
	}
	settled = true
	return res
}

// closes reports whether Close is all that lets go of the body of an answer: over a Transport that
// does not decompress it. Then the attempt needs no end of its own, which costs allocations.
func (x *exchange) closes() bool {
	t, ok := x.door.base.(*http.Transport)
	if !ok || !strings.HasPrefix(x.req.URL.Scheme, "http") { // who knows what a registered protocol does
		return false
	}
	h := x.req.Header
	return t.DisableCompression || x.req.Method == http.MethodHead || h.Get("Accept-Encoding") != "" || h.Get("Range") != ""
}

// to returns what sends the attempt: the base, or where a balancer has chosen an
// endpoint a transport that can speak to it by the request's own name; after 421 one
// that makes a connection of its own. nil: there is none.
func (x *exchange) to(call *holdfast.Call) http.RoundTripper {
	d, u := x.door, x.req.URL
	rt := d.base
	if call.Endpoint != "" && call.Endpoint != u.Host {
		if d.endpoints == nil {
			if u.Scheme != "http" {
				return nil
			}
			return rt
		}
		n := d.endpoints.speaksTo(u)
		if n == nil {
			return nil
		}
		if elsewhere := call.Attempt > 1 && x.body.misdirected.Load(); elsewhere {
			return once{n}
		}
		return n
	}
	if call.Attempt > 1 && x.body.misdirected.Load() {
		if t, ok := rt.(*http.Transport); ok {
			return d.wire.spare.of(t)
		}
	}
	return rt
}

// failed makes a Result of the error of an attempt. Its upload is ended, since a
// transport may still be reading it.
func (x *exchange) failed(ctx context.Context, s *sending, err error) holdfast.Result {
	defer s.close()
	if s.trip != nil && s.trip.stopped.Load() {
		err = errOnce
	}
	res := s.trip.excuse(x.judgeError(ctx, s, err))
	if !rpccode.OutOfTime(res.Code) && ctx.Err() == nil && x.body.failedWith(err) {
		res = holdfast.Result{Err: err, Class: holdfast.LocalFault, Code: holdfast.CodeRequestBody} // the caller's own reader; no server is to blame
	}
	if x.door.Classify != nil && ctx.Err() == nil {
		if v, ok := x.door.Classify(nil, err); ok {
			res.Class, res.Code, res.After = v.Class, cmp.Or(v.Code, res.Code), cmp.Or(v.After, res.After)
		}
	}
	return res
}

// answered makes a Result of the response to an attempt.
func (x *exchange) answered(a *answer, call *holdfast.Call, s *sending, resp *http.Response) holdfast.Result {
	ctx := context.Context(&a.life)
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if x.door.leaf {
		x.door.wire.saw(resp, x.addr(call))
		s.trip.heard()
	}
	var says wish
	if resp.StatusCode >= 400 {
		says = wishOf(resp)
	}
	res := x.door.judge(resp.StatusCode, says)
	stream := call.Stream || streams(resp)
	if res.Class == holdfast.Success && !stream && x.wanted(resp) {
		if got, err := x.whole(resp); err != nil {
			return x.brokenOff(ctx, s, resp, got, err)
		}
	}
	if x.door.Classify != nil {
		v, ok := classify(x.door.Classify, resp, stream)
		if ctx.Err() != nil { // time ran out while it looked at the body
			res := x.failed(ctx, s, context.Cause(ctx))
			shut(resp.Body)
			return res
		}
		if ok {
			if resp.StatusCode < 400 && v.Class != holdfast.Success {
				says = wishOf(resp) // of an error that is in the body
			}
			res.Class, res.Code, res.After = v.Class, cmp.Or(v.Code, res.Code), cmp.Or(v.After, says.after)
		}
	}
	switch res.Class.Server() {
	case holdfast.Overloaded:
		if res.After == 0 && !says.said {
			res.After = resetOf(resp)
		}
		res.Class = x.relayed(call, resp, res.Class)
	case holdfast.Unhealthy:
		res.Class = x.relayed(call, resp, res.Class)
	}
	if says.never && res.Class != holdfast.Success {
		res.After = holdfast.Never
	}
	if res.Class != holdfast.Success && s.up != nil {
		s.up.hold()
	}
	if resp.StatusCode == http.StatusMisdirectedRequest {
		x.body.misdirected.Store(true)
	}
	a.of, a.sent, a.upload, a.resp, a.body, a.class, a.named, a.stream = x, s.out, s.up, resp, resp.Body, res.Class, res.Code, stream
	a.begin()
	if s.trip != nil {
		a.ending.OnDone(s.trip, 0)
	}
	res.Reply, res.Stream = a, stream
	return res
}
