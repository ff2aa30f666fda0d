package preset_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A trace is what a probe sees of a Stack: numbers and times, which draws of luck change by a
// quarter at most.
type trace []float64

func (t trace) like(other trace) bool {
	for i := range min(len(t), len(other)) {
		if a, b := t[i], other[i]; max(a, b) > min(a, b)*1.3+0.002 {
			return false
		}
	}
	return len(t) == len(other)
}

// A probing is a Stack whose behaviour is looked at through its calls, in virtual time.
type probing struct {
	ctx context.Context
	h   holdfast.Handler
}

// call makes a call, of which f is each attempt, and returns when attempts began and how long
// it took all in all, in seconds.
func (p *probing) call(target string, repeatable bool, f func(ctx context.Context, n int) error) (at trace, took float64, err error) {
	var mu sync.Mutex
	start := time.Now()
	_, err = holdfast.Do(p.ctx, p.h, holdfast.Call{Target: target, Repeatable: repeatable}, func(ctx context.Context) (int, error) {
		mu.Lock()
		at = append(at, time.Since(start).Seconds())
		n := len(at)
		mu.Unlock()
		return 1, f(ctx, n)
	})
	return at, time.Since(start).Seconds(), err
}

func hangs(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }

func lasts(d time.Duration) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func fails(class holdfast.Class, after time.Duration) func(context.Context, int) error {
	return func(context.Context, int) error { return holdfast.Mark(errServer, class, after) }
}

// hang: when the attempts of a call that is never answered began, and when it was over.
func (p *probing) hang(target string) trace {
	at, took, _ := p.call(target, true, hangs)
	return append(at, took)
}

// timely is hang for a caller who has so much time.
func timely(d time.Duration) func(p *probing, target string) trace {
	return func(p *probing, target string) trace {
		ctx, stop := context.WithTimeout(p.ctx, d)
		defer stop()
		return (&probing{ctx, p.h}).hang(target)
	}
}

// burst: of calls that come at once, to three targets, when each was sent; 100: it was not.
func (p *probing) burst(target string) trace {
	seen := make(trace, 12)
	var wg sync.WaitGroup
	for i := range seen {
		wg.Go(func() {
			at, _, _ := p.call(fmt.Sprint(target, i%3), false, lasts(time.Second))
			if seen[i] = 100; len(at) > 0 {
				seen[i] = at[0]
			}
		})
		synctest.Wait()
	}
	wg.Wait()
	return seen
}

// repeats: when the attempts of a call that fails began.
func repeats(class holdfast.Class, after time.Duration) func(p *probing, target string) trace {
	return func(p *probing, target string) trace {
		at, _, _ := p.call(target, true, fails(class, after))
		return at
	}
}

// drain: how many repeats there were of calls that fail to three targets, after calls to one that
// went well so long ago.
func drain(ago time.Duration) func(p *probing, target string) trace {
	return func(p *probing, target string) trace {
		for range 20 {
			_, _, _ = p.call(target, true, lasts(0))
		}
		time.Sleep(ago)
		n := trace{0, 0, 0}
		for i := range 60 {
			at, _, _ := p.call([]string{target, target + "1", target + "2"}[i%3], true, fails(holdfast.Failure, 0))
			n[i%3] += float64(len(at) - 1)
		}
		return n
	}
}

// failing: which of calls that fail, so far apart, were sent.
func failing(class holdfast.Class, after, apart time.Duration) func(p *probing, target string) trace {
	return func(p *probing, target string) trace {
		var sent trace
		for i := range 12 {
			f := fails(class, after)
			if i%3 == 2 {
				f = lasts(0)
			}
			at, _, _ := p.call(target, false, f)
			sent = append(sent, float64(len(at)))
			time.Sleep(apart)
		}
		return sent
	}
}

