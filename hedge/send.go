package hedge

import (
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

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

// hedge sends one attempt, if it may. What it was granted goes back where the attempt is not
// sent: the call is answered, cancelled or out of time by then, a policy further in rejects it,
// its body cannot be had, or a callback panics.
func (g *group) hedge() {
	if g.ctx.Err() != nil || !fits(g.ctx, 0, g.o.MinAttempt) { // there is nothing to tell
		return
	}
	var grant grant
	var call *holdfast.Call
	var res holdfast.Result
	defer func() {
		if call != nil && call.Sent() && !neverLeft(call, res) {
			g.t.hedges.Add(1)
		} else {
			g.giveBack(grant)
		}
	}()
	if word, why := g.ask(&grant); why != "" {
		g.t.denied.Add(1)
		g.tell(holdfast.Event{Kind: "hedge_denied", Reason: word, Detail: why})
		return
	}
	g.mu.Lock()
	over := g.over
	g.mu.Unlock()
	if over { // it was answered as its hedge was due: there is nothing to tell
		return
	}
	again := g.call.Again()
	again.Hedge = true
	g.tell(holdfast.Event{Kind: "hedge", Attempt: again.Attempt})
	a, by := g.begin()
	if a == nil { // listeners have taken its time
		return
	}
	call = again
	returned := false
	defer func() {
		if !returned { // it panics, or leaves its goroutine
			g.mu.Lock()
			g.running--
			g.mu.Unlock()
		}
	}()
	res = g.next(a, call)
	returned = true
	g.finish(by, call, res)
}

// neverLeft reports whether an attempt came to nothing before anything was sent. A Result of
// another attempt, which a policy further in has made, does not say so of this one.
func neverLeft(call *holdfast.Call, res holdfast.Result) bool {
	return res.Attempt == call.Attempt && res.Class.Server() == holdfast.Unknown && res.Class.Again(false)
}

// begin enters a hedge, and sets the timer of the next one. nil: none is to be sent any more.
func (g *group) begin() (a *attempt.Context, by int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || g.ctx.Err() != nil || !fits(g.ctx, 0, g.o.MinAttempt) {
		return nil, 0
	}
	a = &attempt.Context{Context: g.ctx}
	g.attempts = append(g.attempts, a)
	g.sent++
	g.running++
	if g.sent < g.o.MaxHedges {
		g.hedges.Add(1)
		g.set(clock.Now(), g.delay)
	}
	return a, g.sent
}

// A grant is what a hedge was granted.
type grant struct {
	share, budget bool
	at            int64 // when the share was
}

// ask asks whether a hedge may be sent. It returns why not.
func (g *group) ask(had *grant) (word, why string) {
	if why, ok := g.call.Replayable(); !ok {
		return "body", why
	}
	if why, ok := g.call.MayRepeat(g.ctx); !ok {
		return "layer", why
	}
	if had.at, had.share = g.t.share.take(g.o.Share, clock.Now()); !had.share {
		return "share", "share used up"
	}
	if g.o.Budget != nil {
		if had.budget = g.o.Budget.Withdraw(g.call.Target); !had.budget {
			return "budget", "budget empty"
		}
	}
	return "", ""
}

func (g *group) giveBack(had grant) {
	if had.share {
		g.t.share.giveBack(g.o.Share, had.at, clock.Now())
	}
	if had.budget {
		g.o.Budget.Refund(g.call.Target)
	}
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
