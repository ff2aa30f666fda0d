package httpclient

import (
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// A Wrapper is what can be set about the door. The zero value is the default of
// every field; a negative value switches off what the field is for.
type Wrapper struct {
	// RepeatStatus names further statuses that are worth repeating, such as 500.
	// 408, 429, 502, 503 and 504 always are.
	RepeatStatus []int
	// Repeatable reports whether sending the request twice does no harm. nil
	// means RFC 9110's idempotent methods (GET, HEAD, OPTIONS, TRACE, PUT,
	// DELETE), QUERY (RFC 10008), and any request with an Idempotency-Key or
	// X-Idempotency-Key header. It must not change the request.
	Repeatable func(*http.Request) bool
	// Classify overrules the table of statuses and errors, where it returns true,
	// for a server that means something else by a status. A Verdict without a Code or
	// an After has those of the table and the headers. resp is nil when there is an
	// err; of its body no more may be read than Peek returns, which the caller still
	// gets whole. What it calls a Failure, say, can be repeated as any other, unless a
	// header forbids it. It is not asked about attempts that the caller, a time limit
	// or another attempt has ended. nil: the table alone. It must be safe for
	// concurrent use.
	Classify func(resp *http.Response, err error) (v holdfast.Verdict, ok bool)
	// TrustOrigin says for which targets the header Holdfast-Origin of a refusal is
	// believed: the name of the service behind the target that the refusal comes from.
	// It is then Relayed, and not held against the target. nil: for none. It must be
	// safe for concurrent use.
	TrustOrigin func(target string) bool
	// Stream reports that the answer goes on after its headers, with pauses that
	// no time limit fits. Upgrades, CONNECT, watches of Kubernetes (watch=true in the
	// query), and requests that accept text/event-stream or are of Connect's or
	// gRPC-Web's streams are streams always. So is what its answer shows to be one by
	// its Content-Type: those, application/x-ndjson and its kin, and a watch's.
	Stream func(*http.Request) bool

	// IdempotencyKey makes a key for each call that is not repeatable, whose
	// method is not idempotent and that has none, which makes the call
	// repeatable; where it returns "" the call stays as it is. It is sent as
	// Idempotency-Key, the same on every attempt. nil: none is made. UUID is one.
	IdempotencyKey func() string

	// ReplayCap is how many bytes of a request body without GetBody are kept,
	// while it streams out, to be sent again: 0 means 64 KiB; negative: none. A
	// longer one is sent once, unless no attempt has read that much of it. An
	// *os.File is read again, from where it stood, instead, and so is what is in
	// memory: a *bytes.Reader, *bytes.Buffer or *strings.Reader.
	ReplayCap int
	// DrainBytes and DrainTime bound what is read of a discarded response so
	// that its connection can be used again: 0 means 64 KiB and 50 ms; negative:
	// nothing is read, and the connection is closed.
	DrainBytes int64
	DrainTime  time.Duration

	// WholeBody is up to how many bytes an answer of known length is read completely
	// before it counts as one: a body that breaks off is then a failed attempt, which can
	// be sent again, and its caller never sees it. The limit of an attempt covers the
	// reading. 0 and negative: none is. Streams, failures, and answers of unknown length,
	// such as those that net/http decompresses, are handed over as they come.
	WholeBody int64

	// Resume is how often an answer is taken up where its body breaks off, or stalls, by a
	// request for the rest of it (Range and If-Range, RFC 9110 section 14), which goes
	// through the policies: 0 and negative mean never. Its caller then gets every byte once,
	// or the error. Only answers of status 200 to a GET without a Range are, of known length,
	// that net/http does not decompress, and that have a strong validator: an ETag that is not
	// weak, or else a Last-Modified a minute before the Date.
	Resume int
	// ResumeBudget is asked for a token for each time that an answer is to be taken up;
	// *retry.Budget is one. nil: none is needed.
	ResumeBudget interface {
		Withdraw(target string) bool
		Refund(target string)
	}

	// ConnLifetime is how long a connection to an endpoint that a balancer has chosen
	// is used, a tenth more or less, so that they are not all renewed at once: its
	// last request then asks to close it. 0 and negative mean no limit.
	ConnLifetime time.Duration

	// CountReplays has net/http's own repeats counted, which it makes beneath all
	// policies when a connection that was idle turns out to be closed: in the attempts
	// of the call and in retry's budget, and observers are told ("replay", of holdfast.Event). It
	// costs an httptrace for each attempt.
	CountReplays bool

	// AttemptHeader names a header that tells the server the number of the
	// attempt, from the second on: "X-Envoy-Attempt-Count", say. Empty: none.
	AttemptHeader string
	// ChainStop leaves a request alone that already carries AttemptHeader with a
	// number over 1: it is a repeat of somebody further up, and is not repeated.
	// Without AttemptHeader it does nothing.
	ChainStop bool
	// DeadlineHeader names a header that tells the server how many milliseconds
	// are left for the attempt, at least 1, such as
	// "X-Envoy-Expected-Rq-Timeout-Ms". Empty: none; nor is it sent for a call
	// without a deadline.
	DeadlineHeader string
}

// Wrap puts the policies around base, the first one outermost, with everything
// else as it is by default. A nil base means http.DefaultTransport. The
// RoundTripper that it returns is safe for concurrent use and has
// CloseIdleConnections. Wrap once, and keep the client.
func Wrap(base http.RoundTripper, policies ...holdfast.Policy) http.RoundTripper {
	return Wrapper{}.Wrap(base, policies...)
}

// Wrap puts the policies around base as the function Wrap does, with what w sets.
func (w Wrapper) Wrap(base http.RoundTripper, policies ...holdfast.Policy) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	w = w.filled()
	d := &door{Wrapper: w, base: base, handler: holdfast.Chain(policies...)}
	if t, ok := base.(*http.Transport); ok {
		d.leaf, d.endpoints, d.wire = true, newEndpoints(t, policies, w.ConnLifetime), newWire(t)
		for _, p := range policies {
			if c, ok := p.(closer); ok {
				c.OnClosed(d.shut)
			}
		}
	}
	return d
}

