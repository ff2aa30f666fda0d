package httpclient

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A sending is what one attempt gives to the base.
type sending struct {
	out      *http.Request
	up       upload // what its body is; nil: nothing of ours
	trip     *trip  // nil: nobody looks at its connections
	stripped bool   // net/http cannot send it again, and would
}

// request makes the request of one attempt: the caller's own when it is a first
// one and nothing has to change, else a copy. Without a request it returns why.
func (x *exchange) request(ctx, inside context.Context, call *holdfast.Call, s *sending) (res holdfast.Result) {
	d, own := x.door, x.req
	elsewhere := call.Endpoint != "" && call.Endpoint != own.URL.Host
	if elsewhere && x.to(call) == nil {
		err := fmt.Errorf("httpclient: a request to %s by %s cannot be sent to a chosen endpoint through a base that is no *http.Transport: the certificate would be checked against the endpoint's name", own.URL.Host, own.URL.Scheme)
		if d.endpoints != nil {
			err = fmt.Errorf("httpclient: %s is one name too many: one door speaks to chosen endpoints by %d names over TLS, each with connections of its own; use a door for each part of them", own.URL.Host, maxNames)
		}
		return holdfast.Result{Err: err, Class: holdfast.LocalFault, Code: holdfast.CodeConfig}
	}
	if cancelled(own) {
		return holdfast.Result{Err: errCancelled, Code: holdfast.CodeCancelled}
	}
	rc, up, err := x.body.next(inside, own)
	if err != nil {
		return holdfast.Result{Err: err, Class: holdfast.LocalFault, Code: holdfast.CodeRequestBody}
	}
	attempt := d.AttemptHeader != "" && call.Attempt > 1
	deadline, limited := inside.Deadline()
	limited = limited && d.DeadlineHeader != ""
	header := x.key != nil || attempt || limited
	var c care
	traced := false
	if d.leaf {
		w := d.wire.look()
		if !call.Repeatable {
			c = w.care(own, x.addr(call))
		}
		traced = c == watch || c == guard || w.slots > 0
	} else if !call.Repeatable && own.GetBody != nil && own.Body != nil && own.Body != http.NoBody {
		c = strip // beneath a base that wraps a transport, which would send it again
	}
	_, watched := rc.(*noted)
	if d.leaf && !watched && !d.CountReplays && c == none && !traced && call.Attempt == 1 && !call.Hedge && !header && !elsewhere && up == nil &&
		same(ctx, own.Context()) {
		s.out = own
		return res // no layer of ours is beneath a Transport to look for the Call
	}
	s.up = up
	if d.CountReplays {
		inside = replays(inside, call)
	}
	if traced {
		s.trip, inside = d.wire.trip(inside, x.addr(call))
		s.trip.guard, s.trip.strict = c == guard, c == guard && replayable(own)
	}
	out := own.WithContext(inside)
	out.Body, s.out = rc, out
	if c == strip {
		s.strip()
	}
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
			s.out = aged(out)
		}
	}
	return res
}

// addr is where the attempt goes.
func (x *exchange) addr(call *holdfast.Call) string { return cmp.Or(call.Endpoint, x.req.URL.Host) }

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

// close ends what the attempt holds.
func (s *sending) close() {
	if s.up != nil {
		_ = s.up.Close()
	}
	s.trip.end()
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
