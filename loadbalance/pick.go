package loadbalance

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

// A snapshot is what picks are made from: it never changes.
type snapshot struct {
	levels []level
	probes []*Node // that wait for one call to show whether they are back
	timed  bool    // some picker, or a guard, goes by the time
	well   bool    // some node is
	simple bool    // one level, not in panic, with neither probes nor guards
}

// untimed marks the pickers to which it makes no difference what calls take: their
// picks and answers spare the looks at the clock.
type untimed struct{}

func (untimed) timeless() {}

// A level is the nodes of one priority.
type level struct {
	nodes  []*Node
	picker Picker
	upTo   float64 // the part of the calls that this level and those before it take
	hashed bool    // slow start would move keys

	panicking bool // too few of them are well: all are used
}

// simply is pick for what is true of most: a first attempt, and one priority of nodes
// that are well and have no guards. nil: it is not so, or the one node that was tried
// lets the call go by.
func (s *snapshot) simply(info PickInfo) (n *Node, tried int) {
	if !s.simple || info.Call != nil && (info.Call.Attempt > 1 || info.Call.Hedge) {
		return nil, 0
	}
	l := &s.levels[0]
	if n = l.nodes[l.picker.Pick(info)]; l.passes(n) {
		return nil, 1
	}
	return n, 0
}

// passes reports whether a node in its slow start lets this call go by.
func (l *level) passes(n *Node) bool {
	return n.ramp.Load() != 0 && !l.hashed && rand.Float64() >= n.share(clock.Now())
}

// tries bounds how often a strategy is asked for one pick.
const tries = 6

// pick returns a node for an attempt and has entered its guard; nil: there is none.
func (s *snapshot) pick(info PickInfo) (n *Node, leave leaveFunc, probe int64) {
	if len(s.probes) > 0 {
		if n, leave, probe := s.probe(info); n != nil {
			return n, leave, probe
		}
	}
	if info.patient && !s.well {
		return nil, nil, 0
	}
	var least *Node
	first := s.first()
	for i := range s.levels {
		l := &s.levels[(first+i)%len(s.levels)]
		if n, leave = l.pick(info); n != nil {
			if l.panicking {
				n.pool.panics.Add(1)
			}
			return n, leave, 0
		}
		if least == nil && len(l.nodes) > 0 {
			least = l.nodes[rand.IntN(len(l.nodes))]
		}
	}
	// All were tried before, or their guards are not ready: one that was tried is
	// better than none.
	if least != nil {
		if leave, ok := least.enter(); ok {
			return least, leave, 0
		}
	}
	return nil, nil, 0
}

// first draws the level to begin with.
func (s *snapshot) first() int {
	if len(s.levels) < 2 {
		return 0
	}
	at := rand.Float64()
	for i := range s.levels {
		if at < s.levels[i].upTo {
			return i
		}
	}
	return 0
}

func (l *level) pick(info PickInfo) (*Node, leaveFunc) {
	if len(l.nodes) == 0 {
		return nil, nil
	}
	again := info.Call != nil && (info.Call.Attempt > 1 || info.Call.Hedge)
	for try := info.Try; try < tries; try++ {
		info.Try = try
		n := l.nodes[l.picker.Pick(info)]
		if again && info.Call.Tried(n.addr) {
			continue
		}
		if try < tries/2 && l.passes(n) {
			continue
		}
		if leave, ok := n.enter(); ok {
			return n, leave
		}
	}
	from := rand.IntN(len(l.nodes))
	for i := range l.nodes {
		n := l.nodes[(from+i)%len(l.nodes)]
		if again && info.Call.Tried(n.addr) {
			continue
		}
		if leave, ok := n.enter(); ok {
			return n, leave
		}
	}
	return nil, nil
}

// A leaveFunc gives back what a guard gave.
type leaveFunc = func(holdfast.Class, time.Duration)

// enter passes the guard, if there is one.
func (n *Node) enter() (leave leaveFunc, ok bool) {
	if n.guard == nil {
		return nil, true
	}
	if !n.guard.Ready() {
		return nil, false
	}
	return n.guard.Enter()
}

// overdue is when a node that waits gets another probe, since the last one has not
// come to an end.
const overdue = int64(10 * time.Second)

// probe gives the attempt to a node that waits for one, first attempts alone. The
// probe is known by when it began.
func (s *snapshot) probe(info PickInfo) (n *Node, leave leaveFunc, probe int64) {
	if info.Call != nil && (info.Call.Attempt > 1 || info.Call.Hedge) {
		return nil, nil, 0
	}
	for _, n := range s.probes {
		last := n.state.probing.Load()
		probe := clock.Now()
		if last != 0 && probe-last < overdue || !n.state.probing.CompareAndSwap(last, probe) {
			continue
		}
		if leave, ok := n.enter(); ok {
			return n, leave, probe
		}
		n.state.probing.CompareAndSwap(probe, 0)
	}
	return nil, nil, 0
}

// A Picked is a node that an attempt goes to. Done is to be called once.
type Picked struct {
	Node  *Node
	leave leaveFunc // the guard, if there is one
	probe int64     // it is to show whether the node is back; 0: it is not
	began int64     // 0: nobody asks
}

// Pick chooses a node; false: there is none. info.Now may be 0, and stays so where
// the strategy does not go by the time.
func (p *Pool) Pick(info PickInfo) (Picked, bool) {
	if p == nil {
		return Picked{}, false
	}
	s := p.now.Load()
	if s == nil {
		return Picked{}, false
	}
	if info.Now == 0 && s.timed {
		info.Now = clock.Now()
	}
	info.Try = 0
	n, tried := s.simply(info)
	leave, probe := leaveFunc(nil), int64(0)
	if n == nil {
		info.Try = tried
		if n, leave, probe = s.pick(info); n == nil {
			return Picked{}, false
		}
	}
	n.pending.Add(1)
	n.picks.Add(1)
	return Picked{Node: n, leave: leave, probe: probe, began: info.Now}, true
}

// Answered takes in what the attempt has come to, which may go on: its Result. It
// is called before Done, once or not at all.
func (d Picked) Answered(res holdfast.Result) { d.Node.pool.answered(d, res) }

// Ended takes in how a stream has ended, whose length says nothing of its node: in
// the place of Answered, where the beginning of the answer is not seen.
func (d Picked) Ended(res holdfast.Result) {
	switch res.Class.Server() {
	case holdfast.Healthy:
		d.Node.pool.judge(d, res)
	case holdfast.Unhealthy, holdfast.Overloaded: // whose penalty does not go by the time
		d.Answered(res)
	}
}

// Done says that the attempt is over.
func (d Picked) Done(class holdfast.Class) {
	n := d.Node
	n.pending.Add(-1)
	if d.leave != nil {
		d.leave(class, since(d.began))
	}
	if d.probe != 0 && n.state.probing.CompareAndSwap(d.probe, 0) { // it ended without an answer
		n.pool.wake()
	}
	if n.removed.Load() {
		n.pool.left(n)
	}
}
