package holdfast

import "context"

type headerKey struct{}

// A header is sent along with an attempt.
type header struct {
	of         *Record
	key, value string
	outer      *header
}

// WithHeader returns a context under which the door of c sends a header along with
// what c is passed down with: an HTTP header, gRPC metadata, nothing for a plain
// function. It takes the place of the caller's own of that name; the innermost counts.
// It is for policies that propagate: the caller's request is not touched.
func (c *Call) WithHeader(ctx context.Context, key, value string) context.Context {
	outer, _ := ctx.Value(headerKey{}).(*header)
	return context.WithValue(ctx, headerKey{}, &header{c.Record, key, value, outer})
}

// Headers calls f with each header that policies have put on ctx for this call, the
// outermost first. It is for doors.
func (c *Call) Headers(ctx context.Context, f func(key, value string)) {
	h, _ := ctx.Value(headerKey{}).(*header)
	h.each(c.Record, f)
}

func (h *header) each(of *Record, f func(key, value string)) {
	if h == nil || h.of != of {
		return // what is further out belongs to another call
	}
	h.outer.each(of, f)
	f(h.key, h.value)
}