// closed: after how long a circuit that has opened lets a call through again.
func closed(outage time.Duration, class holdfast.Class, after time.Duration, probe func(context.Context, int) error) func(p *probing, target string) trace {
	return func(p *probing, target string) trace {
		for began := time.Now(); time.Since(began) < outage; time.Sleep(10 * time.Millisecond) {
			_, _, _ = p.call(target, false, fails(class, after))
		}
		if probe != nil { // it takes its time
			time.Sleep(time.Second)
			go func() { _, _, _ = p.call(target, false, probe) }()
			synctest.Wait()
		}
		start := time.Now()
		for {
			if at, _, _ := p.call(target, false, lasts(0)); len(at) > 0 || time.Since(start) > time.Hour {
				return trace{time.Since(start).Seconds()}
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// longest is how long a circuit was open at most, of an outage.
func longest(p *probing, target string) trace {
	most, last := time.Duration(0), time.Now()
	for began := time.Now(); time.Since(began) < 5*time.Minute; time.Sleep(100 * time.Millisecond) {
		if at, _, _ := p.call(target, false, fails(holdfast.Failure, 0)); len(at) > 0 {
			most, last = max(most, time.Since(last)), time.Now()
		}
	}
	return trace{most.Seconds()}
}

// inAll is how long many calls take that fail, in all: where intervals are drawn.
func inAll(p *probing, target string) trace {
	var all float64
	for range 500 {
		_, took, _ := p.call(target, true, fails(holdfast.Failure, 0))
		all += took
	}
	return trace{all}
}

// slow: which of calls that go well, and take a second, were sent.
func (p *probing) slow(target string) trace {
	var sent trace
	for i := range 10 {
		at, _, _ := p.call(target, false, lasts(time.Duration(i%2)*time.Second))
		sent = append(sent, float64(len(at)))
	}
	return sent
}

// learnt is hang after many calls: most take 10 ms, some 100 ms, and the last was so long ago.
func learnt(n int, ago time.Duration) func(p *probing, target string) trace {
	return func(p *probing, target string) trace {
		for i := range n {
			d := 10 * time.Millisecond
			if i%20 == 0 {
				d *= 10
			}
			_, _, _ = p.call(target, true, lasts(d))
		}
		time.Sleep(ago)
		return p.hang(target)
	}
}

// hedged: how many attempts there were of calls that all take long.
func (p *probing) hedged(target string) trace {
	n := 0
	for range 40 {
		at, _, _ := p.call(target, true, lasts(time.Second))
		n += len(at)
	}
	return trace{float64(n)}
}

// A leaf is a value of a Config that is changed.
type leaf struct {
	base, to func(c *preset.Config)
	probe    func(p *probing, target string) trace
}

// alone are the options by which little but the policy that is looked at does anything.
func alone() preset.Config {
	c := preset.Standard()
	c.Limit.Max, c.Timeout.Limit, c.Attempt.Limit = off, off, off
	c.Retry.MaxAttempts, c.Retry.Jitter, c.Budget.Min = 1, retry.Constant, 1000
	c.Breaker.ConsecutiveFailures, c.Breaker.ConsecutiveFailuresUnderLoad, c.Breaker.FailureRatio, c.Breaker.SlowRatio = off, off, off, off
	return c
}

// seen is what a probe sees of a target of a Stack.
func seen(t *testing.T, of leaf, target string, to func(c *preset.Config), live bool) (is trace) {
	synctest.Test(t, func(t *testing.T) {
		c := alone()
		of.base(&c)
		if to != nil && !live {
			to(&c)
		}
		s, err := preset.NewStack(c)
		if err != nil {
			t.Fatal(err)
		}
		p := &probing{t.Context(), holdfast.Chain(s)}
		_, _, _ = p.call("old", false, lasts(0))
		_, _, _ = p.call("old0", false, lasts(0))
		if live {
			was := s.Config()
			to(&c)
			changes, err := s.Update(c)
			if err != nil || len(changes) == 0 {
				t.Fatalf("%v, %v", changes, err)
			}
			if again, err := s.Update(was); err != nil || len(again) != len(changes) {
				t.Fatalf("%q, and back %q, %v", changes, again, err)
			}
			if _, err := s.Update(c); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		is = of.probe(p, target)
	})
	return is
}

// Whatever value is changed alone, a Stack does after Update what a new one does: to a target that
// was called before, and to another one.
func TestWhatUpdateChangesIsDone(t *testing.T) {
	leaves := liveLeaves()
	for line := range strings.Lines(describeAll()) {
		if path := strings.Fields(line)[0]; leaves[path].probe == nil && described[path] == "" {
			t.Errorf("%s: say what its change is seen by", path)
		}
	}
	for path, of := range leaves {
		if !strings.Contains(describeAll(), path+" ") {
			t.Errorf("there is no %s", path)
		}
		for _, target := range []string{"old", "new"} {
			was, want := seen(t, of, target, nil, false), seen(t, of, target, of.to, false)
			if was.like(want) {
				t.Errorf("%s: %v before and %v after: this checks nothing", path, was, want)
			}
			if is := seen(t, of, target, of.to, true); !is.like(want) {
				t.Errorf("%s: after Update %v is seen of target %s, of a new Stack %v, and before it was %v", path, is, target, want, was)
			}
		}
	}
}

// described are the values whose change is looked at in what Describe says alone
// (TestWhatUpdateTellsIsInForce): their effect is on answers that are read, which Do has none of.
var described = map[string]string{
	"timeout.idle": "bodies", "attempt.idle": "bodies", "timeout.streams": "streams", "attempt.streams": "around an attempt it is nothing",
}

func describeAll() string {
	c := preset.Standard()
	c.Timeout.Adaptive, c.Attempt.Adaptive = new(timeout.Adaptive), new(timeout.Adaptive)
	return c.Describe()
}
