package timeout_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// costs are the calls whose price is kept: what the policy adds to one whose
// transport waits for nothing, and to one whose transport asks for Done.
var costs = []struct {
	name         string
	call         holdfast.Call
	policies     []holdfast.Policy
	quick, waits float64 // allocations at most
}{
	{"unary", holdfast.Call{Unary: true}, []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Minute})}, 1, 6},
	{"unary attempt in a whole", holdfast.Call{Unary: true}, []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Minute}), timeout.New(timeout.Options{Limit: time.Second})}, 2, 7},
	{"whole", holdfast.Call{}, []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Minute})}, 1, 4},
	{"attempt", holdfast.Call{}, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Minute})}, 1, 4},
	{"attempt in a whole", holdfast.Call{}, []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Minute}), timeout.New(timeout.Options{Limit: time.Second})}, 2, 5},
	{"adaptive", holdfast.Call{Unary: true}, []holdfast.Policy{timeout.New(timeout.Options{Adaptive: &timeout.Adaptive{}})}, 1, 6},
	{"off for a stream", holdfast.Call{Stream: true}, []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Minute})}, 0, 0},
}

// cost makes one call whose Call, Record and Reply are there already.
func cost(ctx context.Context, policies []holdfast.Policy, call holdfast.Call, waits bool) func() {
	h := holdfast.Chain(policies...)
	reply := new(body)
	var answer send = func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
		if waits {
			ctx.Done()
		}
		return holdfast.Result{Reply: reply, Class: holdfast.Success}
	}
	r := &struct {
		holdfast.Call
		holdfast.Record
	}{}
	return func() {
		*reply = body{}
		r.Call, r.Record = call, holdfast.Record{}
		r.Call.Sender, r.Call.Record = answer, &r.Record
		h(ctx, &r.Call).Discard()
	}
}

func TestWhatACallCosts(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	for _, c := range costs {
		for _, waits := range []bool{false, true} {
			want := c.quick
			if waits {
				want = c.waits
			}
			bare := testing.AllocsPerRun(1000, cost(context.Background(), nil, c.call, false))
			if got := testing.AllocsPerRun(1000, cost(context.Background(), c.policies, c.call, waits)) - bare; got > want {
				t.Errorf("%s (somebody waits: %v): %v allocations, want at most %v", c.name, waits, got, want)
			} else {
				t.Logf("%s (somebody waits: %v): %v", c.name, waits, got)
			}
		}
	}
}

func TestProgressCostsNoAllocation(t *testing.T) {
	b := open(t, t.Context(), takes(0), claim, timeout.New(timeout.Options{Limit: time.Minute}))
	defer b.Close()
	if n := testing.AllocsPerRun(1000, func() { b.Progress(true); b.Progress(false) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkCall(b *testing.B) {
	ctx, reply := context.Background(), &body{}
	b.Run("floor, by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			*reply = body{ctx: ctx}
			cancel()
		}
	})
	b.Run("floor, by hand, waits", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			ctx.Done()
			*reply = body{ctx: ctx}
			cancel()
		}
	})
	b.Run("bare", func(b *testing.B) {
		run := cost(ctx, nil, holdfast.Call{}, false)
		for b.Loop() {
			run()
		}
	})
	for _, c := range costs {
		for _, waits := range []bool{false, true} {
			name := c.name
			if waits {
				name += ", waits"
			}
			b.Run(name, func(b *testing.B) {
				run := cost(ctx, c.policies, c.call, waits)
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
			})
		}
	}
}

func BenchmarkProgress(b *testing.B) {
	res := holdfast.Chain(claim, timeout.New(timeout.Options{Limit: time.Minute}))(b.Context(), &holdfast.Call{Sender: takes(0)})
	defer res.Discard()
	reply, _ := res.Reply.(*body)
	for b.Loop() {
		reply.Progress(true)
		reply.Progress(false)
	}
}
