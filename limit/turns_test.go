package limit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/timeout"
)

// Whoever waits for a token and gives up leaves nothing behind, from wherever in the queue and
// however many: those behind move up, and who comes then waits for those alone who are left.
func TestT85_TurnsComeBackHoweverManyGiveUp(t *testing.T) {
	for name, leaves := range map[string]func(i int) bool{
		"all":           func(int) bool { return true },
		"the first":     func(i int) bool { return i == 0 },
		"the last":      func(i int) bool { return i == 99 },
		"all but one":   func(i int) bool { return i != 50 },
		"every other":   func(i int) bool { return i%2 == 0 },
		"the late half": func(i int) bool { return i >= 50 },
	} {
		for _, backwards := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l := limit.NewRate(limit.RateOptions{PerSecond: 10, Burst: 1, Wait: 11 * time.Second})
				_ = l.Acquire(t.Context(), "")
				start := time.Now()
				var wg sync.WaitGroup
				var mu sync.Mutex
				var turns []time.Duration
				var leave []context.CancelFunc
				stay := 0
				wait := func(ctx context.Context) {
					wg.Go(func() {
						if l.Acquire(ctx, "") == nil {
							mu.Lock()
							defer mu.Unlock()
							turns = append(turns, time.Since(start))
						}
					})
					synctest.Wait()
				}
				for i := range 100 {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if wait(ctx); leaves(i) {
						leave = append(leave, cancel)
					} else {
						stay++
					}
				}
				time.Sleep(50 * ms)
				if backwards {
					slices.Reverse(leave)
				}
				for _, one := range leave {
					one()
					synctest.Wait()
				}
				wait(t.Context())
				wg.Wait()
				if len(turns) != stay+1 {
					t.Fatalf("%s: %d got a turn, want %d", name, len(turns), stay+1)
				}
				for i, at := range turns {
					if want := time.Duration(i+1) * 100 * ms; at != want {
						t.Fatalf("%s: turn %d came after %v, want %v", name, i, at, want)
					}
				}
			})
		}
	}
}

// Tokens are handed out in the order in which calls came, also to calls that come when the token
// does.
func TestTurnsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewRate(limit.RateOptions{PerSecond: 10, Burst: 2, Wait: time.Minute, Queue: 100})
		var wg sync.WaitGroup
		var mu sync.Mutex
		var order []int
		for i := range 40 { // twice as many as there are tokens
			wg.Go(func() {
				if err := l.Acquire(t.Context(), ""); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			time.Sleep(50 * ms)
		}
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 40 {
			t.Errorf("served in the order %v", order)
		}
	})
}

// A token that comes as its call ends goes to the next in turn, or back where there is none: none
// is lost, and none is handed out twice.
func TestT85_ATokenHandedToOneWhoLeavesIsNotLost(t *testing.T) {
	for behind := range 3 {
		synctest.Test(t, func(t *testing.T) {
			l := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: time.Minute})
			_ = l.Acquire(t.Context(), "")
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := l.Acquire(overUnseen{t.Context(), start}, ""); !errors.Is(err, context.Canceled) {
					t.Errorf("one that is over: %v", err)
				}
			})
			synctest.Wait()
			for i := range behind {
				wg.Go(func() {
					err := l.Acquire(t.Context(), "")
					if took, want := time.Since(start), time.Duration(i+1)*time.Second; err != nil || took != want {
						t.Errorf("number %d of %d: %v after %v, want %v", i, behind, err, took, want)
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			want := time.Duration(behind+1) * time.Second // the next token
			if err := l.Acquire(t.Context(), ""); err != nil || time.Since(start) != want {
				t.Errorf("the next one: %v after %v, want %v", err, time.Since(start), want)
			}
		})
	}
}

// Who cannot have its turn in time is rejected at once, by its place in the queue, and is told how
// long it would have had to wait. It takes nothing: who comes next is let in.
func TestT85_AWaitIsKnownByThePlaceInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewRate(limit.RateOptions{PerSecond: 10, Burst: 1, Wait: 350 * ms, Queue: 100})
		l2 := l.With(limit.RateOptions{PerSecond: 10, Burst: 1, Wait: time.Minute, Queue: 3})
		none := l.With(limit.RateOptions{PerSecond: 10, Burst: 1})
		_ = l.Acquire(t.Context(), "")
		time.Sleep(20 * ms)
		start := time.Now()
		rejected := func(l *limit.Rate, ctx context.Context, want string) {
			t.Helper()
			err := l.Acquire(ctx, "")
			if !errors.Is(err, limit.ErrLimited) || !strings.HasSuffix(err.Error(), want) || time.Since(start) != 0 {
				t.Errorf("%v after %v, want %q", err, time.Since(start), want)
			}
		}
		rejected(none, t.Context(), "limited to 10 calls a second: no token left; its turn would come in 80ms")
		var wg sync.WaitGroup
		for i := range 3 {
			short, cancel := context.WithTimeout(t.Context(), time.Duration(i*100+80)*ms)
			defer cancel()
			rejected(l, short, "the wait would pass the deadline; its turn would come in "+time.Duration((i*100+80)*int(ms)).String())
			wg.Go(func() {
				enough, cancel := context.WithTimeout(t.Context(), time.Duration(i*100+81)*ms)
				defer cancel()
				if err := l.Acquire(enough, ""); err != nil || time.Since(start) != time.Duration(i*100+80)*ms {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
			synctest.Wait()
		}
		rejected(l, t.Context(), "the wait would be too long; its turn would come in 380ms")
		rejected(l2, t.Context(), "the queue is full; its turn would come in 380ms")
		rejected(none, t.Context(), "no token left; its turn would come in 380ms")
		wg.Wait()
		exact := limit.NewRate(limit.RateOptions{PerSecond: 10, Burst: 1, Wait: 100 * ms, Queue: 10})
		_ = exact.Acquire(t.Context(), "")
		if err := exact.Acquire(t.Context(), ""); err != nil {
			t.Errorf("one that may wait as long as it must: %v", err)
		}
		slow := limit.NewRate(limit.RateOptions{PerSecond: 1e-300, Burst: 1, Wait: time.Hour, Queue: 1})
		_ = slow.Acquire(t.Context(), "")
		if err := slow.Acquire(t.Context(), ""); !errors.Is(err, limit.ErrLimited) {
			t.Error(err)
		}
	})
}

