package holdfasttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/inside"
)

// flood is how many calls are under way at once while a policy is to reject some.
const flood = 40

// runEventCheck checks that a policy tells of its events, and of changes of its state, with no
// lock held, and that they can be counted. It runs in real time and outside of bubbles, where a goroutine that waits for a
// lock can be seen.
func runEventCheck(t tb, policy func() holdfast.Policy) {
	t.Helper()
	if policy == nil {
		return
	}
	var told eventCheck
	defer func() { told.report(t) }()
	checkReentry(t, patience/50, "an event was told with a lock held: a call made by its listener was not answered until the listener had returned",
		func(callback func()) (holdfast.Policy, []holdfast.Policy) {
			p := policy()
			if p == nil {
				return nil, nil
			}
			hear := func(_ context.Context, e holdfast.Event) {
				told.check(e)
				callback()
			}
			listener := holdfast.NewListener(hear)
			tell, _ := inside.Tellers[holdfast.Observable]([]holdfast.Policy{p})
			for _, o := range tell {
				o.Watch(hear)
			}
			return p, []holdfast.Policy{holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					call.Record.Listen(listener)
					return next(ctx, call)
				}
			}), p}
		})
}

// An eventCheck looks at events, and remembers what is wrong with them.
type eventCheck struct {
	mu    sync.Mutex
	wrong []string // each once
}

func (c *eventCheck) check(e holdfast.Event) {
	var wrong string
	switch {
	case !isWord(e.Kind):
		wrong = fmt.Sprintf("an event was told whose Kind is not one word in lower case: %q", e.Kind)
	case e.Policy == "":
		wrong = fmt.Sprintf("an event of the Kind %s does not say which Policy tells it", e.Kind)
	case e.Reason != "" && !isWord(e.Reason):
		wrong = fmt.Sprintf("an event of the Kind %s has a Reason that is not one word in lower case, and so no label of a metric; what is for people is its Detail: %q", e.Kind, e.Reason)
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.wrong, wrong) && len(c.wrong) < 10 {
		c.wrong = append(c.wrong, wrong)
	}
}

func (c *eventCheck) report(t tb) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, wrong := range c.wrong {
		t.Errorf("%s", wrong)
	}
}

// isWord reports whether s can be a label: letters in lower case, digits, and "_" or "-" between
// them ("half-open").
func isWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// crowd makes many calls that fail, and many that are under way at once, so that a policy which
// rejects some does.
func crowd(handler holdfast.Handler) {
	send := func(step Step) holdfast.Result {
		ctx, cancel := context.WithTimeout(context.Background(), patience/time.Duration(flood)/10)
		defer cancel()
		return (&Script{Steps: []Step{step}}).Do(ctx, handler, holdfast.Call{Target: "target"})
	}
	var open []*Reply
	for range flood {
		send(Step{Err: errScript}).Discard()
		if reply, ok := send(Step{Open: true}).Reply.(*Reply); ok {
			open = append(open, reply)
		}
	}
	for _, reply := range open {
		reply.Finish(reply.End(nil))
	}
}
