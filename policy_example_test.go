package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

var errFull = errors.New("places: all are taken")

// places is a policy that lets so many calls be under way at once; further ones wait for a while.
type places struct {
	free chan struct{}
	wait time.Duration
}

func newPlaces(n int, wait time.Duration) *places {
	p := &places{make(chan struct{}, n), wait}
	for range n {
		p.free <- struct{}{}
	}
	return p
}

// Done gives a place back: the call that had it is over.
func (p *places) Done(uint64, holdfast.End) { p.free <- struct{}{} }

func (p *places) Wrap(next holdfast.Handler) holdfast.Handler {
	if p == nil {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		select {
		case <-p.free:
			return call.Hold(ctx, next, p, 0)
		default:
		}
		call.Waited() // what this takes blames no server
		timer := time.NewTimer(p.wait)
		defer timer.Stop()
		for {
			// A call within one that has a place shares that: it would wait for itself.
			res, ok, back := call.Share(ctx, next, p)
			if ok {
				return res
			}
			select {
			case <-p.free:
				return call.Hold(ctx, next, p, 0)
			case <-back: // the outer call's place, from another call within it
			case <-timer.C:
				return call.Reject(ctx, holdfast.Event{Policy: "places", Code: "places_full", Reason: "full", Err: errFull})
			case <-ctx.Done():
				return call.Reject(ctx, holdfast.Event{Policy: "places", Err: context.Cause(ctx)})
			}
		}
	}
}

// Traits and Figures have others know of it: preset.Misplaced, metrics.
func (p *places) Traits() holdfast.Traits { return holdfast.Traits{Name: "places", Holds: true} }

func (p *places) Figures(yield func(holdfast.Figure) bool) {
	yield(holdfast.Figure{Name: "places_free", Help: "Places that no call has.", Value: float64(len(p.free))})
}

// A policy that has calls wait for a place, whole.
func ExampleCall_Share() {
	h := holdfast.Chain(newPlaces(1, time.Millisecond))
	call := holdfast.Call{Target: "database"}
	v, err := holdfast.Do(context.Background(), h, call, func(ctx context.Context) (string, error) {
		_, err := holdfast.Do(context.Background(), h, call, func(context.Context) (string, error) { return "", nil })
		fmt.Println("beside it:", err)
		return holdfast.Do(ctx, h, call, func(context.Context) (string, error) { return "ok", nil })
	})
	fmt.Println("within it:", v, err)
	// Output:
	// beside it: places: all are taken
	// within it: ok <nil>
}
