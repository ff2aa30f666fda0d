package loadbalance_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// two sends n calls, one each 10 ms, to two nodes that answer so, and returns what became of
// the nodes.
func two(t *testing.T, n int, answer func(i int) holdfast.Result, below ...holdfast.Policy) (ejected int, set *loadbalance.Set) {
	t.Helper()
	set = loadbalance.New(discovery.Static("a:1", "b:1"), loadbalance.PeakEWMA, loadbalance.Options{OnChange: func(_ context.Context, c holdfast.Event) {
		if c.To == "ejected" {
			ejected++
		}
	}})
	i := 0
	w := newWorld(func(context.Context, string, int) holdfast.Result {
		i++
		time.Sleep(2 * time.Millisecond)
		return answer(i)
	})
	h := holdfast.Chain(append([]holdfast.Policy{set}, below...)...)
	for range n {
		h(t.Context(), &holdfast.Call{Target: "t", Unary: true, Sender: w})
		time.Sleep(10 * time.Millisecond)
	}
	set.Close()
	return ejected, set
}

// The node is asked for by the Class: only what the server did ejects it.
func TestOnlyWhatTheServerDidEjectsANode(t *testing.T) {
	for class := range holdfast.LocalPause + 1 {
		synctest.Test(t, func(t *testing.T) {
			ejected, _ := two(t, 100, func(int) holdfast.Result {
				return holdfast.Result{Err: errors.New("x"), Class: class, Code: "UNAVAILABLE"}
			})
			if ill := class.Server() == holdfast.Unhealthy; ill != (ejected > 0) && class != holdfast.Overload {
				t.Errorf("%v: %d ejections", class, ejected)
			}
		})
	}
}

// An answer of a server that is well breaks a row of errors, whatever it says.
func TestASignOfLifeBreaksARow(t *testing.T) {
	for _, sign := range []holdfast.Class{holdfast.Success, holdfast.Conflict, holdfast.Relayed} {
		synctest.Test(t, func(t *testing.T) {
			ejected, _ := two(t, 200, func(i int) holdfast.Result {
				if i%3 == 0 {
					return bad
				}
				return holdfast.Result{Err: errors.New("x"), Class: sign, Code: "409"}
			})
			if ejected > 0 {
				t.Errorf("%v: %d ejections", sign, ejected)
			}
		})
	}
}

// What a policy further in has rejected or held up, and never sent, says nothing of a node;
// neither does a failure of our own.
func TestWhatWasNeverSentIsNoNodesLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: 300 * time.Millisecond})
		release, err := room.Acquire(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		_, set := two(t, 8, func(int) holdfast.Result { return good }, room)
		release()
		for _, n := range set.Nodes() {
			if cost, known := n.Latency(clock.Now(), time.Hour); known && cost > float64(50*time.Millisecond) {
				t.Errorf("%s is held for one of %v", n.Addr(), time.Duration(cost))
			}
		}
	})
	for _, class := range []holdfast.Class{holdfast.LocalFault, holdfast.LocalShortage, holdfast.LocalPause} {
		synctest.Test(t, func(t *testing.T) {
			_, set := two(t, 50, func(i int) holdfast.Result {
				if i > 20 {
					time.Sleep(time.Second)
					return holdfast.Result{Err: errors.New("x"), Class: class}
				}
				return good
			})
			for _, n := range set.Nodes() {
				if cost, known := n.Latency(clock.Now(), time.Hour); !known || cost > float64(10*time.Millisecond) {
					t.Errorf("%v: %s is held for one of %v", class, n.Addr(), time.Duration(cost))
				}
			}
		})
	}
}

// A stream's length is no latency, however it ends.
func TestTheLengthOfAStreamIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := loadbalance.NewPool(loadbalance.PeakEWMA, loadbalance.Options{})
		defer p.Close()
		p.Update([]discovery.Endpoint{{Addr: "a:1"}})
		for _, res := range []holdfast.Result{good, ignored, {Err: errors.New("x"), Class: holdfast.LocalPause}} {
			picked, _ := p.Pick(loadbalance.PickInfo{Ctx: t.Context()})
			time.Sleep(time.Hour)
			picked.Ended(res)
			picked.Done(res.Class)
		}
		if cost, known := p.Nodes()[0].Latency(clock.Now(), 0); known && cost > float64(time.Second) {
			t.Errorf("held for one of %v", time.Duration(cost))
		}
	})
}

// A Set moves a call once more only with leave, and says what it tried.
func TestASetMovesOnlyWithLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := loadbalance.New(discovery.Static("a:1", "b:1", "c:1"), loadbalance.RoundRobin, loadbalance.Options{})
		defer set.Close()
		h := holdfast.Chain(set)
		for name, c := range map[string]struct {
			ctx    context.Context
			sender holdfast.Sender
			sends  int
		}{
			"with leave":           {t.Context(), newWorld(func(context.Context, string, int) holdfast.Result { return dialed }), 3},
			"without repeats":      {holdfast.WithoutRepeats(t.Context()), newWorld(func(context.Context, string, int) holdfast.Result { return dialed }), 1},
			"without another body": {t.Context(), spent{newWorld(func(context.Context, string, int) holdfast.Result { return dialed })}, 1},
		} {
			call := &holdfast.Call{Target: "t", Unary: true, Sender: c.sender}
			res := h(c.ctx, call)
			var all *holdfast.AttemptsError
			if n := call.Record.Attempts(); n != c.sends || errors.As(res.Err, &all) != (c.sends > 1) || !errors.Is(res.Err, dialed.Err) {
				t.Errorf("%s: %d attempts, %v", name, n, res.Err)
			}
			if c.sends > 1 && len(all.Ledger.Attempts) != c.sends {
				t.Errorf("%s: %v", name, all.Ledger)
			}
		}
	})
}

// spent cannot send its call again.
type spent struct{ *world }

func (spent) Replayable() (string, bool) { return "the body is gone", false }

// A check that this process did not wait for is asked again, and holds nobody for ill; not
// for ever, though.
func TestAPauseHoldsNoNodeForIll(t *testing.T) {
	for _, always := range []bool{false, true} {
		var asked atomic.Int32
		ill := make(chan struct{}, 10)
		set := loadbalance.New(discovery.Static("a:1"), loadbalance.RoundRobin, loadbalance.Options{
			OnChange: func(_ context.Context, c holdfast.Event) {
				if c.To == "unhealthy" {
					ill <- struct{}{}
				}
			},
			Check: loadbalance.Checks{Interval: 5 * time.Millisecond, Timeout: 30 * time.Millisecond, UnhealthyThreshold: 2, Probe: func(ctx context.Context, _ discovery.Endpoint) error {
				if n := asked.Add(1); n > 1 && (n == 2 || always) {
					<-ctx.Done()
					now := clock.Now()
					pause.Note(now-int64(29*time.Millisecond), now)
					return ctx.Err()
				}
				return nil
			}},
		})
		timeout := time.After(10 * time.Second)
	wait:
		for {
			select {
			case <-ill:
				if !always {
					t.Error("held for ill after one question that was not waited for")
				}
				break wait
			case <-timeout:
				t.Error("a node that never answers again is not held for ill")
				break wait
			case <-time.After(time.Millisecond):
				if !always && asked.Load() > 5 {
					break wait
				}
			}
		}
		set.Close()
	}
}
