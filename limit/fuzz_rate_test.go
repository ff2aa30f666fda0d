package limit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
)

// A tokens is the naive model of a target's rate: tokens that come bit by bit, and calls that wait
// for them in turn.
type tokens struct {
	o     *limit.RateOptions // in force
	level float64
	at    time.Time
	queue []*waits
	let   []*waits // have got their tokens, and are to have been told
}

type waits struct {
	told            chan error
	quit            context.CancelFunc
	until, deadline time.Time
}

const hair = 1e-6 // of a token, by which sums of fractions are off

// pass lets time pass.
func (m *tokens) pass(now time.Time) {
	for len(m.queue) > 0 {
		need := time.Duration(max((1-m.level)/m.o.PerSecond, 0) * 1e9)
		if m.o.PerSecond > 0 && m.at.Add(need).After(now) {
			break
		}
		if m.o.PerSecond > 0 {
			m.level, m.at = 0, m.at.Add(need)
		}
		m.let, m.queue = append(m.let, m.queue[0]), m.queue[1:]
	}
	m.level = min(m.level+now.Sub(m.at).Seconds()*m.o.PerSecond, float64(m.o.Burst))
	m.at = now
}

// late reports whether one at a place in the queue would get its turn too late.
func (m *tokens) late(place int, w *waits) bool {
	wait := time.Duration((float64(place+1) - m.level) / m.o.PerSecond * 1e9)
	return wait > w.until.Sub(m.at) || !w.deadline.IsZero() && wait >= w.deadline.Sub(m.at)
}

// change has another rate be in force. It returns who would wait too long by it.
func (m *tokens) change(o *limit.RateOptions) (refused []*waits) {
	if full := m.level >= float64(m.o.Burst)-hair; o.PerSecond > 0 && (m.o.PerSecond < 0 || full) {
		m.level = float64(o.Burst)
	}
	m.o, m.level = o, min(m.level, float64(o.Burst))
	m.pass(m.at)
	var stay []*waits
	for _, w := range m.queue {
		if m.late(len(stay), w) {
			refused = append(refused, w)
		} else {
			stay = append(stay, w)
		}
	}
	m.queue = stay
	return refused
}

// FuzzRate runs calls that come, wait and give up, while time passes and the rate is changed by With,
// against that model. Waits are no sums of the times that pass here, so that nothing comes at the
// same time as something else.
func FuzzRate(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 8, 9, 9, 3, 2, 0, 6, 1, 8, 3, 9})
	f.Add([]byte("the quick brown fox jumps over the lazy dog, again"))
	f.Add([]byte{0, 0, 0, 4, 250, 0, 0, 4, 4, 0, 0, 0, 3, 200, 4, 77})
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 55 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			const odd = 333_337 * time.Nanosecond
			o := limit.RateOptions{PerSecond: 2, Burst: 2, Wait: 2*time.Second + odd, PerTarget: true}
			l := limit.NewRate(o)
			now := time.Now()
			inForce := func() *limit.RateOptions { o := l.Options(); return &o }
			models := map[string]*tokens{}
			for i, b := range schedule {
				target := string('a' + b/16%2)
				m := models[target]
				if m == nil {
					m = &tokens{o: inForce(), level: float64(l.Options().Burst), at: now}
				}
				switch now = time.Now(); b % 5 {
				case 0, 1: // one comes
					ctx, quit := context.WithCancel(t.Context())
					w := &waits{told: make(chan error, 1), quit: quit, until: now.Add(l.Options().Wait)}
					if b > 128 {
						w.deadline = now.Add(time.Duration(b%8)*200*ms + odd)
						ctx, w.quit = context.WithDeadline(ctx, w.deadline)
						defer quit()
					}
					at := l
					if models[target] == nil && m.o.PerSecond > 0 { // without a rate nothing is kept of it
						models[target] = m
					}
					go func() { w.told <- at.Acquire(ctx, target) }()
					synctest.Wait()
					switch m.pass(now); {
					case m.o.PerSecond < 0:
						if err := <-w.told; err != nil {
							t.Fatalf("step %d: one gets %v, and there is no rate", i, err)
						}
						quit()
					case len(m.queue) == 0 && m.level >= 1-hair:
						m.level, m.let = m.level-1, append(m.let, w)
					case len(m.queue) >= m.o.Queue || m.o.Wait <= 0 || m.late(len(m.queue), w):
						refuse(t, i, w)
					default:
						m.queue = append(m.queue, w)
					}
				case 2: // one that waits gives up
					if len(m.queue) > 0 {
						m.pass(now)
					}
					if len(m.queue) > 0 {
						at := int(b/32) % len(m.queue)
						w := m.queue[at]
						m.queue = append(m.queue[:at:at], m.queue[at+1:]...)
						w.quit()
						if err := <-w.told; !errors.Is(err, context.Canceled) {
							t.Fatalf("step %d: one that gives up gets %v", i, err)
						}
					}
				case 3:
					time.Sleep(time.Duration(b/16+1) * 20 * ms)
				case 4:
					o.PerSecond = []float64{1, 2, 4, 5, 10, -1}[b/8%6]
					o.Burst = 1 + int(b/64)
					o.Wait = []time.Duration{-1, 300*ms + odd, time.Second + odd, 5*time.Second + odd}[b/16%4]
					l = l.With(o)
					for _, m := range models {
						m.pass(now)
						for _, w := range m.change(inForce()) {
							refuse(t, i, w)
						}
					}
				}
				time.Sleep(time.Microsecond)
				synctest.Wait()
				now = time.Now()
				compare(t, i, l, models)
			}
			for _, m := range models {
				for _, w := range m.queue {
					w.quit()
					<-w.told
				}
			}
		})
	})
}

func refuse(t *testing.T, step int, w *waits) {
	t.Helper()
	if err := <-w.told; !errors.Is(err, limit.ErrLimited) {
		t.Fatalf("step %d: one that would wait too long gets %v", step, err)
	}
	w.quit()
}

// compare has the models tell who waits still, and who does not. To read the figures changes nothing.
func compare(t *testing.T, step int, l *limit.Rate, models map[string]*tokens) {
	t.Helper()
	figures := told(l)
	for target, m := range models {
		m.pass(time.Now())
		for _, w := range m.let {
			select {
			case err := <-w.told:
				if err != nil {
					t.Fatalf("step %d: one whose turn it is gets %v", step, err)
				}
			default:
				t.Fatalf("step %d: one whose turn it is waits", step)
			}
			w.quit()
		}
		m.let = nil
		for place, w := range m.queue {
			select {
			case err := <-w.told:
				t.Fatalf("step %d: number %d of %d that wait gets %v before its turn; the level is %v", step, place, len(m.queue), err, m.level)
			default:
			}
		}
		tokens, known := figures["rate_tokens "+target]
		if known && (figures["rate_waiting "+target] != float64(len(m.queue)) || len(m.queue) == 0 && (tokens < m.level-hair || tokens > m.level+hair)) {
			t.Fatalf("step %d: %v, want %d that wait and %v tokens", step, figures, len(m.queue), m.level)
		}
	}
}
