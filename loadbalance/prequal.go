package loadbalance

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/option"
)

// A Signal is what a server says of itself: how many requests it works on, and what
// they take lately.
type Signal struct {
	InFlight int
	Latency  time.Duration
}

type signalAt struct {
	Signal
	at int64
}

// Report takes in what the server at addr has said of itself, with an answer or to a
// probe. Only Prequal asks for it.
func (p *Pool) Report(addr string, s Signal) {
	if p == nil {
		return
	}
	p.mu.Lock()
	n := p.nodes[addr]
	p.mu.Unlock()
	if n != nil {
		n.signal.Store(&signalAt{Signal: s, at: clock.Now()})
	}
}

// PrequalOptions set up a Prequal. The zero value is the default of every field.
type PrequalOptions struct {
	// Probe asks a server for its Signal, on a goroutine of its own; nil: servers
	// report with their answers alone (Pool.Report).
	Probe func(ctx context.Context, addr string) (Signal, error)
	// Rate is how many probes each pick sends, on average: 0 means 3; negative: none.
	Rate float64
	// Timeout of a probe: 0 and negative mean 3 ms.
	Timeout time.Duration
	// HotQuantile is the quantile of the calls in flight above which a server is hot: 0 means
	// 0.6; negative: all are, so that calls in flight alone count.
	HotQuantile float64
}

func (o PrequalOptions) filled() PrequalOptions {
	o.Rate = option.Of(o.Rate, 3, option.Off)
	if o.Probe == nil {
		o.Rate = option.Off
	}
	o.Timeout = option.Of(o.Timeout, 3*time.Millisecond, 3*time.Millisecond)
	o.HotQuantile = option.Of(o.HotQuantile, 0.6, option.Off)
	return o
}

// NewPrequal makes a Strategy that picks by what servers say of themselves ("Load is
// not what you should balance: Introducing Prequal", Wydrowski et al., NSDI 2024):
// among a pool of recent signals the fastest of the servers that are not hot, else
// the one with the fewest calls. With too few signals it picks at random. The pool
// has a third of the nodes at most, and 16: with few nodes a larger one would be
// used up by its best.
func NewPrequal(o PrequalOptions) Strategy {
	o = o.filled()
	return func(nodes []*Node) Picker {
		size := min(16, max(3, len(nodes)/3))
		p := &prequal{o: o, nodes: nodes, size: size}
		rate := max(o.Rate, 0.5)
		if left := (1-float64(size)/float64(len(nodes)))*rate - 1; left > 0 {
			p.reuse = max(1, 2/left) // b_reuse with delta 1 and one removed for each pick
		} else {
			p.reuse = 1
		}
		return p
	}
}

// signalAge is how long a signal counts.
const signalAge = int64(time.Second)

type prequal struct {
	o     PrequalOptions
	nodes []*Node
	size  int
	reuse float64

	mu      sync.Mutex
	pool    []pooled
	owed    float64 // of a probe
	rifs    [64]int // the latest of any server
	n       int     // how many of them there were
	worst   bool    // the next to be removed is the worst one, else the oldest
	reports []int64 // when the report of each node was taken in
}

type pooled struct {
	node    int
	rif     int
	latency time.Duration
	at      int64
	uses    int
}

// Pick chooses from the pool, and sends probes for the picks that follow.
func (p *prequal) Pick(info PickInfo) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gather(info.Now)
	p.probe()
	at := p.choose(info.Try)
	if at < 0 {
		return rand.IntN(len(p.nodes))
	}
	chosen := p.pool[at].node
	for i := range p.pool { // the call that follows is one more there
		if p.pool[i].node == chosen {
			p.pool[i].rif++
		}
	}
	if p.pool[at].uses--; p.pool[at].uses <= 0 {
		p.pool = slices.Delete(p.pool, at, at+1)
	}
	p.remove()
	return chosen
}

// gather drops what is old, and takes in what servers have reported.
func (p *prequal) gather(now int64) {
	p.pool = slices.DeleteFunc(p.pool, func(s pooled) bool { return now-s.at > signalAge })
	if p.reports == nil {
		p.reports = make([]int64, len(p.nodes))
	}
	// A few at random are looked at for each pick, not all.
	for range min(4, len(p.nodes)) {
		i := rand.IntN(len(p.nodes))
		if s := p.nodes[i].signal.Load(); s != nil && s.at != p.reports[i] && now-s.at <= signalAge {
			p.reports[i] = s.at
			p.add(i, s.Signal, s.at)
		}
	}
}

func (p *prequal) add(node int, s Signal, at int64) {
	p.rifs[p.n%len(p.rifs)] = s.InFlight
	p.n++
	uses := int(p.reuse)
	if rand.Float64() < p.reuse-float64(uses) {
		uses++
	}
	if len(p.pool) >= p.size {
		p.pool = slices.Delete(p.pool, 0, 1) // the oldest
	}
	p.pool = append(p.pool, pooled{node, s.InFlight, s.Latency, at, max(uses, 1)})
}

// hot is the number of calls in flight above which a server is.
func (p *prequal) hot() int {
	n := min(p.n, len(p.rifs))
	if p.o.HotQuantile < 0 || n == 0 {
		return -1
	}
	sorted := p.rifs
	slices.Sort(sorted[:n])
	return sorted[min(int(p.o.HotQuantile*float64(n)), n-1)]
}

// choose returns the place in the pool of the best signal; -1: there are too few.
func (p *prequal) choose(try int) int {
	if len(p.pool) < 2 || try > 0 {
		return -1
	}
	limit, best := p.hot(), 0
	for i := 1; i < len(p.pool); i++ {
		if p.pool[i].better(p.pool[best], limit) {
			best = i
		}
	}
	return best
}

func (s pooled) better(other pooled, hot int) bool {
	switch cold, otherCold := s.rif <= hot, other.rif <= hot; {
	case cold && otherCold:
		return s.latency < other.latency
	case cold != otherCold:
		return cold
	}
	return s.rif < other.rif
}

// remove takes the oldest and the worst out in turn: picks use up the good ones,
// and what stays would be ever worse.
func (p *prequal) remove() {
	if len(p.pool) <= 2 {
		return
	}
	at := 0
	if p.worst = !p.worst; p.worst {
		limit := p.hot()
		for i := 1; i < len(p.pool); i++ {
			if p.pool[at].better(p.pool[i], limit) {
				at = i
			}
		}
	}
	p.pool = slices.Delete(p.pool, at, at+1)
}

// probe asks servers drawn at random, for later picks.
func (p *prequal) probe() {
	for p.owed += max(p.o.Rate, 0); p.owed >= 1; p.owed-- {
		i := rand.IntN(len(p.nodes))
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), p.o.Timeout)
			defer cancel()
			s, err := p.o.Probe(ctx, p.nodes[i].addr)
			if err != nil || ctx.Err() != nil {
				return
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.add(i, s, clock.Now())
		}()
	}
}
