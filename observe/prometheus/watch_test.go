package prometheus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// An answer that is read takes until its end, also where the clock is that of a bubble,
// decades before the process began.
func TestAnAttemptTakesUntilItsAnswerIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		h := holdfast.Chain(m.Watch("c")...)
		script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Delay: time.Second, Code: "200", Open: true}}}
		res := h(t.Context(), &holdfast.Call{Target: "t", Sender: script})
		time.Sleep(2 * time.Second)
		res.Discard()
		for _, name := range []string{"holdfast_call_duration_seconds", "holdfast_attempt_duration_seconds"} {
			if got := seconds(t, r, name); got != 3 {
				t.Errorf("%s: %v s, want 3", name, got)
			}
		}
	})
}

// seconds is the sum of a histogram.
func seconds(t *testing.T, r prometheus.Gatherer, name string) (sum float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetHistogram().GetSampleSum()
			}
		}
	}
	return sum
}
