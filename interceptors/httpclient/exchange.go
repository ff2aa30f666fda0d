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
	key    string        // the idempotency key that we made; empty: none
	call   holdfast.Call
	record holdfast.Record
	body   body
	first  answer
}

// Send makes one attempt.
func (x *exchange) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	inside := call.Context(ctx)
	if ctx.Err() != nil { // nothing is sent
		err := context.Cause(ctx)
		return holdfast.Result{Err: err, Class: holdfast.ClassOf(inside, err), Code: holdfast.CodeOf(inside, err)}
	}
	out, err := x.request(ctx, inside, call)
	if err != nil {
		return holdfast.Result{Err: err, Code: "request", After: -1}
	}
	resp, err := x.door.base.RoundTrip(out)
	if err != nil {
		if resp != nil && resp.Body != nil { // a base that returns both breaks the RoundTripper's contract
			_ = resp.Body.Close()
		}
		return x.failed(inside, err)
	}
	if resp == nil {
		return holdfast.Result{
			Err:   fmt.Errorf("httpclient: the base %T returned neither a response nor an error", x.door.base),
			Class: holdfast.Failure, Code: "no_response", After: -1,
		}
	}
	return x.answered(inside, call, out, resp)
}

// request makes the request of one attempt: the caller's own when nothing in it
// has to change, else a copy.
func (x *exchange) request(ctx, inside context.Context, call *holdfast.Call) (*http.Request, error) {
	d, own := x.door, x.req
	elsewhere := call.Endpoint != "" && call.Endpoint != own.URL.Host
	if elsewhere && own.URL.Scheme != "http" {
		return nil, fmt.Errorf("httpclient: %s requests cannot be sent to a chosen endpoint: its certificate would be checked against the endpoint's name", own.URL.Scheme)
	}
	body, ownBody, err := x.body.next()
	if err != nil {
		return nil, err
	}
	header := x.key != "" || call.Attempt > 1 && d.AttemptHeader != "" || d.DeadlineHeader != ""
	if d.leaf && !header && !elsewhere && ownBody && same(ctx, own.Context()) {
		return own, nil // no layer of ours is beneath a Transport to look for the Call
	}
	out := own.WithContext(inside)
	out.Body = body
	if header || call.Hedge { // attempts under way at once share no map
		out.Header = own.Header.Clone()
	}
	if x.key != "" {
		out.Header.Set("Idempotency-Key", x.key)
	}
	if call.Attempt > 1 && d.AttemptHeader != "" {
		out.Header.Set(d.AttemptHeader, strconv.Itoa(call.Attempt))
	}
	if deadline, ok := inside.Deadline(); ok && d.DeadlineHeader != "" {
		out.Header.Set(d.DeadlineHeader, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 0), 10))
	}
	if elsewhere {
		u := new(url.URL)
		*u = *own.URL
		u.Host = call.Endpoint
		out.URL = u
		if out.Host == "" {
			out.Host = own.URL.Host // the server is still addressed by its logical name
		}
	}
	return out, nil
}

// same reports whether two contexts are one. A context of the user may be of a
// type that cannot be compared.
func same(a, b context.Context) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// failed makes a Result of the error of an attempt.
func (x *exchange) failed(ctx context.Context, err error) holdfast.Result {
	res := judgeError(ctx, x.req, err)
	if x.body.failedWith(err) {
		res = holdfast.Result{Err: err, Code: "request_body", After: -1} // the caller's own reader; no server is to blame
	}
	if x.door.Classify != nil && ctx.Err() == nil {
		if class, ok := x.door.Classify(nil, err); ok {
			res.Class, res.After = class, 0
		}
	}
	if !x.body.again() {
		res.After = -1
	}
	return res
}

// answered makes a Result of the response to an attempt.
func (x *exchange) answered(ctx context.Context, call *holdfast.Call, out *http.Request, resp *http.Response) holdfast.Result {
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
		res.After = -1
	}
	if res.Class != holdfast.Success && !x.body.again() {
		res.After = -1
	}
	a.of, a.ctx, a.sent, a.resp, a.body, a.class, a.code = x, ctx, out, resp, resp.Body, res.Class, res.Code
	a.begin()
	res.Reply = a
	return res
}