func (w Wrapper) filled() Wrapper {
	w.ReplayCap = option.Of(w.ReplayCap, 64<<10, option.Off)
	w.DrainBytes = option.Of(w.DrainBytes, 64<<10, option.Off)
	w.DrainTime = option.Of(w.DrainTime, defaultDrainTime, option.Off)
	w.WholeBody = option.Of(w.WholeBody, option.Off, option.Off)
	w.Resume = option.Of(w.Resume, option.Off, option.Off)
	w.ConnLifetime = option.Of(w.ConnLifetime, option.Off, option.Off)
	return w
}

const defaultDrainTime = 50 * time.Millisecond

type door struct {
	Wrapper
	base    http.RoundTripper
	leaf    bool // no layer of ours can be beneath it
	handler holdfast.Handler

	endpoints *endpoints // where the base is an *http.Transport
	wire      *wire      // likewise
}

// CloseIdleConnections closes the idle connections of the base.
func (d *door) CloseIdleConnections() {
	if c, ok := d.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
	if d.endpoints != nil {
		d.endpoints.closeIdle()
		d.wire.spare.closeIdle()
	}
}

// A closer tells when it sends nothing any more; a preset.Stack and a holdfast.Gate are.
type closer interface {
	OnClosed(f func())
}

// shut closes the connections of the door's own, whose calls are over or ended. Those of the base
// are its owner's, who may use them otherwise.
func (d *door) shut() {
	d.endpoints.end()
	d.wire.spare.closeIdle()
}

var (
	errNoRequest = errors.New("httpclient: nil Request")
	errNoURL     = errors.New("httpclient: nil Request.URL")
	errNoHeader  = errors.New("httpclient: nil Request.Header")
	errNoAnswer  = errors.New("httpclient: a policy returned a Result with neither a Reply nor an error")
	errForeign   = errors.New("httpclient: a policy returned a Reply that is not this call's")
)

// RoundTrip sends req through the policies.
func (d *door) RoundTrip(req *http.Request) (*http.Response, error) {
	if req == nil {
		return nil, errNoRequest
	}
	x := &exchange{door: d, req: req}
	resp, err := x.roundTrip()
	if err == nil && d.Resume > 0 {
		resp.Body = x.resumable(resp)
	}
	return resp, err
}

// roundTrip sends the request of x through the policies.
func (x *exchange) roundTrip() (*http.Response, error) {
	d, req := x.door, x.req
	x.body.open(req, d.ReplayCap)
	defer x.body.release(req)
	switch {
	case req.URL == nil:
		return nil, errNoURL
	case req.Header == nil:
		return nil, errNoHeader
	}
	x.call = holdfast.Call{
		Target: req.URL.Host, Method: req.Method, Repeatable: d.repeatable(req), Stream: d.asksForStream(req),
		Sender: x, Record: &x.record,
	}
	if x.call.Method == "" {
		x.call.Method = http.MethodGet
	}
	if d.IdempotencyKey != nil && !x.call.Repeatable && !idempotent(req) {
		if key := d.IdempotencyKey(); key != "" {
			x.key, x.call.Repeatable = &key, true
		}
	}
	ctx := req.Context()
	if d.ChainStop && isRepeat(req.Header.Get(d.AttemptHeader)) {
		ctx = holdfast.WithoutRepeats(ctx)
	}
	if req.Cancel == nil { //nolint:staticcheck // deprecated, and obeyed by net/http as ever
		return x.settle(d.handler(ctx, &x.call))
	}
	var res holdfast.Result
	ctx, letGo := withCancel(ctx, req)
	defer func() { // by a panic as well
		if res.Reply == nil {
			letGo(nil)
		}
	}()
	res = d.handler(ctx, &x.call)
	res.OnDone(letGo, 0)
	return x.settle(res)
}

// settle makes what RoundTrip returns of what the policies have returned.
func (x *exchange) settle(res holdfast.Result) (*http.Response, error) {
	switch a, _ := res.Reply.(*answer); {
	case res.Err != nil:
		res.Discard()
		holdfast.Within(x.req.Context(), res) // where this call is made within another one
		return nil, res.Err
	case res.Reply == nil:
		return nil, errNoAnswer
	case a == nil || a.of != x:
		res.Discard()
		return nil, errForeign
	default:
		return a.deliver(), nil
	}
}

func (d *door) repeatable(req *http.Request) bool {
	if d.Repeatable != nil {
		return d.Repeatable(req)
	}
	return idempotent(req)
}
