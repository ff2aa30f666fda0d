package holdfasttest

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A transportCheck is one sentence of a transport's half of the contract.
type transportCheck struct {
	name string
	run  func(d *doorCheck)
}

var transportChecks = []transportCheck{
	{"a call is seen with its outcome", (*doorCheck).outcomes},
	{"a timeout of ours is told apart", (*doorCheck).ownTimeout},
	{"a reply read to its end", (*doorCheck).readToEnd},
	{"a reply closed early", (*doorCheck).closedEarly},
	{"a reply cancelled while it is read", (*doorCheck).cancelledReading},
	{"a reply closed after a cancel", (*doorCheck).cancelledThenClosed},
	{"a reply cut by a time limit", (*doorCheck).timedOutReading},
	{"a reply that breaks off", (*doorCheck).truncated},
	{"hooks run in order, late ones at once", (*doorCheck).hookOrder},
	{"a hook that panics stops no other", (*doorCheck).hookPanics},
	{"a reply is discarded", (*doorCheck).discards},
	{"a result that is nothing", (*doorCheck).nothing},
	{"a reply of another maker", (*doorCheck).foreign},
	{"a reply of another call", (*doorCheck).stale},
	{"a context that is done", (*doorCheck).doneContext},
	{"a cancelled call", (*doorCheck).cancelled},
	{"the call is found beneath", (*doorCheck).beneath},
	{"a call sent again", (*doorCheck).again},
	{"calls at once", (*doorCheck).concurrent},
	{"a policy that panics", (*doorCheck).panics},
}

// A doorCheck is one check under way.
type doorCheck struct {
	tb
	t  *testing.T
	tr Transport
	clock

	mu       sync.Mutex
	contexts []context.Context // what came out beneath
}

// runTransportCheck runs one check, which reports to r, in the test t.
func runTransportCheck(r tb, t *testing.T, tr Transport, c transportCheck) {
	r.Helper()
	d := &doorCheck{tb: r, t: t, tr: tr, clock: clock{real: tr.Sockets}}
	if tr.Open == nil {
		r.Errorf("the Transport has no Open")
		return
	}
	before := goroutines()
	t.Cleanup(func() { // after those of Open
		reportLeaks(r, before, d.clock)
	})
	c.run(d)
}

// client opens a client under the policies.
func (d *doorCheck) client(policies ...holdfast.Policy) Client {
	d.Helper()
	c := d.tr.Open(d.t, Setup{Policies: policies, Beneath: d.note})
	if c == nil {
		d.Errorf("Open returned no Client")
		return func(context.Context, Outcome) (io.ReadCloser, error) { return nil, errors.New("no client") }
	}
	return c
}

func (d *doorCheck) note(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.contexts = append(d.contexts, ctx)
}

// sent returns the contexts of the attempts handed on so far.
func (d *doorCheck) sent() []context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.contexts)
}

func (d *doorCheck) has(o Outcome) bool { return !slices.Contains(d.tr.Without, o) }

// call makes a call and reports one that panics, exits or does not return.
func (d *doorCheck) call(ctx context.Context, c Client, o Outcome) (body io.ReadCloser, err error) {
	d.Helper()
	d.must("a call", func() { body, err = c(ctx, o) })
	return body, err
}

// must runs f and reports when it does not return.
func (d *doorCheck) must(what string, f func()) fate {
	d.Helper()
	end := d.run(f)
	switch {
	case end.panicked != nil:
		d.Errorf("%s panicked: %v", what, end.panicked)
	case end.stuck:
		d.Errorf("%s did not return", what)
	case !end.returned:
		d.Errorf("%s left its goroutine", what)
	}
	return end
}

// finish reads what is left, and closes.
func (d *doorCheck) finish(body io.ReadCloser) {
	if body != nil {
		d.must("reading", func() { _, _ = io.Copy(io.Discard, body) })
		d.must("Close", func() { _ = body.Close() })
	}
}

// first reads the beginning of a reply.
func (d *doorCheck) first(body io.Reader) {
	d.Helper()
	var n int
	var err error
	d.must("reading", func() { n, err = io.ReadAtLeast(body, make([]byte, 64), 1) })
	if n == 0 {
		d.Errorf("the reply does not begin: %v", err)
	}
}

// ended reports unless exactly one hook ran, with that End.
func (d *doorCheck) ended(s *spy, how string, wrong bool, classes ...holdfast.Class) {
	d.Helper()
	d.settle(func() bool { return s.done() > 0 })
	_, _, ends := s.seen()
	if len(ends) != 1 {
		d.Errorf("a reply that was %s ran its hook %d times, want once", how, len(ends))
		return
	}
	end := ends[0]
	if !slices.Contains(classes, end.Class) {
		d.Errorf("a reply that was %s ended as %v, want %v", how, end.Class, classes)
	}
	if wrong != (end.Err != nil) {
		d.Errorf("a reply that was %s ended with the error %v", how, end.Err)
	}
	if end.Code == "" {
		d.Errorf("the End of a reply that was %s has no Code", how)
	}
}

// A limited policy ends what is beneath it as a time limit of d does.
func limited(d time.Duration) holdfast.Policy {
	return around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		call.Limit(d)
		ctx, cancel := context.WithTimeoutCause(ctx, d, &holdfast.TimeoutError{Limit: d, Scope: "attempt"})
		res := next(ctx, call)
		res.OnDone(hookFunc(func(holdfast.End) { cancel() }), 0)
		return res
	})
}

type hookFunc func(holdfast.End)

func (f hookFunc) Done(_ uint64, end holdfast.End) { f(end) }
