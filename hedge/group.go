package hedge

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
)

// A group is the attempts of one call, and the hook that lets go of the winner's
// context when its answer is done.
type group struct {
	o     *Options
	t     *target
	next  holdfast.Handler
	ctx   context.Context
	call  *holdfast.Call
	delay time.Duration
	start int64

	hedges sync.WaitGroup // timers that are set and attempts that they have sent

	mu       sync.Mutex
	timer    *time.Timer
	began    int64 // when the timer was set
	due      int64 // when it is to run
	late     int   // how often this process had stood still meanwhile
	sent     int   // hedges, so far
	running  int   // attempts, the first one too
	over     bool
	first    attempt.Context
	attempts []*attempt.Context // by their number in the group
	room     [2]*attempt.Context
	have     bool // res is one that was received
	res      holdfast.Result
	by       int // the attempt that it is of
	wonBy    int // its number in the call
	thrown   any // by a hedge
	threw    bool
}

// run makes the first attempt on this goroutine, and returns what the call comes to.
func (g *group) run() holdfast.Result {
	g.first.Context = g.ctx
	g.attempts, g.running = append(g.room[:0], &g.first), 1
	g.hedges.Add(1)
	g.mu.Lock() // the timer may run before it is known
	g.set(g.start, g.delay)
	g.mu.Unlock()

	returned := false
	defer func() {
		if !returned { // a panic, of an attempt or of what lets go of a loser: nothing of the call stays
			g.end(-1)
			g.hedges.Wait()
			g.drop()
		}
	}()
	res := g.next(&g.first, g.call)
	took := since(g.start)
	g.finish(0, g.call, res)
	g.hedges.Wait()
	if g.threw {
		panic(g.thrown)
	}
	g.t.observe(g.start+int64(took), took, res, g.by != 0 && g.res.Class == holdfast.Success)
	for i, a := range g.attempts {
		if i != g.by {
			a.End(holdfast.ErrSuperseded)
		}
	}
	if g.by != 0 && g.res.Class == holdfast.Success {
		g.t.won.Add(1)
		g.tell(holdfast.Event{Kind: "hedge_won", Attempt: g.wonBy})
	}
	if g.res.Reply == nil {
		g.attempts[g.by].End(nil)
	} else {
		g.res.OnDone(g, 0)
	}
	returned = true
	return g.res
}

// Done lets go of the winner's context.
func (g *group) Done(uint64, holdfast.End) { g.attempts[g.by].End(nil) }

// drop lets go of what there is.
func (g *group) drop() {
	defer func() {
		for _, a := range g.attempts {
			a.End(nil)
		}
	}()
	if g.have {
		g.res.Discard()
	}
}

// end sets the end of the call: no hedge is sent any more, and all attempts but
// the winner are cancelled.
func (g *group) end(winner int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ends(winner)
}

func (g *group) ends(winner int) {
	if !g.over && g.timer != nil && g.timer.Stop() {
		g.hedges.Done() // it will not run
	}
	g.over, g.timer = true, nil
	for i, a := range g.attempts {
		if i != winner {
			a.End(holdfast.ErrSuperseded)
		}
	}
}

// finish takes in what an attempt came to, and lets go of what is not to be
// returned.
func (g *group) finish(by int, call *holdfast.Call, res holdfast.Result) {
	g.mu.Lock()
	g.running--
	drop, keep := res, false
	switch {
	case g.have && g.res.Class == holdfast.Success: // another one has won
	case res.Class == holdfast.Success:
		drop, g.res, g.by, g.wonBy = g.res, res, by, call.Attempt
		g.have = true
		g.ends(by)
	default:
		if !g.have || g.tellsMore(res, by) {
			drop, g.res, g.by = g.res, res, by
			g.have = true
			keep = g.running > 0 // what it holds may be what the others wait for
		}
		if g.running == 0 || by == 0 && g.ctx.Err() != nil {
			g.ends(by)
		} else if (by == 0 || res.After != 0) && g.timer != nil {
			if g.timer.Stop() {
				g.hedges.Done()
			}
			g.timer = nil // no further hedge: a failure is retry's matter, a wish the server's
		}
	}
	hedged := g.sent > 0
	g.mu.Unlock()
	defer drop.Discard() // also where a hook of what is kept panics
	if hedged {
		call.Record.Log(call, res)
	}
	if keeper, ok := res.Reply.(holdfast.Keeper); ok && keep {
		keeper.Keep()
	}
}

// tellsMore reports whether the outcome of an attempt is to be returned and not the one
// that there is: the strictest wish of a server survives; a server's word comes before
// what says nothing of one; and the latest counts.
func (g *group) tellsMore(res holdfast.Result, by int) bool {
	known, knew := res.Class.Server() != holdfast.Unknown, g.res.Class.Server() != holdfast.Unknown
	switch {
	case known != knew:
		return known
	case !known:
		return by == 0
	}
	return strictness(res.After) >= strictness(g.res.After)
}

// strictness orders wishes: none, the transport's caution, to wait the longer, never.
func strictness(after time.Duration) time.Duration {
	switch {
	case after == holdfast.Never:
		return math.MaxInt64
	case after < 0:
		return 1
	}
	return after
}
