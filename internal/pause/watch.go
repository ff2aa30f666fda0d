package pause

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// A Watch is one call that is under way.
type Watch struct{ shard *shard }

// shards are counted by calls at once on many processors, which rarely meet.
const shards = 1 << 3

type shard struct {
	n atomic.Int64
	_ [56]byte // a cache line each
}

var (
	under  [shards]shard
	armed  atomic.Bool
	arming sync.Mutex
	timer  *time.Timer
	due    atomic.Int64 // when the timer is to run
)

// Begin says that a call is under way which can run out of time, since now. End it.
func Begin(now int64) Watch {
	if clock.InBubble(now) {
		return Watch{}
	}
	s := &under[uint64(now)*0x9E3779B97F4A7C15>>61] // drawn from the time
	s.n.Add(1)
	if !armed.Load() {
		arm()
	}
	return Watch{s}
}

// End says that the call is over.
func (w Watch) End() {
	if w.shard != nil {
		w.shard.n.Add(-1)
	}
}

func arm() {
	arming.Lock()
	defer arming.Unlock()
	if armed.Load() || clock.Bubble() { // a timer of the process is none of a bubble's
		return
	}
	clock.LookAtWall()
	due.Store(clock.Now() + int64(every))
	if timer == nil {
		timer = time.AfterFunc(every, tick)
	} else {
		timer.Reset(every)
	}
	armed.Store(true)
}

// tick looks whether it is late, and goes on while there are calls.
func tick() {
	arming.Lock()
	defer arming.Unlock()
	now := clock.Now()
	Note(due.Load(), now)
	clock.LookAtWall()
	busy := false
	for i := range under {
		busy = busy || under[i].n.Load() > 0
	}
	if !busy {
		armed.Store(false)
		for i := range under { // one that began at this very moment has seen that it was armed
			busy = busy || under[i].n.Load() > 0
		}
		if !busy {
			return
		}
		armed.Store(true)
	}
	due.Store(now + int64(every))
	timer.Reset(every)
}

// Look takes in that it is now, where the timer has not had its turn yet: a process that
// wakes up runs what was waiting in any order.
func Look(now int64) {
	if !armed.Load() {
		return
	}
	if at := due.Load(); now-at >= int64(Late) {
		Note(at, now)
	}
}
