package holdfast_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Who is told that a Gate is closed may close it: he is told once of what was ended, and once
// when all is over.
func TestWhoIsToldMayClose(t *testing.T) {
	for name, again := range map[string]func(*holdfast.Gate){
		"Close": func(g *holdfast.Gate) { _ = g.Close() },
		"Shutdown": func(g *holdfast.Gate) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = g.Shutdown(ctx)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var g holdfast.Gate
			var told atomic.Int64
			g.OnClosed(func() {
				if told.Add(1) < 100 {
					again(&g)
				}
			})
			h := holdfast.Chain(&g)
			go h(t.Context(), &holdfast.Call{Target: "t", Unary: true, Sender: senderFunc(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
				<-ctx.Done()
				time.Sleep(time.Second) // it takes a moment to end
				return holdfast.Result{Err: ctx.Err()}
			})})
			synctest.Wait()
			_ = g.Close()
			_ = g.Close() // nothing is ended by it
			if n := told.Load(); n != 1 {
				t.Errorf("%s: told %d times as the call was ended", name, n)
			}
			time.Sleep(2 * time.Second)
			if n := told.Load(); n != 2 {
				t.Errorf("%s: told %d times when it was over", name, n)
			}
		})
	}
}

// One who panics as he is told keeps nobody else from being told.
func TestAllAreToldThatAGateIsClosed(t *testing.T) {
	var g holdfast.Gate
	var told []int
	for i := range 3 {
		g.OnClosed(func() { told = append(told, i); panic(i) })
	}
	thrown := func() (thrown any) {
		defer func() { thrown = recover() }()
		return g.Close()
	}()
	if len(told) != 3 || thrown == nil {
		t.Errorf("told %v, thrown %v", told, thrown)
	}
	if err := g.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
