package holdfasttest

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
)

// doneContext: a context that is done sends nothing.
func (d *doorCheck) doneContext() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	body, err := d.call(ctx, d.client(new(spy)), Answered)
	d.finish(body)
	if err == nil {
		d.Errorf("a call under a context that is done returned no error")
	}
	s := new(spy)
	body, err = d.call(context.Background(), d.client(around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return next(ctx, call)
	}), s), Answered)
	d.finish(body)
	if err == nil {
		d.Errorf("a call whose attempt had a context that is done returned no error")
	}
	if _, results, _ := s.seen(); len(results) == 1 && results[0].Class != holdfast.Ignored {
		d.Errorf("an attempt under a context that is done was judged %v, want ignored", results[0].Class)
	}
	if n := len(d.sent()); n > 0 {
		d.Errorf("%d attempts were handed on under a context that is done", n)
	}
}

// cancelled: a call that is cancelled returns at once.
func (d *doorCheck) cancelled() {
	if !d.has(Hanging) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := d.client(new(spy))
	timer := time.AfterFunc(soon, cancel)
	defer timer.Stop()
	var err error
	end := d.must("a call", func() { _, err = c(ctx, Hanging) })
	if err == nil {
		d.Errorf("a call that was cancelled returned no error")
	}
	if allowed := soon; end.returned && (d.real && end.took > patience || !d.real && end.took > allowed) {
		d.Errorf("a call that was cancelled after %v returned after %v", soon, end.took)
	}
}

type valueKey struct{}

// beneath: what is beneath finds the Call, and all that the caller's context says.
func (d *doorCheck) beneath() {
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(context.WithValue(context.Background(), valueKey{}, "kept"), deadline)
	defer cancel()
	s := new(spy)
	body, err := d.call(ctx, d.client(s), Answered)
	d.finish(body)
	if err != nil {
		d.Errorf("a call that is %s returned the error %v", Answered, err)
	}
	sent := d.sent()
	if len(sent) != 1 {
		d.Errorf("%d attempts came out beneath, want 1; does the fill-in call Setup.Beneath?", len(sent))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if call := holdfast.CallFrom(sent[0]); call == nil || call != s.sent[0] {
		d.Errorf("beneath, CallFrom finds %p, want the Call %p: pass on call.Context(ctx)", call, s.sent[0])
	}
	if sent[0].Value(valueKey{}) != "kept" {
		d.Errorf("the values of the caller's context are lost beneath")
	}
	if at, ok := sent[0].Deadline(); !ok || at.After(deadline) {
		d.Errorf("the caller's deadline is lost beneath")
	}
}

// again: a Call sent again is another attempt of the same request.
func (d *doorCheck) again() {
	s := new(spy)
	var last int // attempts made
	body, err := d.call(context.Background(), d.client(around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		call.Record.Claim()
		res := next(ctx, call)
		for last = 1; last < 3 && res.After >= 0; last++ {
			res.Discard()
			res = next(ctx, call.Again())
		}
		return res
	}), s), Answered)
	d.finish(body)
	if err != nil {
		d.Errorf("a call that was sent again returned the error %v", err)
	}
	calls, _, _ := s.seen()
	for i, call := range calls {
		if call.Attempt != i+1 || call.Record != calls[0].Record || call.Sender != calls[0].Sender {
			d.Errorf("sending %d is attempt %d, or of another Record or Sender", i+1, call.Attempt)
		}
	}
	if n := len(d.sent()); n != last {
		d.Errorf("%d attempts came out beneath, want %d", n, last)
	}
	d.settle(func() bool { return s.done() == last })
	if s.done() != last {
		d.Errorf("hooks ran for %d attempts, want for each of %d", s.done(), last)
	}
}

// concurrent: calls made at once do not mix.
func (d *doorCheck) concurrent() {
	const n = 64
	s := new(spy)
	c := d.client(s)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	for i := range n {
		wg.Go(func() {
			o := Answered
			if i%4 == 0 && d.has(Failed) {
				o = Failed
			}
			body, err := c(context.WithValue(context.Background(), valueKey{}, i), o)
			if body != nil {
				_, err = io.Copy(io.Discard, body)
				_ = body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil && o == Answered {
				failed = append(failed, err)
			}
		})
	}
	d.must("calls at once", wg.Wait)
	if len(failed) > 0 {
		d.Errorf("%d of %d calls at once failed, the first with %v", len(failed), n, failed[0])
	}
	d.settle(func() bool { return s.done() == n })
	calls, _, ends := s.seen()
	records, values := map[*holdfast.Record]bool{}, map[any]bool{}
	for _, call := range calls {
		records[call.Record] = true
	}
	for _, ctx := range d.sent() {
		values[ctx.Value(valueKey{})] = true
	}
	if len(calls) != n || len(records) != n || len(values) != n || len(ends) != n {
		d.Errorf("%d calls at once gave %d Calls, %d Records, %d contexts beneath, %d ends", n, len(calls), len(records), len(values), len(ends))
	}
}

// panics: a panic in a policy, or its exit, reaches the caller's goroutine.
func (d *doorCheck) panics() {
	for name, after := range map[string]bool{"before": false, "after": true} {
		for _, exit := range []bool{false, true} {
			c := d.client(around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
				if after {
					next(ctx, call).Discard()
				}
				if exit {
					runtime.Goexit()
				}
				panic(errOwn)
			}))
			end := d.run(func() { _, _ = c(context.Background(), Answered) })
			switch err, _ := end.panicked.(error); {
			case end.stuck:
				d.Errorf("a call whose policy panics %s sending did not return", name)
			case exit && !end.exited():
				d.Errorf("a policy left its goroutine %s sending, and the caller's stayed", name)
			case !exit && !errors.Is(err, errOwn):
				d.Errorf("a policy panicked %s sending, and the caller got %v", name, end.panicked)
			}
		}
	}
}
