package timeout_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// shows is a transport whose answer shows that it is a stream, which its call did not say.
func shows(s send) send {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := s(ctx, call)
		res.Stream = res.Reply != nil
		return res
	}
}

// An answer that shows itself to be a stream is limited as one from then on: by what limits
// its beginning, and by an idle limit that was asked for by name.
func TestAnAnswerThatShowsItselfToBeAStreamIsLimitedAsOne(t *testing.T) {
	second := timeout.Options{Limit: time.Second}
	named := timeout.Options{Limit: time.Second, Idle: 5 * time.Second}
	for name, c := range map[string]struct {
		policies []holdfast.Policy
		idle     bool // an idle limit holds
		cut      bool // the limit holds to the end
	}{
		"attempt":                {[]holdfast.Policy{claim, timeout.New(second)}, false, false},
		"whole":                  {[]holdfast.Policy{timeout.New(second)}, false, false},
		"whole, for streams":     {[]holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second, Streams: true})}, false, true},
		"both":                   {[]holdfast.Policy{timeout.New(second), claim, timeout.New(second)}, false, false},
		"both, one for streams":  {[]holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second, Streams: true}), claim, timeout.New(second)}, false, true},
		"attempt, a named idle":  {[]holdfast.Policy{claim, timeout.New(named)}, true, false},
		"whole, a named idle":    {[]holdfast.Policy{timeout.New(named)}, true, false},
		"adaptive":               {[]holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{}})}, false, false},
		"adaptive, each attempt": {[]holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{}})}, false, false},
	} {
		for _, waited := range []bool{false, true} { // for the context, by the transport
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := open(t, t.Context(), shows(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						if waited {
							ctx.Done()
						}
						return takes(time.Second/2)(ctx, call)
					}), c.policies...)
					start := time.Now()
					if c.cut {
						if err := b.read(time.Hour); err == nil || time.Since(start) != time.Second/2 {
							t.Errorf("after %v: %v", time.Since(start), err)
						}
						return
					}
					if deadline, limited := b.ctx.Deadline(); limited {
						t.Errorf("it has a deadline: %v", deadline)
					}
					time.Sleep(time.Hour)
					for range 3 {
						if err := b.read(4 * time.Second); err != nil {
							t.Fatal(err)
						}
						time.Sleep(time.Hour) // a reader that thinks
					}
					start = time.Now()
					err := b.read(24 * time.Hour)
					if c.idle && (err == nil || time.Since(start) != 5*time.Second) {
						t.Errorf("silence was cut after %v by %v", time.Since(start), err)
					}
					if !c.idle && err != nil {
						t.Errorf("cut after %v by %v", time.Since(start), err)
					}
					b.Close()
					if b.ended() == nil {
						t.Error("the context outlives the answer")
					}
				})
			})
		}
	}
}

// What limits its beginning limits it as any other.
func TestABeginningIsLimitedWhateverTheAnswerWouldShow(t *testing.T) {
	bubble(t, time.Second, func(t *testing.T) {
		res := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second}))(t.Context(), &holdfast.Call{Target: "a", Sender: shows(takes(time.Hour))})
		if res.Code != "timeout" {
			t.Errorf("%+v", res)
		}
	})
}

func TestAnswersThatShowThemselvesToBeStreamsAreNotSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole, attempt := timeout.New(timeout.Options{Adaptive: &timeout.Adaptive{MinSamples: 1}}), timeout.New(timeout.Options{Adaptive: &timeout.Adaptive{MinSamples: 1}})
		for range 100 {
			open(t, t.Context(), shows(takes(time.Millisecond)), whole, claim, attempt).Close()
			time.Sleep(time.Second)
		}
		if got, each := whole.Limit("a"), attempt.Limit("a"); got != 10*time.Second || each != 10*time.Second {
			t.Errorf("the limits went to %v and %v", got, each)
		}
	})
}

// A kept answer is one that can be put by.
type kept struct {
	*body
	why atomic.Pointer[error]
}

func (k *kept) PutBy(why error) {
	if k.ctx.Err() == nil {
		k.why.Store(&why)
		k.Close()
	}
}

// An answer that nobody begins to read for the idle limit is put by, where it can be, and not
// cut off: what it holds is free, as when it was forgotten.
func TestAnAnswerThatIsNotReadIsPutBy(t *testing.T) {
	for name, policies := range map[string][]holdfast.Policy{
		"attempt": {claim, timeout.New(timeout.Options{Limit: time.Second})}, "idle alone": {timeout.New(timeout.Options{Limit: -1, Idle: time.Second})},
		"both": {timeout.New(timeout.Options{Limit: time.Hour}), claim, timeout.New(timeout.Options{Limit: time.Second})},
	} {
		for _, waited := range []bool{false, true} {
			bubble(t, time.Second+time.Second, func(t *testing.T) {
				k := new(kept)
				holdfast.Chain(policies...)(t.Context(), &holdfast.Call{Target: "a", Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					k.body = &body{ctx: call.Context(ctx)}
					if waited {
						ctx.Done()
					}
					time.Sleep(time.Second / 2)
					return holdfast.Result{Reply: k, Class: holdfast.Success}
				})})
				if !waited { // nobody waits for the end: it comes when somebody looks
					time.Sleep(3 * time.Second / 2)
					return
				}
				time.Sleep(time.Second - 1)
				if k.why.Load() != nil {
					t.Errorf("%s: put by too early", name)
				}
				time.Sleep(1)
				synctest.Wait()
				if k.why.Load() == nil || k.end.Class != holdfast.Success || k.ended() == nil {
					t.Errorf("%s: %v, %+v, context %v", name, *k.why.Load(), k.end, k.ended())
				}
				time.Sleep(time.Second / 2)
			})
		}
	}
}
