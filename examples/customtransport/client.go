package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"

	"github.com/holdfast-go/holdfast"
)

// A Request is one question to a server.
type Request struct {
	Method     string
	Repeatable bool              `json:"-"` // asking twice does no harm; only the caller knows
	Headers    map[string]string // policies may add to them
	Body       []byte
}

// A Client asks one target, under policies. It is safe for concurrent use. Close it when it is
// no longer needed.
type Client struct {
	target  string
	handler holdfast.Handler // built once, called for every request
	conns   conns
	beneath func(ctx context.Context) // is told the context of every attempt; nil: nobody is
}

// NewClient makes a Client. Without a balancer among the policies, target is the address to
// connect to.
func NewClient(target string, policies ...holdfast.Policy) *Client {
	return &Client{target: target, handler: holdfast.Chain(policies...), conns: conns{dial: new(net.Dialer).DialContext}}
}

// Close closes the connections that are free; those in use are closed at the end of their answers.
func (c *Client) Close() { c.conns.close() }

// An exchange is one request of a caller's: its Call and its Record in one allocation. It is
// the Sender of its attempts, of which several may be under way at once.
type exchange struct {
	of     *Client
	req    Request // never changed
	call   holdfast.Call
	record holdfast.Record
}

var errForeignReply = errors.New("a policy returned nothing, or a Reply that it did not get from this request")

// Ask sends a request and returns its answer, which the caller closes. The answer may still be
// on its way.
func (c *Client) Ask(ctx context.Context, req Request) (io.ReadCloser, error) {
	x := &exchange{of: c, req: req}
	x.call = holdfast.Call{
		Target: c.target, Method: req.Method, // circuits, budgets and metrics go by them: few values
		Repeatable: req.Repeatable,
		Sender:     x,
		Record:     &x.record,
		// Neither Unary, since the answer is read after the Result is there, nor Stream,
		// since it comes without long pauses.
	}
	res := c.handler(ctx, &x.call)
	if res.Err != nil {
		res.Discard()             // a policy that returns both breaks the contract, and leaks nothing here
		holdfast.Within(ctx, res) // where this request is made within the function of a Do, say
		return nil, res.Err
	}
	answer, ours := res.Reply.(*reply) // of a foreign maker, or none at all
	if !ours || answer.of != x {       // or of another request
		res.Discard()
		return nil, errForeignReply
	}
	return answer, nil
}

// Send makes one attempt. The steps are in this order for a reason, see the package's
// documentation.
func (x *exchange) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	ctx = call.Context(ctx) // what is beneath can find the Call, and so can VerdictOf
	if ctx.Err() != nil {
		return judge(ctx, before, context.Cause(ctx))
	}
	if x.of.beneath != nil {
		x.of.beneath(ctx)
	}
	payload, err := x.encode(ctx, call)
	if err != nil {
		return judge(ctx, encoding, err)
	}
	l, err := x.of.conns.lease(ctx, cmp.Or(call.Endpoint, call.Target))
	if err != nil {
		return judge(ctx, dialling, err)
	}
	if _, err := l.Write(frame{l.id, asks, payload}.bytes()); err != nil {
		l.Done(0, holdfast.End{Err: err})
		return judge(ctx, writing, err)
	}
	answer, err := l.status()
	switch {
	case err != nil:
		l.Done(0, holdfast.End{Err: err})
		return judge(ctx, reading, err)
	case answer.Status != OK:
		l.whole.Store(true)
		l.Done(0, holdfast.End{})
		return answer.result()
	case ctx.Err() != nil: // it has just begun, and can be read no more
		l.Done(0, holdfast.End{Err: ctx.Err()})
		return judge(ctx, reading, context.Cause(ctx))
	}
	return x.replied(ctx, l)
}

// status reads what an answer begins with.
func (l *lease) status() (*StatusError, error) {
	f, err := l.next()
	if err != nil {
		return nil, err
	}
	if answer, ok := statusOf(f.payload); ok && f.kind == begins {
		return answer, nil
	}
	return nil, errProtocol
}
