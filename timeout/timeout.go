package timeout

import (
	"math"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/option"
)

// defaultLimit is the Limit of the zero Options.
const defaultLimit = 10 * time.Second

const (
	defaultFloor = time.Millisecond
	// A reader that is slow itself, such as a proxy before a slow client, has
	// this many idle limits between two reads, and slowLeast at least.
	slowTimes = 10
	slowLeast = time.Minute

	never = time.Duration(math.MaxInt64)
)

// Options say how long a call may take. The zero Options are a limit of 10 s.
type Options struct {
	// Limit is how long the call or the attempt may take: 0 means 10 s;
	// negative: no limit. Idle, when it is above zero, holds then all the
	// same, and Adaptive does not.
	Limit time.Duration

	// Idle is how long the answer, once it has begun, may go without progress
	// while it is being read: 0 means as long as Limit around an attempt, and none
	// around a whole call or on a stream, where it holds when it is above zero;
	// negative: none.
	Idle time.Duration

	// MinAttempt is the least that must be left before the deadline of the context
	// for the call to be sent at all: 0 means 1 ms; negative: none. It is never
	// more than half the Limit.
	MinAttempt time.Duration

	// Streams lets a limit around the whole call hold for streams as well, to
	// their end. It makes no difference around an attempt.
	Streams bool

	// IfNone has the Limit hold only for calls that have no deadline yet, neither one of
	// the caller's nor that of a limit further out: a default, and no bound. Idle holds
	// all the same.
	IfNone bool

	// Adaptive, when it is not nil, lowers the limit to what calls to the target
	// usually take. Limit is the ceiling then.
	Adaptive *Adaptive
}

// A Timeout is a policy that limits time. It is safe for concurrent use. The nil
// Timeout limits nothing, and the zero one only calls that ask for it (WithLimit).
type Timeout struct {
	limit, idle, floor time.Duration // 0: none
	unnamed            bool          // the idle limit follows the limit
	streams            bool
	ifNone             bool
	adaptive           *adaptive
}

var _ holdfast.Placed = (*Timeout)(nil)

// New returns the policy that limits the time of a call, or of an attempt, as o
// says. It never fails: every value of every option means something.
func New(o Options) *Timeout {
	return with(o, nil)
}

// With returns a Timeout with other options that has learnt what t has, where
// both are adaptive; they share it from then on, and the Window holds for t as well.
func (t *Timeout) With(o Options) *Timeout {
	if t == nil || t.adaptive == nil || o.Adaptive == nil {
		return New(o)
	}
	return with(o, t.adaptive)
}

func with(o Options, learnt *adaptive) *Timeout {
	t := &Timeout{
		limit:   option.Of(o.Limit, defaultLimit, 0),
		floor:   option.Of(o.MinAttempt, defaultFloor, 0),
		unnamed: o.Idle == 0,
		streams: o.Streams,
		ifNone:  o.IfNone,
	}
	t.idle = option.Of(o.Idle, t.limit, 0)
	if t.limit > 0 {
		t.floor = min(t.floor, t.limit/2)
		t.adaptive = newAdaptive(o.Adaptive, t.limit, learnt)
	}
	return t
}

// Options returns the options in force, with the defaults filled in.
func (t *Timeout) Options() Options {
	if t == nil {
		return Options{}
	}
	o := Options{Limit: option.OrOff(t.limit), Idle: option.OrOff(t.idle), MinAttempt: option.OrOff(t.floor), Streams: t.streams, IfNone: t.ifNone}
	if t.unnamed && t.idle > 0 {
		o.Idle = 0 // it depends on where the policy stands
	}
	if t.adaptive != nil {
		filled := t.adaptive.Adaptive
		filled.Min = option.OrOff(filled.Min)
		o.Adaptive = &filled
	}
	return o
}

// Limit returns the limit that a call to target has at present: the Limit of
// the Options, or less where it is adaptive. It is 0 when there is none.
func (t *Timeout) Limit(target string) time.Duration {
	if t == nil {
		return 0
	}
	if t.adaptive == nil {
		return t.limit
	}
	known, _ := t.adaptive.learnt.targets.Find(target)
	return t.adaptive.limit(known, clock.Now())
}

// Traits tells the limit.
func (t *Timeout) Traits() holdfast.Traits {
	return holdfast.Traits{Name: "timeout", Limit: max(t.Options().Limit, 0)}
}

// Wrap returns next under the limit. The limit is around the whole call, but for calls that a
// policy further out repeats.
func (t *Timeout) Wrap(next holdfast.Handler) holdfast.Handler {
	return t.WrapAt(holdfast.Place{}, next)
}

// WrapAt is Wrap for a place in a chain.
func (t *Timeout) WrapAt(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	if t == nil || next == nil {
		return next
	}
	return t.handler(at, next)
}

// plus adds two times, the second of which may be absurdly long.
func plus(a, b time.Duration) time.Duration {
	if b > never-a {
		return never
	}
	return a + b
}

// slow returns what a slow reader has between two reads.
func slow(idle time.Duration) time.Duration {
	if idle > never/slowTimes {
		return never
	}
	return max(idle*slowTimes, slowLeast)
}
