package hedge_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// While a call of a target is under way, the target keeps its times. Targets that find no room are
// counted and told of, and share what they have: a Share too, so that they are not hedged without a
// bound.
func TestTargetsThatFindNoRoomShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []holdfast.Event
		heard := hearing(func(e holdfast.Event) {
			if e.Kind == "table_full" {
				told = append(told, e)
			}
		})
		h := hedge.New(hedge.Options{MaxTargets: 1, Delay: delay, Share: 0.1})
		call := func(target string, takes time.Duration) {
			c := get
			c.Target = target
			_, _, _ = do(t, c, holdfast.Chain(heard, h), attempt{takes, nil}, attempt{0, nil})
		}
		go call("t", time.Hour)
		synctest.Wait()
		for i := range 99 {
			call(fmt.Sprint("late", i), time.Second)
		}
		full := 0.0
		for f := range h.Figures {
			if f.Name == "table_full_total" && f.Labels["policy"] == "hedge" && f.Kind == holdfast.Counter {
				full = f.Value
			}
		}
		if s, mine := h.Stats("late1"), h.Stats("t"); s.Calls != 99 || s.Hedges != 9 || s.Denied != 90 || mine.Calls != 1 || full != 99 {
			t.Errorf("shared: %+v; of its own: %+v; %v found no room", s, mine, full)
		}
		if len(told) != 7 || told[0].Target != "late0" || told[0].Policy != "hedge" || told[0].Reason != "max_targets" || !strings.Contains(told[6].Detail, "64") {
			t.Errorf("%d times: %+v", len(told), told)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if call("new", time.Second); h.Stats("new").Calls != 1 || h.Stats("t").Calls != 0 {
			t.Error("a target that no call uses makes no room")
		}
	})
}

// A listener that panics over a full table lets go of the target.
func TestAListenerThatPanicsOverAFullTableHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := hearing(func(holdfast.Event) { panic("mine") })
		h := hedge.New(hedge.Options{MaxTargets: 1})
		end := make(chan struct{})
		use := func(target string, f func(context.Context) (int, error)) (thrown any) {
			defer func() { thrown = recover() }()
			c := get
			c.Target = target
			_, _ = holdfast.Do(t.Context(), holdfast.Chain(heard, h), c, f)
			return nil
		}
		go use("t", func(context.Context) (int, error) { <-end; return 1, nil })
		synctest.Wait()
		if use("late", func(context.Context) (int, error) { return 1, nil }) != "mine" {
			t.Error("no panic")
		}
		close(end)
		synctest.Wait()
		if use("late", func(context.Context) (int, error) { return 1, nil }) != nil || h.Stats("late").Calls != 1 {
			t.Errorf("it has no place of its own: %+v", h.Stats("late"))
		}
	})
}
