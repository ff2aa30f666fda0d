package httpclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast"
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

// Protocol, Request and Base tell observers what is sent, and through what.
func (x *exchange) Protocol() string        { return "http" }
func (x *exchange) Request() *http.Request  { return x.req }
func (x *exchange) Base() http.RoundTripper { return x.door.base }

// Send makes one attempt.
func (x *exchange) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	inside := call.Context(ctx)
	if ctx.Err() != nil { // nothing is sent
		err := context.Cause(ctx)
		return holdfast.Result{Err: err, Class: holdfast.ClassOf(inside, err), Code: holdfast.CodeOf(inside, err)}
	}
	out, up, res := x.request(ctx, inside, call)
	if out == nil {
		return res
	}
	var resp *http.Response
	settled := false
	defer func() {
		if settled {
			return
		}
		if resp != nil && resp.Body != nil { // the base or Classify has panicked
			_ = resp.Body.Close()
		}
		if up != nil {
			_ = up.Close()
		}
	}()
	resp, err := x.to(call).RoundTrip(out)
	switch {
	case err != nil:
		if resp != nil && resp.Body != nil { // a base that returns both breaks the RoundTripper's contract
			_ = resp.Body.Close()
			resp = nil
		}
		res = x.failed(inside, up, err)
	case resp == nil:
		if up != nil {
			_ = up.Close()
		}
		res = holdfast.Result{
			Err:   fmt.Errorf("httpclient: the base %T returned neither a response nor an error", x.door.base),
			Class: holdfast.Failure, Code: "no_response", After: -1,
		}
	case inside.Err() != nil:
		// A server that learns of the end of its request can still answer, 200 for
		// what it has left undone, and be quick enough: that is no answer.
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		res = x.failed(inside, up, context.Cause(inside))
	default:
		res = x.answered(inside, call, out, up, resp)
	}
	settled = true
	return res
}

// to returns what sends the attempt: the base, or where a balancer has chosen an
// endpoint a transport that can speak to it by the request's own name. nil: there is
// none.
func (x *exchange) to(call *holdfast.Call) http.RoundTripper {
	d, u := x.door, x.req.URL
	if call.Endpoint == "" || call.Endpoint == u.Host {
		return d.base
	}
	if d.endpoints == nil {
		if u.Scheme != "http" {
			return nil
		}
		return d.base
	}
	name := plain
	if u.Scheme == "https" {
		name = u.Hostname()
	}
	if t := d.endpoints.of(name); t != nil {
		return t
	}
	return nil
}

// request makes the request of one attempt: the caller's own when it is a first
// one and nothing has to change, else a copy. Without a request it returns why.
func (x *exchange) request(ctx, inside context.Context, call *holdfast.Call) (*http.Request, upload, holdfast.Result) {
	d, own := x.door, x.req
	elsewhere := call.Endpoint != "" && call.Endpoint != own.URL.Host
	if elsewhere && x.to(call) == nil {
		err := fmt.Errorf("httpclient: a request to %s by %s cannot be sent to a chosen endpoint through a base that is no *http.Transport: the certificate would be checked against the endpoint's name", own.URL.Host, own.URL.Scheme)
		if d.endpoints != nil {
			err = fmt.Errorf("httpclient: %s is one name too many: one door speaks to chosen endpoints by %d names over TLS, each with connections of its own; use a door for each part of them", own.URL.Host, maxNames)
		}
		return nil, nil, holdfast.Result{Err: err, Code: "config", After: -1}
	}
	if cancelled(own) {
		return nil, nil, holdfast.Result{Err: errCancelled, Code: "cancelled", After: -1}
	}
	rc, up, err := x.body.next(inside, own, !call.Repeatable)
	if err != nil {
		return nil, nil, holdfast.Result{Err: err, Code: "request_body", After: -1}
	}
	attempt := d.AttemptHeader != "" && call.Attempt > 1
	deadline, limited := inside.Deadline()
	limited = limited && d.DeadlineHeader != ""
	header := x.key != nil || attempt || limited
	if d.CountReplays {
		inside = replays(inside, call)
	}
	_, watched := rc.(*noted)
	if d.leaf && !watched && !d.CountReplays && call.Attempt == 1 && !call.Hedge && !header && !elsewhere && up == nil && same(ctx, own.Context()) {
		return own, nil, holdfast.Result{} // no layer of ours is beneath a Transport to look for the Call
	}
	out := own.WithContext(inside)
	out.Body = rc
	if header || call.Hedge { // attempts under way at once share no map
		out.Header = own.Header.Clone()
	}
	cloned := header || call.Hedge
	call.Headers(ctx, func(key, value string) {
		if !cloned {
			out.Header, cloned = own.Header.Clone(), true
		}
		out.Header.Set(key, value)
	})
	if x.key != nil {
		out.Header.Set("Idempotency-Key", *x.key)
	}
	if attempt {
		out.Header.Set(d.AttemptHeader, strconv.Itoa(call.Attempt))
	}
	if limited { // never 0, which some servers take for "no limit"
		out.Header.Set(d.DeadlineHeader, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
	}
	if elsewhere {
		u := new(url.URL)
		*u = *own.URL
		u.Host = call.Endpoint
		out.URL = u
		if out.Host == "" {
			out.Host = own.URL.Host // the server is still addressed by its logical name
		}
		if d.endpoints != nil && d.ConnLifetime > 0 {
			out = aged(out)
		}
	}
	return out, up, holdfast.Result{}
}

// same reports whether two contexts are one. A context of the user may be of a
// type that cannot be compared.
func same(a, b context.Context) bool {
	for _, known := range [2]context.Context{context.Background(), context.TODO()} {
		if a == known {
			return b == known
		}
	}
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && (t.Kind() == reflect.Pointer || reflect.ValueOf(a).Comparable()) && a == b
}

// failed makes a Result of the error of an attempt. Its upload is ended, since a
// transport may still be reading it.
func (x *exchange) failed(ctx context.Context, up upload, err error) holdfast.Result {
	if up != nil {
		_ = up.Close()
	}
	res := judgeError(ctx, x.req, err)
	if res.Class != holdfast.Ignored && x.body.failedWith(err) {
		res = holdfast.Result{Err: err, Code: "request_body", After: -1} // the caller's own reader; no server is to blame
	}
	if x.door.Classify != nil && ctx.Err() == nil {
		if class, ok := x.door.Classify(nil, err); ok {
			res.Class, res.After = class, 0
		}
	}
	if !x.body.again() {
		res.After = holdfast.Never
	}
	return res
}

// answered makes a Result of the response to an attempt.
func (x *exchange) answered(ctx context.Context, call *holdfast.Call, out *http.Request, up upload, resp *http.Response) holdfast.Result {
	a := &x.first
	if call != &x.call {
		a = new(answer)
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	wish := wishOf(resp)
	res := x.door.judge(resp.StatusCode, wish)
	if x.door.Classify != nil {
		if class, ok := x.door.Classify(resp, nil); ok {
			res.Class, res.After = class, wish.after
		}
	}
	if wish.never && res.Class != holdfast.Success {
		res.After = holdfast.Never
	}
	if res.Class != holdfast.Success && up != nil {
		up.hold()
		if !x.body.again() {
			res.After = holdfast.Never
		}
	}
	a.of, a.ctx, a.sent, a.upload, a.resp, a.body, a.class = x, ctx, out, up, resp, resp.Body, res.Class
	a.begin()
	res.Reply = a
	return res
}
