package holdfasttest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing/synctest"
	"time"
	"weak"

	"github.com/holdfast-go/holdfast"
)

// ends: whatever way a Reply ends, the policy's hooks bear it, and let go.
func (p *policyRun) ends() {
	for name, end := range map[string]holdfast.End{
		"read to its end": {Class: holdfast.Success, Code: "200", Bytes: 1 << 40},
		"truncated":       {Class: holdfast.Failure, Code: "truncated", Err: errScript},
		"cancelled":       {Class: holdfast.Ignored, Code: "cancelled", Err: context.Canceled},
		"said nothing of": {},
	} {
		for _, call := range []holdfast.Call{{Target: "target", Repeatable: true}, {Target: "target", Stream: true}} {
			p.with(func(h holdfast.Handler) {
				t := told{p.tb, "a reply that is " + name}
				s := &Script{Steps: []Step{{Open: true}}}
				res, done := p.call(context.Background(), t, h, s, call)
				reply, ok := res.Reply.(*Reply)
				if !done.returned || !ok {
					return
				}
				over := p.run(func() {
					reply.Progress(true)
					reply.Progress(true) // a reader who gave up and waits again
					reply.Progress(false)
					reply.Progress(false)
					reply.Progress(true)
					reply.Finish(end)
					reply.Progress(false)
				})
				if !over.returned {
					t.Errorf("a hook of the policy did not return: panic %v", over.panicked)
				}
				synctest.Wait()
				s.verify(t, false, res)
			})
		}
	}
}

// panics: a panic in next surfaces on the caller's goroutine.
func (p *policyRun) panics() {
	p.breaking(Step{Panic: errScript}, func(t tb, end fate) {
		if end.panicked == nil || !strings.Contains(fmt.Sprint(end.panicked), errScript.Error()) {
			t.Errorf("next panicked, and on the caller's goroutine came the panic %v", end.panicked)
		}
	})
}

// exits: so does the exit of a goroutine.
func (p *policyRun) exits() {
	p.breaking(Step{Goexit: true}, func(t tb, end fate) {
		if end.panicked != nil {
			t.Errorf("next left its goroutine, and on the caller's came the panic %v", end.panicked)
		}
	})
}

// breaking makes calls whose first, second or third attempt breaks.
func (p *policyRun) breaking(step Step, check func(tb, fate)) {
	for i, steps := range [][]Step{
		{step},
		{{Delay: time.Second, Panic: step.Panic, Goexit: step.Goexit}},
		{{Err: errScript}, step},
		{{Class: holdfast.Failure, Open: true}, {Class: holdfast.Failure, Open: true}, step},
	} {
		for _, call := range []holdfast.Call{{Target: "target", Repeatable: true}, {Target: "target", Stream: true, Repeatable: true}, {Target: "target", Unary: true, Repeatable: true}} {
			p.with(func(h holdfast.Handler) {
				t := told{p.tb, fmt.Sprintf("script %d", i+1)}
				s := &Script{Steps: steps}
				res, end := p.do(context.Background(), h, s, call)
				if end.stuck {
					t.Errorf("the call did not return")
					return
				}
				broke := false
				for _, x := range s.Sendings() {
					broke = broke || s.step(x.attempt) == step || x.attempt == 1 && i == 1
				}
				if broke {
					check(t, end)
				}
				synctest.Wait()
				if end.returned {
					p.verify(t, s, res)
				} else {
					s.verify(t, false)
				}
			})
		}
	}
}

// slots: what is counted is counted down, however calls end. A policy that let a
// call pass still does after a thousand that broke.
func (p *policyRun) slots() {
	const calls = 1000
	fresh := func(h holdfast.Handler) bool {
		s := new(Script)
		res, _ := p.call(context.Background(), p, h, s, holdfast.Call{Target: "target"})
		p.verify(p, s, res)
		return res.Class == holdfast.Success
	}
	for name, step := range map[string]Step{"panic": {Panic: errScript}, "exit their goroutine": {Goexit: true}, "are read later": {Open: true}, "fail": {Err: errScript}} {
		p.with(func(h holdfast.Handler) {
			if !fresh(h) {
				return // such as a switch that is off
			}
			for range calls {
				s := &Script{Steps: []Step{step}}
				res, end := p.do(context.Background(), h, s, holdfast.Call{Target: "target"})
				if end.stuck {
					p.Errorf("after calls that %s, one did not return", name)
					return
				}
				if reply, ok := res.Reply.(*Reply); ok {
					reply.Finish(reply.End(nil))
				}
			}
			<-time.After(24 * time.Hour) // whoever has become wary may try again
			if !fresh(h) {
				p.Errorf("after %d calls that %s, none passes any more: something was not let go of", calls, name)
			}
		})
	}
}

