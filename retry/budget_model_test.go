package retry_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/retry"
)

// A naive account keeps every success by itself, with the number of the tenth of the Window that it fell
// into, and counts them anew each time.
type naive struct {
	tokens    float64
	width     int64
	successes []int64

	paid, withdrawn, refused, refunded uint64
}

func ratio(b *retry.Budget) float64 { return max(b.Options().Ratio, 0) }
func floor(b *retry.Budget) float64 { return float64(max(b.Options().Min, 0)) }

func (n *naive) most(b *retry.Budget) float64 {
	now, in := clock.Turn(clock.Now(), n.width), 0
	for _, s := range n.successes {
		if now-s < 10 {
			in++
		}
	}
	return max(floor(b), ratio(b)*float64(in))
}

// with is what another Window makes of it: what it does not reach is forgotten for good.
func (n *naive) with(b *retry.Budget) {
	width := int64(b.Options().Window) / 10
	if width == n.width {
		return
	}
	was, now := clock.Turn(clock.Now(), n.width), clock.Turn(clock.Now(), width)
	var kept []int64
	for _, s := range n.successes {
		if is := min(clock.Turn(s*n.width+n.width/2, width), now); was-s < 10 && now-is < 10 {
			kept = append(kept, is)
		}
	}
	n.width, n.successes = width, kept
}

func (n *naive) deposit(b, latest *retry.Budget) {
	n.paid++
	n.successes = append(n.successes, clock.Turn(clock.Now(), n.width))
	n.tokens = min(n.tokens+ratio(b), n.most(latest))
}

func (n *naive) withdraw(b, latest *retry.Budget) bool {
	if !b.Options().Unlimited {
		n.tokens = min(n.tokens, n.most(latest))
		if min(n.tokens, n.most(b)) < 1-1e-9 {
			n.refused++
			return false
		}
		n.tokens = max(n.tokens-1, 0)
	}
	n.withdrawn++
	return true
}

func (n *naive) refund(b *retry.Budget) {
	n.refunded++
	if !b.Options().Unlimited {
		n.tokens++
	}
}

func (n *naive) stats(b, latest *retry.Budget) retry.BudgetStats {
	tokens := min(n.tokens, n.most(latest), n.most(b))
	if b.Options().Unlimited {
		tokens = math.Inf(1)
	}
	return retry.BudgetStats{Tokens: tokens, Successes: n.paid, Withdrawn: n.withdrawn, Refused: n.refused, Refunded: n.refunded}
}

// same reports whether figures agree, tokens but for a rounding.
func same(a, b retry.BudgetStats) bool {
	near := a.Tokens == b.Tokens || math.Abs(a.Tokens-b.Tokens) < 1e-6
	a.Tokens = b.Tokens
	return near && a == b
}

// FuzzBudgetWith runs a schedule of deposits, withdrawals, refunds, waits, changes and looks, through the
// latest Budget and those from before, beside the naive accounts of two targets. The looks are
// nothing to the model: they change nothing.
func FuzzBudgetWith(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		schedule := make([]byte, 1500)
		for i := range schedule {
			schedule[i] = byte(rng.IntN(256))
		}
		f.Add(schedule)
	}
	f.Add([]byte{0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 200, 1})
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 3000 {
			return
		}
		synctest.Test(t, func(t *testing.T) { budgetBesideTheModel(t, schedule) })
	})
}

func budgetBesideTheModel(t *testing.T, schedule []byte) {
	pick := func() (op int) {
		if len(schedule) == 0 {
			return 0
		}
		op, schedule = int(schedule[0]), schedule[1:]
		return op
	}
	views := []*retry.Budget{retry.NewBudget(retry.BudgetOptions{})}
	targets := [2]string{"t", "u"}
	models := [2]*naive{}
	for step := 0; len(schedule) > 0; step++ {
		op := pick()
		latest, b, at := views[len(views)-1], views[op/16%len(views)], op/8%2
		if op >= 128 {
			b = latest
		}
		m, target := models[at], targets[at]
		if m == nil && op%8 < 4 { // it is called for the first time
			m = &naive{tokens: floor(latest), width: int64(latest.Options().Window) / 10}
			models[at] = m
		}
		switch op % 8 {
		case 0, 1:
			for range 1 + op/32 {
				m.deposit(b, latest)
				b.Deposit(target)
			}
		case 2, 3:
			if want, got := m.withdraw(b, latest), b.Withdraw(target); got != want {
				t.Fatalf("step %d: granted is %v, want %v, with %+v", step, got, want, *m)
			}
		case 4:
			if m != nil && m.withdrawn > m.refunded {
				m.refund(b)
				b.Refund(target)
			}
		case 5:
			time.Sleep(time.Duration(pick()) * 17 * time.Millisecond)
		case 6:
			latest = b.With(retry.BudgetOptions{
				Ratio: []float64{0, -1, 0.01, 1}[pick()%4], Min: []int{0, -1, 1, 20}[pick()%4], Unlimited: pick()%8 == 0,
				Window: []time.Duration{0, time.Second, 3 * time.Second, time.Minute, 10*time.Second + 10*time.Millisecond}[pick()%5],
			})
			if views = append(views, latest); len(views) > 8 {
				views = views[1:]
			}
			for _, m := range models {
				if m != nil {
					m.with(latest)
				}
			}
		default: // looks
			for range b.Figures {
				latest.Stats(target)
			}
		}
		for i, m := range models {
			for _, view := range []*retry.Budget{latest, b} {
				want := retry.BudgetStats{Tokens: min(floor(view), floor(latest))}
				if m != nil {
					want = m.stats(view, latest)
				} else if view.Options().Unlimited {
					want.Tokens = math.Inf(1)
				}
				if op%4 == 0 && !same(view.Stats(targets[i]), want) {
					t.Fatalf("step %d, after %d: %s has %+v, want %+v", step, op%8, targets[i], view.Stats(targets[i]), want)
				}
			}
		}
	}
	for i, m := range models {
		if latest := views[len(views)-1]; m != nil && !same(latest.Stats(targets[i]), m.stats(latest, latest)) {
			t.Fatalf("in the end %s has %+v, want %+v", targets[i], latest.Stats(targets[i]), m.stats(latest, latest))
		}
	}
}
