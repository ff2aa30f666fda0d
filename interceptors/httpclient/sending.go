package httpclient

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
)

// A sending is what one attempt gives to the base.
type sending struct {
	out      *http.Request     // what the base gets: a copy of the caller's
	via      http.RoundTripper // what sends it
	up       upload            // what its body is; nil: nothing of ours
	life     *attempt.Context  // the attempt's, which ends with it
	trip     *trip             // nil: nobody looks at its connections
	stripped bool              // net/http cannot send it again, and would
}

// request makes the request of one attempt. It decides where it goes, too. Without a request
// it returns why.
func (x *exchange) request(ctx, inside context.Context, call *holdfast.Call, s *sending) (res holdfast.Result) {
	d, own := x.door, x.req
	if s.via = x.to(call); s.via == nil {
		return holdfast.Result{Err: x.unreachable(), Class: holdfast.LocalFault, Code: holdfast.CodeConfig}
	}
	if cancelled(own) {
		return holdfast.Result{Err: errCancelled, Code: holdfast.CodeCancelled}
	}
	rc, up, err := x.body.next(inside, own)
	if err != nil {
		return holdfast.Result{Err: err, Class: holdfast.LocalFault, Code: holdfast.CodeRequestBody}
	}
	s.up = up
	c := x.care(call)
	traced := d.leaf && (c == watch || c == guard || d.wire.slots > 0)
	if d.CountReplays {
		inside = replays(inside, call)
	}
	if traced {
		s.trip, inside = d.wire.trip(inside, x.addr(call))
		s.trip.guard, s.trip.strict = c == guard, c == guard && replayable(own)
	}
	// The attempt has a context of its own, and so a request: to end the attempt is all that
	// lets go of a body whose Read and Close both wait for the server.
	s.out = own.WithContext(inside)
	s.out.Body = rc
	if c == strip {
		s.strip()
	}
	x.head(ctx, call, s)
	if call.Endpoint != "" && call.Endpoint != own.URL.Host {
		x.readdress(call, s)
	}
	return res
}

// care is what keeps net/http from sending the attempt twice.
func (x *exchange) care(call *holdfast.Call) care {
	d, own := x.door, x.req
	switch {
	case d.leaf:
		if w := d.wire.look(); !call.Repeatable {
			return w.care(own, x.addr(call))
		}
	case !call.Repeatable && own.GetBody != nil && own.Body != nil && own.Body != http.NoBody:
		return strip // beneath a base that wraps a transport, which would send it again
	}
	return none
}

// head sets the headers of the attempt. Attempts under way at once share no map.
func (x *exchange) head(ctx context.Context, call *holdfast.Call, s *sending) {
	d, own := x.door, x.req
	cloned := false
	set := func(key, value string) {
		if !cloned {
			s.out.Header, cloned = own.Header.Clone(), true
		}
		s.out.Header.Set(key, value)
	}
	if call.Hedge {
		s.out.Header, cloned = own.Header.Clone(), true
	}
	call.Headers(ctx, set)
	if x.key != nil {
		set("Idempotency-Key", *x.key)
	}
	if d.AttemptHeader != "" && call.Attempt > 1 {
		set(d.AttemptHeader, strconv.Itoa(call.Attempt))
	}
	if d.DeadlineHeader == "" {
		return
	}
	if deadline, limited := ctx.Deadline(); limited { // never 0, which some servers take for "no limit"
		set(d.DeadlineHeader, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
	}
}

// readdress sends the attempt to the endpoint that was chosen. The server is still addressed
// by its logical name.
func (x *exchange) readdress(call *holdfast.Call, s *sending) {
	d, own, out := x.door, x.req, s.out
	u := new(url.URL)
	*u = *own.URL
	u.Host = call.Endpoint
	out.URL, out.Host = u, cmp.Or(out.Host, own.URL.Host)
	if d.endpoints != nil && d.ConnLifetime > 0 {
		s.out = aged(out)
	}
}

// unreachable says why a request cannot be sent to the endpoint that was chosen.
func (x *exchange) unreachable() error {
	u := x.req.URL
	if x.door.endpoints != nil {
		return fmt.Errorf("httpclient: %s is one name too many: a wrapped base speaks to chosen endpoints by at most %d names at once over TLS, since each name has connections of its own; Wrap another base for some of the names", u.Host, maxNames)
	}
	return fmt.Errorf("httpclient: the request to %s by %s cannot be sent to the endpoint that was chosen: the base is no *http.Transport, and would check the certificate against the endpoint's name; Wrap an *http.Transport", u.Host, u.Scheme)
}

// addr is where the attempt goes.
func (x *exchange) addr(call *holdfast.Call) string { return cmp.Or(call.Endpoint, x.req.URL.Host) }

// close ends what the attempt holds.
func (s *sending) close() {
	if s.up != nil {
		_ = s.up.Close()
	}
	s.trip.end()
	s.life.End(nil)
}

// renew makes s a request that can be sent once more, as net/http would have done what
// it was stripped of the means to do.
func (x *exchange) renew(ctx context.Context, s *sending) bool {
	rc, up, err := x.body.next(ctx, x.req)
	if err != nil {
		return false
	}
	s.out = s.out.WithContext(s.out.Context())
	s.out.Body, s.up = rc, up
	s.strip()
	return true
}

// strip keeps net/http from sending the request again. What nobody has acted upon comes
// back as an error, and is Refused.
func (s *sending) strip() {
	s.out.GetBody, s.stripped = nil, true
	if s.out.Body == nil || s.out.Body == http.NoBody {
		s.out.Body = new(nothing)
	}
}
