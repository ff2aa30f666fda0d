package holdfasttest

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// An order notes which hooks ran.
type order struct {
	mu     sync.Mutex
	tokens []uint64
	panics uint64 // the token at which Done panics
}

func (o *order) Done(token uint64, _ holdfast.End) {
	o.mu.Lock()
	o.tokens = append(o.tokens, token)
	o.mu.Unlock()
	if token == o.panics {
		panic(errOwn)
	}
}

func (o *order) ran() []uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.tokens)
}

// hooked makes a policy that registers hooks with these tokens.
func hooked(o *order, tokens ...uint64) holdfast.Policy {
	return around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		res := next(ctx, call)
		for _, token := range tokens {
			res.OnDone(o, token)
		}
		return res
	})
}

// hookOrder: hooks run innermost first, each once; late ones at once.
func (d *doorCheck) hookOrder() {
	o, s := new(order), new(spy)
	body, err := d.call(context.Background(), d.client(hooked(o, 6, 7), hooked(o, 4, 5), hooked(o, 1, 2, 3), s), Answered)
	if err != nil {
		d.Errorf("a call that is %s returned the error %v", Answered, err)
	}
	d.finish(body)
	d.settle(func() bool { return len(o.ran()) == 7 })
	if got := o.ran(); !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 6, 7}) {
		d.Errorf("hooks ran as %v, want 1 to 7: innermost first, each once", got)
	}
	_, results, ends := s.seen()
	if len(results) != 1 || results[0].Reply == nil {
		return
	}
	d.must("OnDone after the end", func() { results[0].OnDone(o, 8) })
	if got := o.ran(); len(got) != 8 {
		d.Errorf("a hook that came after the end was run %d times, want once and at once", len(got)-7)
	}
	d.must("Discard after the end", results[0].Discard)
	if d.quiet(); len(o.ran()) > 8 || len(ends) > 1 {
		d.Errorf("Discard after the end ran hooks again")
	}
}

// hookPanics: a hook that panics stops no other.
func (d *doorCheck) hookPanics() {
	o := &order{panics: 2}
	c := d.client(hooked(o, 1, 2, 3))
	d.run(func() { // where the panic comes out is the transport's affair
		body, _ := c(context.Background(), Answered)
		if body != nil {
			_, _ = io.Copy(io.Discard, body)
			_ = body.Close()
		}
	})
	want := []uint64{1, 2, 3}
	if !d.has(Stalling) {
		// A reply that is over when it is there runs a hook as it is registered, so
		// that the panic is the registering policy's.
		want = want[:2]
	}
	d.settle(func() bool { return len(o.ran()) >= len(want) })
	switch got := o.ran(); {
	case len(got) < len(want):
		d.Errorf("a hook that panicked stopped the next one: they ran as %v", got)
	case !slices.Equal(got[:len(want)], want):
		d.Errorf("with one that panics, hooks ran as %v, want %v", got, want)
	}
}

// discards: a reply may be discarded twice, at any time, and has ended then.
func (d *doorCheck) discards() {
	for _, o := range []Outcome{Answered, Stalling, Failed} {
		if !d.has(o) {
			continue
		}
		s := new(spy)
		body, err := d.call(context.Background(), d.client(around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			res := next(ctx, call)
			d.must("Discard", res.Discard)
			d.must("Discard, again", res.Discard)
			return holdfast.Result{Err: errOwn, Code: "own"}
		}), s), o)
		if body != nil || err == nil || !errors.Is(err, errOwn) {
			d.Errorf("a call for which a policy returned an error of its own returned %v, %v", body, err)
		}
		if !d.settle(func() bool { return s.done() > 0 }) {
			d.Errorf("a discarded reply did not run its hooks")
		}
		if n := s.done(); n > 1 {
			d.Errorf("a reply that was discarded twice ran its hook %d times", n)
		}
	}
}

// wrongly makes a call under a policy that returns what it must not.
func (d *doorCheck) wrongly(what string, returns func() holdfast.Result) {
	d.Helper()
	for _, o := range []Outcome{Answered, Stalling} {
		if !d.has(o) {
			continue
		}
		body, err := d.call(context.Background(), d.client(around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			next(ctx, call).Discard()
			return returns()
		})), o)
		if err == nil || body != nil {
			d.Errorf("a policy returned %s, and the caller got %v, %v; want an error", what, body, err)
		}
		if body != nil {
			d.must("Close", func() { _ = body.Close() })
		}
	}
}

// nothing: a Result with neither a Reply nor an error is an error.
func (d *doorCheck) nothing() {
	d.wrongly("neither a Reply nor an error", func() holdfast.Result { return holdfast.Result{} })
	d.wrongly("nothing, as a Success", func() holdfast.Result { return holdfast.Result{Class: holdfast.Success, Code: "ok"} })
}

// foreign: a Reply that the door did not make is discarded, and an error.
func (d *doorCheck) foreign() {
	var made []*Reply
	d.wrongly("a Reply of its own making", func() holdfast.Result {
		r := &Reply{ctx: context.Background(), class: holdfast.Success, code: "ok"}
		made = append(made, r)
		return holdfast.Result{Reply: r, Class: holdfast.Success, Code: "ok"}
	})
	for _, r := range made {
		if r.Discards() != 1 {
			d.Errorf("a Reply that the door did not make was Discarded %d times, want once", r.Discards())
		}
	}
}

// stale: so is the Reply of another call.
func (d *doorCheck) stale() {
	s := new(spy)
	body, _ := d.call(context.Background(), d.client(s), Answered)
	d.finish(body)
	_, results, _ := s.seen()
	if len(results) != 1 || results[0].Reply == nil {
		d.Errorf("a call that is %s gave policies no Reply", Answered)
		return
	}
	d.wrongly("the Reply of an earlier call", func() holdfast.Result { return results[0] })
}
