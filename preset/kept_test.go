package preset_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// What each policy has counted and learnt is kept by an Update, of something else and of its own
// options alike.
func TestAnUpdateKeepsWhatWasLearnt(t *testing.T) {
	for name, change := range map[string]func(c *preset.Config){
		"nothing": func(*preset.Config) {},
		"each policy": func(c *preset.Config) {
			c.Limit.Max, c.Hedge.Quantile, c.Breaker.MinSamples, c.Budget.Min, c.Attempt.MinAttempt = 77, 0.9, 77, 2, 7*time.Millisecond
			c.Rate.PerSecond = 1e5
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := preset.Standard()
				c.Hedge.MaxHedges, c.Attempt.Adaptive = 1, &timeout.Adaptive{}
				c.Rate = limit.RateOptions{PerSecond: 1e6, Burst: 10}
				s := stackOf(t, c)
				h := holdfast.Chain(s)
				call := func(took time.Duration) {
					_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { time.Sleep(took); return 0, nil })
				}
				for range 400 {
					call(10 * time.Millisecond)
				}
				go call(30 * time.Second) // one is under way
				synctest.Wait()
				change(&c)
				if _, err := s.Update(c); err != nil {
					t.Fatal(err)
				}
				for _, p := range s.Inside() {
					switch p := p.(type) {
					case *limit.InFlight:
						if n := p.Stats("").InFlight; n != 1 {
							t.Errorf("%d calls are under way", n)
						}
					case *hedge.Hedge:
						if st := p.Stats("t"); st.Calls < 400 || st.Delay < 10*time.Millisecond {
							t.Errorf("the hedge knows %+v", st)
						}
					case *breaker.Breaker:
						if st := p.Status("t"); st.Calls < 400 {
							t.Errorf("the breaker knows %+v", st)
						}
					case *retry.Retry:
						if st := p.Budget().Stats("t"); st.Successes < 400 || st.Tokens < 5 {
							t.Errorf("the budget knows %+v", st)
						}
					case *timeout.Timeout:
						if p.Options().Adaptive != nil && p.Limit("t") > time.Second {
							t.Errorf("the limit of attempts is %v", p.Limit("t"))
						}
					}
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
