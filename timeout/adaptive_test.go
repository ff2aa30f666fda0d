package timeout_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// A load sends calls to p one after another, a hundred a second at most, whose
// answers take latency and up to a tenth more, and counts those that were cut.
type load struct {
	p       *timeout.Timeout
	latency time.Duration
	rand    *rand.Rand
	unary   bool
}

func (l *load) run(t *testing.T, n int) (cut int) {
	h := holdfast.Chain(claim, l.p)
	for range n {
		d := l.latency + time.Duration(l.rand.Int64N(int64(l.latency/10)))
		res := h(t.Context(), &holdfast.Call{Target: "a", Unary: l.unary, Sender: takes(d)})
		if res.Err != nil {
			cut++
		}
		res.Discard()
		time.Sleep(10 * time.Millisecond)
	}
	return cut
}

// within reports whether got is about factor times the slowest that a load of
// this latency shows.
func within(got, latency time.Duration, factor float64) bool {
	want := float64(latency) * 1.1 * factor
	return math.Abs(float64(got)/want-1) < 0.05
}

func TestAdaptiveFollowsTheTargetAndDoesNotShutItselfIn(t *testing.T) {
	for _, unary := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := timeout.New(timeout.Options{Limit: 5 * time.Second, Adaptive: &timeout.Adaptive{}})
			l := &load{p: p, latency: 100 * time.Millisecond, rand: rand.New(rand.NewPCG(1, 2)), unary: unary}
			if l.run(t, 99); p.Limit("a") != 5*time.Second {
				t.Errorf("%v after 99 samples, want the ceiling until there are a hundred", p.Limit("a"))
			}
			l.run(t, 1)
			time.Sleep(time.Second) // a reading is kept for a while
			if p.Limit("a") == 5*time.Second {
				t.Error("a hundred samples are not enough")
			}
			if cut := l.run(t, 500); cut > 0 || !within(p.Limit("a"), l.latency, 1.5) {
				t.Errorf("%v, %d cut; want half as much again as the 99th percentile, and none cut", p.Limit("a"), cut)
			}

			l.latency *= 3 // everything is cut now
			cut := l.run(t, 50)
			if cut == 0 {
				t.Error("nothing was cut: the limit does nothing")
			}
			if cut += l.run(t, 50); cut > 25 {
				t.Errorf("%d of the first 100 calls were cut, want the limit to rise soon", cut)
			}
			if cut := l.run(t, 400); cut > 0 {
				t.Errorf("%d calls were cut after the limit had risen", cut)
			}
			if !within(p.Limit("a"), l.latency, 1.5) {
				t.Errorf("%v, want half as much again as the 99th percentile of the slower target", p.Limit("a"))
			}

			l.latency /= 3 // and back
			if cut := l.run(t, 1000); cut > 0 || !within(p.Limit("a"), l.latency, 1.5) {
				t.Errorf("%v, %d cut, after the target has recovered", p.Limit("a"), cut)
			}
			if p.Limit("b") != 5*time.Second {
				t.Error("another target is judged by this one")
			}
			time.Sleep(time.Hour)
			if p.Limit("a") != 5*time.Second {
				t.Errorf("%v, from samples that are an hour old", p.Limit("a"))
			}
		})
	}
}

func TestAdaptiveCutsWhatIsUnusual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := timeout.New(timeout.Options{Limit: 5 * time.Second, Adaptive: &timeout.Adaptive{Factor: 2, Quantile: 0.9}})
		l := &load{p: p, latency: 100 * time.Millisecond, rand: rand.New(rand.NewPCG(1, 2))}
		l.run(t, 1000)
		limit := p.Limit("a")
		start := time.Now()
		res := holdfast.Chain(claim, p)(t.Context(), &holdfast.Call{Target: "a", Sender: takes(time.Hour)})
		if got := time.Since(start); got != limit || limit > 230*time.Millisecond || res.Class != holdfast.Failure || res.Code != "timeout" {
			t.Errorf("cut after %v with a limit of %v: %+v", got, limit, res)
		}
	})
}

