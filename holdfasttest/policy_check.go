package holdfasttest

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A policyCheck is one group of sentences of a policy's half of the contract.
type policyCheck struct {
	name string
	run  func(p *policyRun)
}

var policyChecks = []policyCheck{
	{"results and replies", (*policyRun).results},
	{"hooks bear every end", (*policyRun).ends},
	{"next panics", (*policyRun).panics},
	{"next exits its goroutine", (*policyRun).exits},
	{"slots are given back", (*policyRun).slots},
	{"the context is done", (*policyRun).cancels},
	{"what is repeated", (*policyRun).repeats},
	{"calls at once", (*policyRun).concurrent},
	{"several chains", (*policyRun).chains},
	{"nil", (*policyRun).nils},
	{"nothing is kept", (*policyRun).memory},
}

// A policyRun is one check under way, inside a bubble.
type policyRun struct {
	tb
	clock
	make  func() holdfast.Policy
	after []func() // ends the callers' contexts, which outlive their calls
}

func runPolicyCheck(r tb, policy func() holdfast.Policy, c policyCheck) {
	r.Helper()
	before := goroutines()
	if policy == nil {
		r.Errorf("there is no policy to be tested")
		return
	}
	first := policy()
	if first == nil {
		r.Errorf("there is no policy to be tested")
		return
	}
	closeNow(first)
	p := &policyRun{tb: r, make: policy}
	c.run(p)
	reportLeaks(r, before, p.clock)
	for _, cancel := range p.after {
		cancel()
	}
	synctest.Wait()
}

// with runs f with a new policy and its Handler, and closes it.
func (p *policyRun) with(f func(h holdfast.Handler)) {
	policy := p.make()
	defer closeNow(policy)
	f(holdfast.Chain(policy))
}

// A scene is a script and how the call describes itself.
type scene struct {
	name  string
	call  holdfast.Call
	steps []Step
}

var errScript = errors.New("holdfasttest: a scripted failure")

// scenes are all scripts with all kinds of calls.
func scenes() (all []scene) {
	failure, overload := Step{Err: errScript}, Step{Err: holdfast.Mark(errScript, holdfast.Overload, 0), After: 2 * time.Second}
	answered503 := Step{Class: holdfast.Failure, Code: "503"}
	for _, s := range []scene{
		{name: "an answer", steps: []Step{{}}},
		{name: "an answer that goes on", steps: []Step{{Open: true}}},
		{name: "a slow answer", steps: []Step{{Delay: 3 * time.Second}}},
		{name: "a slow answer that goes on", steps: []Step{{Delay: 100 * time.Millisecond, Open: true}}},
		{name: "an error each time", steps: []Step{failure}},
		{name: "an error, then an answer", steps: []Step{failure, {}}},
		{name: "a failure as an answer each time", steps: []Step{answered503}},
		{name: "a failure as an answer that goes on each time", steps: []Step{{Class: holdfast.Failure, Code: "503", Open: true}}},
		{name: "failures as answers that go on, then an answer that goes on", steps: []Step{
			{Class: holdfast.Failure, Code: "503", Open: true}, {Class: holdfast.Overload, Code: "429", Open: true, After: time.Second}, {Open: true},
		}},
		{name: "overload, then an answer", steps: []Step{overload, {Open: true}}},
		{name: "refused, then an answer", steps: []Step{{Err: holdfast.Mark(errScript, holdfast.Refused, 0)}, {Open: true}}},
		{name: "a slow failure, then a slow answer", steps: []Step{{Delay: time.Second, Err: errScript}, {Delay: time.Second}}},
		{name: "a slow answer, then a faster one", steps: []Step{{Delay: 5 * time.Second, Open: true}, {Delay: time.Millisecond, Open: true}}},
		{name: "an ignored error", steps: []Step{{Err: holdfast.Mark(errScript, holdfast.Ignored, -1), After: -1}}},
		{name: "a failure that is not to be repeated", steps: []Step{{Class: holdfast.Failure, Code: "500", After: -1, Open: true}}},
		{name: "a wish beyond all patience", steps: []Step{{Class: holdfast.Overload, Code: "429", After: 1 << 62}}},
	} {
		for name, call := range map[string]holdfast.Call{
			"repeatable": {Repeatable: true}, "not repeatable": {}, "a stream": {Stream: true, Repeatable: true}, "unary": {Unary: true, Repeatable: true},
		} {
			s := s
			s.name, s.call = s.name+", "+name, call
			s.call.Target, s.call.Method = "target", "method"
			all = append(all, s)
		}
	}
	return all
}

// A told tb puts the scene before what it reports.
type told struct {
	tb
	scene string
}

func (t told) Errorf(format string, args ...any) {
	t.Helper()
	t.tb.Errorf("%s: %s", t.scene, fmt.Sprintf(format, args...))
}

// do makes one call, and ends one that is stuck, so that its goroutine does not
// stay. The context of one that is not stuck goes on, as that of a server's main
// does.
func (p *policyRun) do(ctx context.Context, h holdfast.Handler, s *Script, call holdfast.Call) (res holdfast.Result, end fate) {
	ctx, cancel := context.WithCancel(ctx)
	end = p.run(func() { res = s.Do(ctx, h, call) })
	if end.stuck {
		cancel()
		synctest.Wait()
		return holdfast.Result{}, end
	}
	p.after = append(p.after, cancel)
	return res, end
}

// call makes one call; it reports one that does not return as it should.
func (p *policyRun) call(ctx context.Context, t tb, h holdfast.Handler, s *Script, call holdfast.Call) (res holdfast.Result, end fate) {
	t.Helper()
	res, end = p.do(ctx, h, s, call)
	switch {
	case end.stuck:
		t.Errorf("the call did not return")
	case end.panicked != nil:
		t.Errorf("the policy panicked: %v", end.panicked)
	case !end.returned:
		t.Errorf("the policy left the caller's goroutine")
	}
	return res, end
}

// results: what Verify says, of every scene; the reply is ended after a while.
func (p *policyRun) results() {
	for _, scene := range scenes() {
		p.with(func(h holdfast.Handler) {
			t := told{p.tb, scene.name}
			s := &Script{Steps: scene.steps}
			res, end := p.call(context.Background(), t, h, s, scene.call)
			if !end.returned {
				return
			}
			synctest.Wait()
			p.verify(t, s, res)
		})
	}
}

// verify verifies while the Reply is open and, where it was, once it has ended.
func (p *policyRun) verify(t tb, s *Script, res holdfast.Result) {
	t.Helper()
	reply, ok := res.Reply.(*Reply)
	if !ok || reply.Finished() {
		s.verify(t, false, res)
		return
	}
	s.verify(t, true, res)
	reply.Finish(reply.End(nil))
	synctest.Wait()
	s.verify(t, false, res)
}
