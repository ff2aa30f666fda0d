package observe

import (
	"context"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/inside"
)

// An Observer is told of everything: NewLog makes one, and observe/prometheus and
// observe/otel have theirs. It must be safe for concurrent use.
type Observer interface {
	Call(ctx context.Context, r Record)    // a logical call is over, repeats and all
	Attempt(ctx context.Context, r Record) // a sending of it is over, or never reached the transport
	Event(ctx context.Context, e holdfast.Event)
}

// Watch puts o around the policies: outside them all it sees calls, inside them all
// attempts, and it hears what each decides, and what becomes of the state of those that
// tell (holdfast.Observable), within a Group too, each once. Use what it returns in one place, and for as long as the
// policies live: the listening ends with them. Several observers stand around each
// other: Watch(a, Watch(b, policies...)...). A nil o changes nothing.
func Watch(o Observer, policies ...holdfast.Policy) []holdfast.Policy {
	if o == nil {
		return policies
	}
	tell, _ := inside.Tellers[holdfast.Observable](policies)
	for _, p := range tell {
		p.Watch(o.Event)
	}
	all := append([]holdfast.Policy{New(Options{Done: o.Call, Event: o.Event})}, policies...)
	return append(all, New(Options{Done: o.Attempt, Wire: true}))
}
