package holdfasttest

import (
	"context"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// cancels: a Handler returns at the moment its context is done, wherever it is.
func (p *policyRun) cancels() {
	scripts := map[string][]Step{
		"hangs":                    {{Hang: true}},
		"fails each time":          {{Err: errScript}},
		"is overloaded each time":  {{Class: holdfast.Overload, Code: "429", After: 3 * time.Second, Open: true}},
		"fails, then hangs":        {{Err: errScript}, {Hang: true}},
		"fails slowly, then hangs": {{Delay: 30 * time.Millisecond, Class: holdfast.Failure, Open: true}, {Hang: true}},
		"would answer":             {{}},
	}
	for name, steps := range scripts {
		for _, after := range []time.Duration{0, time.Millisecond, 40 * time.Millisecond, 700 * time.Millisecond, 4 * time.Second, time.Hour} {
			for _, byDeadline := range []bool{false, true} {
				for _, call := range []holdfast.Call{{Target: "target", Repeatable: true}, {Target: "target"}, {Target: "target", Stream: true, Repeatable: true}} {
					p.with(func(h holdfast.Handler) {
						t := told{p.tb, fmt.Sprintf("a context that ends after %v while the server %s", after, name)}
						p.cancel(t, h, steps, after, byDeadline, call)
					})
				}
			}
		}
	}
}

func (p *policyRun) cancel(t tb, h holdfast.Handler, steps []Step, after time.Duration, byDeadline bool, call holdfast.Call) {
	ctx, cancel := context.WithCancel(context.Background())
	if byDeadline {
		ctx, cancel = context.WithTimeout(context.Background(), after)
	} else if after > 0 {
		timer := time.AfterFunc(after, cancel)
		defer timer.Stop()
	}
	if after == 0 {
		cancel()
	}
	defer cancel()
	s := &Script{Steps: steps}
	var res holdfast.Result
	end := p.run(func() { res = s.Do(ctx, h, call) })
	if !end.returned {
		t.Errorf("the call did not return: panic %v", end.panicked)
		return
	}
	if end.took > after {
		t.Errorf("the call returned after %v", end.took)
	}
	if sent := len(s.Sendings()); after == 0 && sent > 0 {
		t.Errorf("%d attempts were sent", sent)
	}
	synctest.Wait()
	cancel()
	synctest.Wait()
	if reply, ok := res.Reply.(*Reply); ok {
		reply.Finish(reply.End(context.Canceled))
	}
	synctest.Wait()
	s.verify(t, false, res)
}

// repeats: who may be sent again, and when.
func (p *policyRun) repeats() {
	failure, overload := Step{Class: holdfast.Failure, Code: "503"}, Step{Class: holdfast.Overload, Code: "429"}
	refused := Step{Err: holdfast.Mark(errScript, holdfast.Refused, 0)}
	never := func(s Step) Step { s.After = -1; return s }
	for _, c := range []struct {
		what string
		step Step
		call holdfast.Call
		ctx  context.Context
	}{
		{"a failed call that is not Repeatable", failure, holdfast.Call{}, nil},
		{"an overloaded call that is not Repeatable", overload, holdfast.Call{}, nil},
		{"a slow call that is not Repeatable", Step{Delay: time.Minute}, holdfast.Call{}, nil},
		{"a failed call that the server forbade to repeat", never(failure), holdfast.Call{Repeatable: true}, nil},
		{"an overloaded call that the server forbade to repeat", never(overload), holdfast.Call{Repeatable: true}, nil},
		{"a refused call that the server forbade to repeat", never(refused), holdfast.Call{Repeatable: true}, nil},
		{"a call whose context says WithoutRepeats", failure, holdfast.Call{Repeatable: true}, holdfast.WithoutRepeats(context.Background())},
		{"a slow call whose context says WithoutRepeats", Step{Delay: time.Minute}, holdfast.Call{Repeatable: true}, holdfast.WithoutRepeats(context.Background())},
		{"a refused call whose context says WithoutRepeats", refused, holdfast.Call{}, holdfast.WithoutRepeats(context.Background())},
		{"an answered call", Step{}, holdfast.Call{Repeatable: true}, nil},
	} {
		p.with(func(h holdfast.Handler) {
			s := &Script{Steps: []Step{c.step}}
			ctx := c.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			p.call(ctx, told{p.tb, c.what}, h, s, c.call)
			if n := len(s.Sendings()); n > 1 {
				p.Errorf("%s was sent %d times", c.what, n)
			}
		})
	}
	p.asked()
	p.nested()
}

// asked: no sooner than the server asked.
func (p *policyRun) asked() {
	const wish = 1500 * time.Millisecond
	for _, class := range []holdfast.Class{holdfast.Failure, holdfast.Overload, holdfast.Refused} {
		for range 20 { // jitter is random
			p.with(func(h holdfast.Handler) {
				s := &Script{Steps: []Step{{Class: class, Code: "429", After: wish}, {}}}
				p.call(context.Background(), told{p.tb, "a server's wish"}, h, s, holdfast.Call{Target: "target", Repeatable: true})
				if sent := s.Sendings(); len(sent) > 1 && sent[1].Start.Sub(sent[0].End) < wish {
					p.Errorf("the server asked for %v, and the call was sent again after %v", wish, sent[1].Start.Sub(sent[0].End))
				}
			})
		}
	}
}

// nested: not what an outer layer repeats already.
func (p *policyRun) nested() {
	for _, step := range []Step{{Class: holdfast.Failure, Code: "503"}, {Delay: time.Minute}} {
		p.with(func(h holdfast.Handler) {
			inner := &Script{Steps: []Step{step}}
			claims := around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
				call.Record.Claim()
				return next(ctx, call)
			})
			end := p.run(func() {
				_, _ = holdfast.Do(context.Background(), holdfast.Chain(claims), holdfast.Call{Target: "outer", Repeatable: true}, func(ctx context.Context) (int, error) {
					inner.Do(ctx, h, holdfast.Call{Target: "target", Repeatable: true})
					return 0, nil
				})
			})
			if n := len(inner.Sendings()); !end.returned || n > 1 {
				p.Errorf("a call that an outer layer repeats was sent %d times: ask call.MayRepeat", n)
			}
		})
	}
}
