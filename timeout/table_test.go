package timeout_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// While a call of a target is under way, to the end of its answer, the target keeps what was learnt
// of it, however many others come; then it makes room.
func TestATargetInUseKeepsItsLimit(t *testing.T) {
	unary := func(t *testing.T, h holdfast.Handler, end <-chan struct{}) {
		h(t.Context(), &holdfast.Call{Target: "t", Unary: true, Sender: send(func(context.Context, *holdfast.Call) holdfast.Result {
			<-end
			return holdfast.Result{Class: holdfast.Success}
		})})
	}
	read := func(t *testing.T, h holdfast.Handler, end <-chan struct{}) { // the answer is there, and is read for long
		res := h(t.Context(), &holdfast.Call{Target: "t", Sender: takes(0)})
		<-end
		res.Discard()
	}
	panics := func(t *testing.T, h holdfast.Handler, end <-chan struct{}) {
		defer func() { _ = recover() }()
		h(t.Context(), &holdfast.Call{Target: "t", Unary: true, Sender: send(func(context.Context, *holdfast.Call) holdfast.Result {
			<-end
			panic("mine")
		})})
	}
	for name, under := range map[string]func(t *testing.T, h holdfast.Handler, end <-chan struct{}){"an attempt": unary, "a body": read, "one that panics": panics} {
		for _, around := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				p := timeout.New(timeout.Options{Limit: 10 * time.Second, Adaptive: &timeout.Adaptive{MinSamples: 20, Window: time.Hour}})
				h := holdfast.Chain(p)
				if !around {
					h = holdfast.Chain(claim, p)
				}
				call := func(target string) {
					res := h(t.Context(), &holdfast.Call{Target: target, Unary: true, Sender: takes(10 * time.Millisecond)})
					res.Discard()
				}
				for range 200 {
					call("t")
				}
				time.Sleep(time.Minute) // a reading is kept for a while
				learnt := p.Limit("t")
				if learnt > 20*time.Millisecond {
					t.Fatalf("%v after calls of 10 ms", learnt)
				}
				end := make(chan struct{})
				over := make(chan struct{})
				go func() { defer close(over); under(t, h, end) }()
				synctest.Wait()
				for i := range 2000 {
					call(fmt.Sprint(i))
				}
				if is := p.Limit("t"); is > 20*time.Millisecond {
					t.Errorf("%s, around %v: the limit was %v and is %v, while a call is under way", name, around, learnt, is)
				}
				close(end)
				<-over
				for i := range 2000 {
					call(fmt.Sprint(i))
				}
				if is := p.Limit("t"); is != 10*time.Second {
					t.Errorf("%s, around %v: %v: a target that no call uses makes no room", name, around, is)
				}
			})
		}
	}
}

// Targets that find no room are counted and told of, and have the limit of the Options. To ask for a
// limit takes no room.
func TestTargetsThatFindNoRoomAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []holdfast.Event
		listener := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e) })
		heard := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Listen(listener)
				return next(ctx, call)
			}
		})
		p := timeout.New(timeout.Options{Limit: time.Hour, Adaptive: &timeout.Adaptive{MinSamples: 1, Window: time.Hour}})
		h := holdfast.Chain(heard, p)
		full := func() (n float64) {
			for f := range p.Figures {
				if f.Name == "table_full_total" && f.Labels["policy"] == "timeout" && f.Kind == holdfast.Counter {
					n += f.Value
				}
			}
			return n
		}
		for i := range 3000 {
			p.Limit(fmt.Sprint("asked ", i))
		}
		for i := range 1024 {
			go h(t.Context(), &holdfast.Call{Target: fmt.Sprint("t", i), Unary: true, Sender: takes(time.Minute)})
		}
		synctest.Wait()
		if full() != 0 || len(told) != 0 {
			t.Errorf("%v found no room, %d times told: to be asked for its limit has taken a target room", full(), len(told))
		}
		for i := range 99 {
			h(t.Context(), &holdfast.Call{Target: fmt.Sprint("late", i%2), Unary: true, Sender: takes(time.Millisecond)}).Discard()
		}
		if p.Limit("late0") != time.Hour || full() != 99 {
			t.Errorf("%v, %v found no room", p.Limit("late0"), full())
		}
		if len(told) != 7 || told[0].Kind != "table_full" || told[0].Target != "late0" || told[0].Policy != "timeout" || told[0].Reason != "max_targets" || !strings.Contains(told[6].Detail, "64") {
			t.Errorf("%d times: %+v", len(told), told)
		}
		time.Sleep(2 * time.Minute)
		for range 2 {
			h(t.Context(), &holdfast.Call{Target: "late0", Unary: true, Sender: takes(time.Millisecond)}).Discard()
		}
		time.Sleep(time.Minute)
		if p.Limit("late0") == time.Hour || full() != 99 {
			t.Errorf("%v: there is room again, and nothing is learnt", p.Limit("late0"))
		}
	})
	for _, p := range []*timeout.Timeout{nil, timeout.New(timeout.Options{})} {
		for f := range p.Figures {
			t.Errorf("a figure of a table that is not there: %+v", f)
		}
	}
}
