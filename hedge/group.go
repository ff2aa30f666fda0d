package hedge

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
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
	start time.Time

	hedges sync.WaitGroup // timers that are set and attempts that they have sent

	mu       sync.Mutex
	timer    *time.Timer
	sent     int // hedges, so far
	running  int // attempts, the first one too
	over     bool
	first    attempt
	attempts []*attempt // by their number in the group
	room     [2]*attempt
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
	g.timer = time.AfterFunc(g.delay, g.fire)
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
	took := time.Since(g.start)
	returned = true
	g.finish(0, g.call, res)
	g.hedges.Wait()
	if g.threw {
		g.drop()
		panic(g.thrown)
	}
	g.t.observe(g.start.Add(took), took, res, g.by != 0 && g.res.Class == holdfast.Success)
	for i, a := range g.attempts {
		if i != g.by {
			a.end(holdfast.ErrSuperseded)
		}
	}
	if g.by != 0 && g.res.Class == holdfast.Success {
		g.t.won.Add(1)
		g.tell(Event{Attempt: g.wonBy, Won: true})
	}
	if g.res.Reply == nil {
		g.attempts[g.by].end(nil)
	} else {
		g.res.OnDone(g, 0)
	}
	return g.res
}

// Done lets go of the winner's context.
func (g *group) Done(uint64, holdfast.End) { g.attempts[g.by].end(nil) }

// drop lets go of what there is.
func (g *group) drop() {
	if g.have {
		g.res.Discard()
	}
	for _, a := range g.attempts {
		a.end(nil)
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
			a.end(holdfast.ErrSuperseded)
		}
	}
}

// finish takes in what an attempt came to, and lets go of what is not to be
// returned.
func (g *group) finish(by int, call *holdfast.Call, res holdfast.Result) {
	g.mu.Lock()
	g.running--
	won := g.have && g.res.Class == holdfast.Success
	drop := res
	switch {
	case won:
	case res.Class == holdfast.Success:
		drop, g.res, g.by, g.wonBy = g.res, res, by, call.Attempt
		g.have = true
		g.ends(by)
	default:
		// Of failures, the one that says most: a server's verdict before what we
		// refused ourselves, and the latest of those.
		if !g.have || res.Class != holdfast.Ignored || g.res.Class == holdfast.Ignored && by == 0 {
			drop, g.res, g.by = g.res, res, by
			g.have = true
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
	drop.Discard()
}

// fire is run by the timer: it sends a hedge, or says why not.
func (g *group) fire() {
	defer g.hedges.Done()
	g.mu.Lock()
	if g.over || g.timer == nil {
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
	word := ""
	why, ok := g.call.MayRepeat(g.ctx)
	switch {
	case !ok:
		word = "layer"
	case !g.t.share.take(g.o.Share, time.Now()):
		word, why = "share", "share used up"
	case g.o.Budget != nil && !g.o.Budget.Withdraw(g.call.Target):
		word, why = "budget", "budget empty"
	}
	if why != "" {
		g.t.denied.Add(1)
		g.tell(Event{Denied: why, Reason: word})
		return
	}
	call := g.call.Again()
	call.Hedge = true
	defer func() {
		if g.o.Budget != nil && !call.Sent() {
			g.o.Budget.Refund(g.call.Target)
		}
	}()
	g.tell(Event{Attempt: call.Attempt})
	g.mu.Lock()
	if g.over {
		g.mu.Unlock()
		return
	}
	a := &attempt{Context: g.ctx}
	g.attempts = append(g.attempts, a)
	g.sent++
	by := g.sent
	g.running++
	if g.sent < g.o.Extra {
		g.hedges.Add(1)
		g.timer = time.AfterFunc(g.delay, g.fire)
	}
	g.mu.Unlock()
	g.t.hedges.Add(1)
	g.finish(by, call, g.next(a, call))
}

func (g *group) tell(e Event) {
	if g.o.OnHedge == nil && !g.call.Heard() {
		return
	}
	e.Target, e.Method, e.Delay = g.call.Target, g.call.Method, g.delay
	if g.o.OnHedge != nil && !e.Won {
		g.o.OnHedge(g.ctx, e)
	}
	g.call.Tell(g.ctx, e)
}
