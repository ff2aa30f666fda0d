package loadbalance_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// A world is servers in virtual time: what each does with a call.
type world struct {
	mu     sync.Mutex
	serve  func(ctx context.Context, addr string, n int) holdfast.Result // n: how many calls it has under way, this one too
	active map[string]int
	got    map[string]int
}

func newWorld(serve func(ctx context.Context, addr string, n int) holdfast.Result) *world {
	return &world{serve: serve, active: map[string]int{}, got: map[string]int{}}
}

// Send is the Sender of its calls.
func (w *world) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	w.mu.Lock()
	w.active[call.Endpoint]++
	w.got[call.Endpoint]++
	n := w.active[call.Endpoint]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.active[call.Endpoint]--
		w.mu.Unlock()
	}()
	return w.serve(ctx, call.Endpoint, n)
}

func (w *world) share(addr string) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := 0
	for _, n := range w.got {
		sum += n
	}
	return float64(w.got[addr]) / float64(max(sum, 1))
}

func (w *world) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = map[string]int{}
}

var (
	good    = holdfast.Result{Err: errors.New("stands for an answer"), Class: holdfast.Success, Code: "200"}
	bad     = holdfast.Result{Err: errors.New("down"), Class: holdfast.Failure, Code: "503"}
	buggy   = holdfast.Result{Err: errors.New("bug"), Class: holdfast.Failure, Code: "500", After: -1}
	dialed  = holdfast.Result{Err: errors.New("refused"), Class: holdfast.Refused, Code: "dial"}
	ignored = holdfast.Result{Err: context.Canceled, Code: "cancelled"}
)

// takes serves after d, or says why not.
func takes(ctx context.Context, d time.Duration) holdfast.Result {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return good
	case <-ctx.Done():
		err := context.Cause(ctx)
		return holdfast.Result{Err: err, Class: holdfast.VerdictOf(ctx, err).Class, Code: holdfast.VerdictOf(ctx, err).Code}
	}
}

// call makes one through h.
func (w *world) call(ctx context.Context, h holdfast.Handler) holdfast.Result {
	return h(ctx, &holdfast.Call{Target: "t", Method: "get", Repeatable: true, Sender: w})
}

// drive makes rate calls a second for so long, each on its own, and returns what they
// came to and took.
func (w *world) drive(h holdfast.Handler, rate float64, d time.Duration) (results []holdfast.Result, took []time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	r := rand.New(rand.NewPCG(1, 2))
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Duration(r.ExpFloat64() / rate * 1e9)) {
		wg.Go(func() {
			start := time.Now()
			res := w.call(context.Background(), h)
			mu.Lock()
			results, took = append(results, res), append(took, time.Since(start))
			mu.Unlock()
		})
	}
	wg.Wait()
	return results, took
}

func failures(results []holdfast.Result) (n int) {
	for _, r := range results {
		if r.Class != holdfast.Success {
			n++
		}
	}
	return n
}

func percentile(took []time.Duration, p float64) time.Duration {
	sorted := slices.Clone(took)
	slices.Sort(sorted)
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

func hosts(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = string(rune('a' + i))
	}
	return list
}

// in runs f in virtual time with a Set over n hosts.
func in(t *testing.T, n int, strategy loadbalance.Strategy, o loadbalance.Options, f func(t *testing.T, s *loadbalance.Set, h holdfast.Handler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := loadbalance.New(discovery.Static(hosts(n)...), strategy, o)
		defer s.Close()
		synctest.Wait()
		f(t, s, holdfast.Chain(s))
	})
}

var strategies = map[string]loadbalance.Strategy{
	"round robin": loadbalance.RoundRobin, "random": loadbalance.Random, "weighted round robin": loadbalance.WeightedRoundRobin,
	"least request": loadbalance.LeastRequest, "full least request": loadbalance.NewLeastRequest(-1),
	"peak ewma": loadbalance.PeakEWMA, "full peak ewma": loadbalance.NewPeakEWMA(-1), "ring hash": loadbalance.RingHash,
	"bounded ring": loadbalance.NewRingHash(1.25), "maglev": loadbalance.Maglev,
	"rendezvous": loadbalance.Rendezvous, "prequal": loadbalance.NewPrequal(loadbalance.PrequalOptions{}),
	"zone aware": loadbalance.ZoneAware("z", nil),
}
