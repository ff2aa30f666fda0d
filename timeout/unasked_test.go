package timeout

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/asked"
)

// A looked is a context that counts how often it is looked into.
type looked struct {
	context.Context
	times int
}

func (l *looked) Value(key any) any {
	l.times++
	return l.Context.Value(key)
}

// A program whose calls ask for no limits of their own pays nothing for those that could: no
// context is looked into.
func TestNoContextIsLookedIntoUntilACallAsks(t *testing.T) {
	defer asked.Ever.Store(asked.Ever.Load())
	asked.Ever.Store(false)
	minute := New(Options{Limit: time.Minute})
	h := holdfast.Chain(minute, minute, New(Options{Limit: -1}))
	ctx := &looked{Context: context.Background()}
	send := func() {
		h(ctx, &holdfast.Call{Target: "a", Unary: true, Sender: sent{}})
	}
	if send(); ctx.times != 0 {
		t.Errorf("it was looked into %d times", ctx.times)
	}
	WithLimit(context.Background(), time.Second)
	if send(); ctx.times == 0 {
		t.Error("it was not looked into later either, this checks nothing")
	}
}

type sent struct{}

func (sent) Send(context.Context, *holdfast.Call) holdfast.Result {
	return holdfast.Result{Err: context.Canceled, Class: holdfast.Ignored}
}
