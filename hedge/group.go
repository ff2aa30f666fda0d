package hedge

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
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
		if !returned { // a panic of the first attempt: nothing of the call stays
			g.end(-1)
			g.hedges.Wait()
			g.drop()
		}
	}()
	res := g.next(&g.first, g.call)
	took := since(g.start)
	returned = true
	g.finish(0, g.call, res)
	g.hedges.Wait()
	if g.threw {
		g.drop()
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
	return g.res
}

// Done lets go of the winner's context.
func (g *group) Done(uint64, holdfast.End) { g.attempts[g.by].End(nil) }

// drop lets go of what there is.
func (g *group) drop() {
	if g.have {
		g.res.Discard()
	}
	for _, a := range g.attempts {
		a.End(nil)
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
	won := g.have && g.res.Class == holdfast.Success
	drop, put := res, holdfast.Result{}
	switch {
	case won:
	case res.Class == holdfast.Success:
		drop, g.res, g.by, g.wonBy = g.res, res, by, call.Attempt
		g.have = true
		g.ends(by)
	default:
		if !g.have || g.tellsMore(res, by) {
			drop, g.res, g.by = g.res, res, by
			g.have = true
		}
		if g.running > 0 && g.res.Reply == res.Reply {
			put = res // what it holds may be what the others wait for
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
	g.mu.Unlock()
	if by != 0 && (won || res.Class != holdfast.Success) {
		call.Record.Log(call, res)
	}
	if put.Reply != nil {
		if keeper, ok := put.Reply.(holdfast.Keeper); ok {
			keeper.Keep()
		}
	}
	drop.Discard()
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

// set has a hedge sent after a while; the lock is held.
func (g *group) set(now int64, d time.Duration) {
	g.began = now
	g.timer = time.AfterFunc(d, g.fire)
	g.due = g.began + int64(d)
}

// A look at what has arrived comes before a hedge whose delay was in part a pause of this
// process: the answer may be in the socket, and a burst of hedges would be the least that a
// process needs which has just woken up. It lasts as long as the pause did, the delay at
// most, and is had a few times only.
const looks = 3

// looking reports whether there was such a pause, and the timer is set again for a look; the
// lock is held.
func (g *group) looking() bool {
	now := clock.Now()
	pause.Look(now)
	pause.Note(g.due, now)
	missed, _ := pause.Between(g.began, now)
	if missed == 0 || g.late == looks {
		return false
	}
	g.late++
	g.hedges.Add(1)
	g.set(now, min(g.delay, missed))
	return true
}

// fire is run by the timer: it sends a hedge, or says why not.
func (g *group) fire() {
	defer g.hedges.Done()
	g.mu.Lock()
	if g.over || g.timer == nil || g.looking() {
		g.mu.Unlock()
		return
	}
	g.timer = nil
	g.mu.Unlock()

	settled := false
	defer func() {
		if settled {
			return
		}
		if thrown := recover(); thrown != nil { // else it has exited its goroutine: that is its end, and no more
			g.mu.Lock()
			g.thrown, g.threw = thrown, true
			g.ends(-1)
			g.mu.Unlock()
		}
	}()
	g.hedge()
	settled = true
}

// hedge sends one attempt, if it may.
func (g *group) hedge() {
	word := "body"
	why, ok := g.call.Replayable()
	if ok {
		word = "layer"
		why, ok = g.call.MayRepeat(g.ctx)
	}
	switch {
	case !ok:
	case !g.t.share.take(g.o.Share, clock.Now()):
		word, why = "share", "share used up"
	case g.o.Budget != nil && !g.o.Budget.Withdraw(g.call.Target):
		word, why = "budget", "budget empty"
	}
	if why != "" {
		g.t.denied.Add(1)
		g.tell(holdfast.Event{Kind: "hedge_denied", Reason: word, Detail: why})
		return
	}
	var call *holdfast.Call
	defer func() {
		if g.o.Budget != nil && (call == nil || !call.Sent()) {
			g.o.Budget.Refund(g.call.Target)
		}
	}()
	g.mu.Lock()
	over := g.over
	g.mu.Unlock()
	if over { // it was answered as its hedge was due: there is nothing to tell
		return
	}
	call = g.call.Again()
	call.Hedge = true
	g.tell(holdfast.Event{Kind: "hedge", Attempt: call.Attempt})
	g.mu.Lock()
	if g.over { // listeners have taken its time
		g.mu.Unlock()
		return
	}
	a := &attempt.Context{Context: g.ctx}
	g.attempts = append(g.attempts, a)
	g.sent++
	by := g.sent
	g.running++
	if g.sent < g.o.MaxHedges {
		g.hedges.Add(1)
		g.set(clock.Now(), g.delay)
	}
	g.mu.Unlock()
	g.t.hedges.Add(1)
	g.finish(by, call, g.next(a, call))
}

// tell tells that a hedge is about to be sent, is not, or has won. They are meant to be sent: it
// is for debugging.
func (g *group) tell(e holdfast.Event) {
	if g.o.OnHedge == nil && !g.call.Heard() {
		return
	}
	e.Level, e.Policy, e.Target, e.Method, e.Wait = slog.LevelDebug, "hedge", g.call.Target, g.call.Method, g.delay
	defer g.call.Tell(g.ctx, e) // also where the callback panics
	if g.o.OnHedge != nil && e.Kind != "hedge_won" {
		g.o.OnHedge(g.ctx, e)
	}
}