// concurrent: calls made at once do not mix.
func (p *policyRun) concurrent() {
	all := scenes()
	p.with(func(h holdfast.Handler) {
		scripts, results := make([]*Script, 64), make([]holdfast.Result, 64)
		var wg sync.WaitGroup
		for i := range scripts {
			scripts[i] = &Script{Steps: all[i%len(all)].steps}
			wg.Go(func() { results[i] = scripts[i].Do(context.Background(), h, all[i%len(all)].call) })
		}
		if end := p.run(wg.Wait); end.stuck {
			p.Errorf("calls made at once did not return; their replies stay open meanwhile: does the policy have calls wait for a place without a bound?")
			return
		}
		synctest.Wait()
		for i, s := range scripts {
			p.verify(told{p.tb, "calls at once, " + all[i%len(all)].name}, s, results[i])
		}
	})
}

// chains: a policy serves several chains, and several places in one.
func (p *policyRun) chains() {
	policy := p.make()
	defer closeNow(policy)
	other := p.make()
	defer closeNow(other)
	var went string // the way that the last call went down
	mark := func(name string) holdfast.Policy {
		return around(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
			went = name
			return next(ctx, call)
		})
	}
	names := []string{"in one chain", "in another", "twice in one chain", "with another of its kind"}
	handlers := []holdfast.Handler{
		holdfast.Chain(policy, mark(names[0])), holdfast.Chain(policy, mark(names[1])),
		holdfast.Chain(policy, policy, mark(names[2])), holdfast.Chain(policy, other, mark(names[3])),
	}
	for i, h := range handlers {
		t := told{p.tb, "a policy " + names[i]}
		for _, steps := range [][]Step{{{Open: true}}, {{Err: errScript}}, {{Class: holdfast.Failure, Open: true}, {Open: true}}} {
			went = names[i]
			s := &Script{Steps: steps}
			res, end := p.call(context.Background(), t, h, s, holdfast.Call{Target: "target", Repeatable: true})
			synctest.Wait()
			if went != names[i] {
				t.Errorf("a call went down the chain of the policy %s", went)
			}
			if end.returned {
				p.verify(t, s, res)
			}
		}
	}
}

// nils: a nil pointer of the policy's type does nothing.
func (p *policyRun) nils() {
	policy := p.make()
	closeNow(policy)
	kind := reflect.TypeOf(policy)
	if kind.Kind() != reflect.Pointer {
		return
	}
	none, _ := reflect.Zero(kind).Interface().(holdfast.Policy)
	s := new(Script)
	var res holdfast.Result
	end := p.run(func() { res = s.Do(context.Background(), holdfast.Chain(none), holdfast.Call{Target: "target"}) })
	if !end.returned || res.Class != holdfast.Success {
		p.Errorf("a nil %v does not let a call pass: it gave %v, panic %v", kind, res.Err, end.panicked)
	}
}

// memory: after 1,000 calls nothing keeps hold of them (T88).
func (p *policyRun) memory() {
	const calls, few = 1000, 64 // a policy may remember some, but a bounded number
	for _, scene := range []scene{
		{name: "answered", steps: []Step{{Open: true}}},
		{name: "that failed", steps: []Step{{Err: errScript}}},
		{name: "that were slow", steps: []Step{{Delay: time.Second, Open: true}}},
	} {
		p.with(func(h holdfast.Handler) {
			held := make([]weak.Pointer[caller], 0, calls)
			for range calls {
				s := &Script{Steps: scene.steps}
				res := s.Do(context.Background(), h, holdfast.Call{Target: "target", Repeatable: true})
				if reply, ok := res.Reply.(*Reply); ok {
					reply.Finish(reply.End(nil))
				}
				held = append(held, weak.Make(s.callers[0]))
				s.callers[0].release()
			}
			synctest.Wait()
			runtime.GC()
			runtime.GC() // what was in a sync.Pool goes with the second
			left := 0
			for _, c := range held {
				if c.Value() != nil {
					left++
				}
			}
			if left > few {
				p.Errorf("after %d calls %s, %d are still held on to: by a timer that was not stopped, or a table that grows", calls, scene.name, left)
			}
			runtime.KeepAlive(h)
		})
	}
}