// Many come and go at once: no more are let in than the rate allows, and nobody is left waiting.
func TestRateUnderRaces(t *testing.T) {
	l := limit.NewRate(limit.RateOptions{PerSecond: 5000, Burst: 1, Wait: time.Minute, Queue: 1000})
	start := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for i := range 32 {
		wg.Go(func() {
			for n := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+n)%2 == 0 {
					time.AfterFunc(time.Duration(i)*10*time.Microsecond, cancel)
				}
				if l.Acquire(ctx, "") == nil {
					mu.Lock()
					passed++
					mu.Unlock()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if most := 2 + int(time.Since(start).Seconds()*5000); passed > most || passed < 32*25 {
		t.Errorf("%d passed, want %d who stayed and %d at most", passed, 32*25, most)
	}
	if got := told(l)["rate_waiting all"]; got != 0 {
		t.Errorf("%v wait still", got)
	}
}

// A wait that ends with the time of the call is no rejection by the limit: the error is that of the
// context, and says that the call has waited; no server is blamed.
func TestTimeThatRunsOutInAQueueIsNoRejection(t *testing.T) {
	gone := errors.New("gone")
	for name, c := range map[string]struct {
		policy func() (holdfast.Policy, string)
		leave  time.Duration // when the caller does; 0: the call has a second
		want   error
		text   string
	}{
		"no place in time":     {full, 0, context.DeadlineExceeded, ": holdfast: call timed out after 1s"},
		"no place":             {full, time.Second / 2, gone, ": gone"},
		"no token":             {empty, time.Second / 2, gone, ": gone"},
		"the caller's time":    {full, -time.Second / 2, context.DeadlineExceeded, ": context deadline exceeded"},
		"the caller's, a rate": {empty, -time.Second / 2, context.DeadlineExceeded, ": context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, which := c.policy()
				var class holdfast.Class
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				outer := holdfast.Policy(timeout.New(timeout.Options{Limit: time.Second}))
				switch {
				case c.leave > 0:
					time.AfterFunc(c.leave, func() { cancel(gone) })
					outer = nil
				case c.leave < 0:
					short, cancel := context.WithTimeout(ctx, -c.leave)
					defer cancel()
					ctx, outer = short, nil
					if name == "the caller's, a rate" {
						ctx = withoutDeadline{ctx}
					}
				}
				_, err := holdfast.Do(ctx, holdfast.Chain(judgedBy(&class), outer, p), holdfast.Call{Target: "a"}, func(context.Context) (int, error) { return 1, nil })
				want := "holdfast: limited to " + which + ": while it waited for its turn" + c.text
				if !errors.Is(err, c.want) || errors.Is(err, limit.ErrLimited) || class != holdfast.Ignored || err == nil || err.Error() != want {
					t.Errorf("%v, judged as %v; want %s", err, class, want)
				}
				var timed interface{ Timeout() bool }
				if ok := errors.As(err, &timed); !ok || timed.Timeout() != (c.want == context.DeadlineExceeded) {
					t.Errorf("%v is a timeout: %v", err, ok && timed.Timeout())
				}
			})
		})
	}
}

// withoutDeadline ends by its deadline, and does not tell of it before: the wait is begun.
type withoutDeadline struct{ context.Context }

func (withoutDeadline) Deadline() (at time.Time, ok bool) { return at, false }

func full() (holdfast.Policy, string) {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute})
	_, _ = l.Acquire(context.Background(), "")
	return l, "1 calls in flight"
}

func empty() (holdfast.Policy, string) {
	l := limit.NewRate(limit.RateOptions{PerSecond: 0.7, Burst: 1, Wait: time.Minute})
	_ = l.Acquire(context.Background(), "")
	return l, "0.7 calls a second"
}

// judgedBy notes how a call was judged.
func judgedBy(got *holdfast.Class) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			*got = res.Class
			return res
		}
	})
}