func TestAdaptiveLearnsFromWhatSaysSomething(t *testing.T) {
	answer := func(d time.Duration, class holdfast.Class) send {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := takes(d)(ctx, call)
			if res.Reply != nil {
				res.Class = class
			}
			return res
		}
	}
	for name, c := range map[string]struct {
		sender send
		caller time.Duration
		o      timeout.Adaptive
		want   time.Duration
	}{
		"a success":            {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{}, 150 * time.Millisecond},
		"no factor":            {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{Factor: -1}, 100 * time.Millisecond},
		"no number for factor": {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{Factor: math.NaN(), Quantile: math.NaN()}, 150 * time.Millisecond},
		"an absurd factor":     {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{Factor: math.Inf(1)}, time.Second},
		"an absurd quantile":   {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{Quantile: 7}, 150 * time.Millisecond},
		"a negative quantile":  {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{Quantile: -7}, 150 * time.Millisecond},
		"the least":            {answer(0, holdfast.Success), 0, timeout.Adaptive{}, 10 * time.Millisecond},
		"a least of one's own": {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{Min: 300 * time.Millisecond}, 300 * time.Millisecond},
		"above the ceiling":    {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{Min: time.Hour}, time.Second},
		"few samples wanted":   {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{MinSamples: -1}, 150 * time.Millisecond},
		"many samples wanted":  {answer(100*time.Millisecond, holdfast.Success), 0, timeout.Adaptive{MinSamples: 201}, time.Second},
		"a failure is none":    {answer(100*time.Millisecond, holdfast.Failure), 0, timeout.Adaptive{}, time.Second},
		"nor an overload":      {answer(100*time.Millisecond, holdfast.Overload), 0, timeout.Adaptive{}, time.Second},
		"the caller's own end": {answer(time.Hour, holdfast.Success), 50 * time.Millisecond, timeout.Adaptive{}, time.Second},
		"near a far deadline":  {answer(100*time.Millisecond, holdfast.Success), 400 * time.Millisecond, timeout.Adaptive{}, 150 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.o.Window = time.Hour
				p := timeout.New(timeout.Options{Limit: time.Second, Adaptive: &c.o})
				h := holdfast.Chain(claim, p)
				for range 200 {
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if c.caller > 0 {
						ctx, cancel = context.WithTimeout(ctx, c.caller)
					}
					h(ctx, &holdfast.Call{Target: "a", Sender: c.sender}).Discard()
					cancel()
				}
				time.Sleep(time.Minute)
				if got := p.Limit("a"); math.Abs(float64(got)/float64(c.want)-1) > 0.05 {
					t.Errorf("limit %v, want %v", got, c.want)
				}
			})
		})
	}
}

// Around the whole call it is the whole call that is measured, body and all.
func TestAdaptiveAroundAWholeCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := timeout.New(timeout.Options{Limit: 5 * time.Second, Adaptive: &timeout.Adaptive{}})
		for range 150 {
			b := open(t, t.Context(), takes(10*time.Millisecond), p)
			if err := b.read(90 * time.Millisecond); err != nil {
				t.Fatal(err)
			}
			b.Close()
		}
		time.Sleep(time.Second)
		if got := p.Limit("a"); math.Abs(float64(got)/150e6-1) > 0.05 {
			t.Fatalf("limit %v, want about 150ms", got)
		}
		limit, start := p.Limit("a"), time.Now()
		b := open(t, t.Context(), takes(10*time.Millisecond), p)
		if b.read(time.Hour); time.Since(start) != limit || context.Cause(b.ctx).Error() != "holdfast: call timed out after "+limit.String() {
			t.Errorf("cut after %v by %v", time.Since(start), context.Cause(b.ctx))
		}
		if holdfast.Chain(p)(t.Context(), &holdfast.Call{Target: "a", Unary: true, Sender: takes(time.Hour)}).Code != "timeout" {
			t.Error("a call that fails was not cut")
		}
		time.Sleep(time.Second)
		if got := p.Limit("a"); got != 5*time.Second { // 2 of 152 were cut
			t.Errorf("limit %v after more were cut than the quantile leaves room for, want the ceiling", got)
		}
	})
}
