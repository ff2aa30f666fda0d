package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// A trip is what an httptrace tells of the connections of one attempt. It costs
// allocations, so there is one only where something follows from it.
type trip struct {
	of     *wire
	to     *peer
	guard  bool                    // stop a second sending that may be one too many
	strict bool                    // there is none that may not be
	began  int64                   // by clock.Now
	cancel context.CancelCauseFunc // ends the request, whatever the attempt's own context
	trace  httptrace.ClientTrace

	asked, stopped atomic.Bool
	dialled        atomic.Int64 // when a dial began, by clock.Now; 0: none was seen

	mu     sync.Mutex
	conn   net.Conn // the latest that it got
	got    int64
	reused bool
	over   bool
}

// errOnce is what a request ends with that net/http would send a second time.
var errOnce = errors.New("httpclient: the connection failed, and the server may have acted on the request, which is not to be sent twice")

func (w *wire) trip(ctx context.Context, addr string) (*trip, context.Context) {
	t := &trip{of: w, to: w.peer(addr), began: clock.Now()}
	t.trace.GetConn = func(string) { t.asked.Store(true) }
	t.trace.GotConn = t.gotConn
	if w.slots > 0 {
		dials := func() { t.dialled.CompareAndSwap(0, clock.Now()) }
		t.trace.DNSStart = func(httptrace.DNSStartInfo) { dials() }
		t.trace.ConnectStart = func(string, string) { dials() }
	}
	ctx, t.cancel = context.WithCancelCause(ctx)
	return t, httptrace.WithClientTrace(ctx, &t.trace)
}

func (t *trip) gotConn(info httptrace.GotConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.conn
	t.conn, t.got, t.reused = info.Conn, clock.Now(), info.Reused
	switch {
	case before == nil:
		if t.of.slots > 0 && !t.over {
			t.to.inUse.Add(1)
			if !info.Reused && t.dialled.Load() != 0 {
				t.of.tells.Store(true)
			}
		}
	case !t.guard:
	case t.strict, t.stopped.Load(), isHTTP2(before) && before != info.Conn:
		// On the same connection of HTTP/2 it is sent again when its stream was
		// refused, which is harmless; after PROTOCOL_ERROR it never is.
		t.stopped.Store(true)
		t.cancel(errOnce)
		if !isHTTP2(info.Conn) {
			_ = info.Conn.Close() // which nobody else uses: net/http does not look whether it is to send
		}
	}
}

func isHTTP2(conn net.Conn) bool {
	c, ok := conn.(*tls.Conn) // what else net/http takes for TLS it speaks HTTP/1 on
	return ok && c.ConnectionState().NegotiatedProtocol == "h2"
}

// Done ends it, with the answer or without. It is a Hook.
func (t *trip) Done(uint64, holdfast.End) {
	t.mu.Lock()
	had := t.conn != nil && !t.over
	t.over = true
	t.mu.Unlock()
	if had && t.of.slots > 0 {
		t.to.inUse.Add(-1)
	}
	t.cancel(nil)
}

// end is Done for a trip that may be none.
func (t *trip) end() {
	if t != nil {
		t.Done(0, holdfast.End{})
	}
}

// heard notes that the server has answered.
func (t *trip) heard() {
	if t != nil && t.of.slots > 0 {
		t.to.heard.Store(clock.Now())
	}
}

// speaks returns the version of HTTP that the latest connection spoke, 1 or 2; 0: it is
// not known.
func (t *trip) speaks() int32 {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.conn == nil:
		return 0
	case isHTTP2(t.conn):
		return 2
	}
	return 1
}

// unsent reports whether there was never a connection to send on.
func (t *trip) unsent() bool {
	if t == nil || !t.asked.Load() { // a protocol that was registered with the base does not tell
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn == nil
}

// waited reports whether the attempt waited, all the time, for a connection slot of our
// own. A dial is seen by net's own hooks; that of a base which dials in a way of its own,
// and calls none, is known only by there being a slot free.
func (t *trip) waited() bool {
	return t.unsent() && t.dialled.Load() == 0 && (t.of.tells.Load() || int(t.to.inUse.Load()) >= t.of.slots)
}

// late reports whether the attempt waited for a slot for the longer part of its time,
// while the server answered others. When it answers nobody, it is what they wait for.
func (t *trip) late() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until := t.got
	if dialled := t.dialled.Load(); dialled != 0 && !t.reused {
		until = dialled
	}
	heard := t.to.heard.Load()
	return t.conn != nil && until-t.began > clock.Now()-until && heard != 0 && heard >= t.began
}

// excuse makes of an attempt whose time ran out while it waited for a slot what it is.
func (t *trip) excuse(res holdfast.Result) holdfast.Result {
	switch {
	case t == nil || t.of.slots == 0 || !rpccode.OutOfTime(res.Code):
	case t.waited():
		res.Class, res.Code = holdfast.LocalShortage, holdfast.CodeExhausted
	case res.Class == holdfast.Failure && t.late():
		res.Class = holdfast.LocalPause // it may have been acted upon
	}
	return res
}
