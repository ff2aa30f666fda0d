package loadbalance

import "github.com/holdfast-go/holdfast"

var (
	_ holdfast.Measured = (*Set)(nil)
	_ holdfast.Measured = (*Pool)(nil)
)

// Figures tells how many endpoints there are by their health, where attempts were sent, and how
// old what discovery said is.
func (s *Set) Figures(yield func(holdfast.Figure) bool) {
	if !s.made() || !s.figures(s.String(), yield) {
		return
	}
	for _, f := range s.source.Figures() {
		kind := holdfast.Most
		if f.Sum {
			kind = holdfast.Gauge
		}
		if !yield(holdfast.Figure{Name: f.Name, Help: f.Help, Kind: kind, Labels: map[string]string{"set": s.String()}, Value: f.Value, Owner: s.source}) {
			return
		}
	}
}

// Figures tells how many endpoints there are by their health, and where attempts were sent. The
// label "set" is "pool": what its endpoints are of is known to a Set.
func (p *Pool) Figures(yield func(holdfast.Figure) bool) {
	if p != nil {
		p.figures("pool", yield)
	}
}

var healths = [...]string{"ready", "ejected", "probing", "unhealthy", "drained", "unready"}

func (p *Pool) figures(set string, yield func(holdfast.Figure) bool) bool {
	number := map[string]int{}
	var nodes []Stats
	p.Each(func(s Stats) bool {
		number[s.Health]++
		nodes = append(nodes, s)
		return true
	})
	for _, health := range healths {
		if !yield(holdfast.Figure{
			Name: "endpoints", Help: "Endpoints of a balancer, by their health.",
			Labels: map[string]string{"set": set, "health": health}, Value: float64(number[health]), Owner: p,
		}) {
			return false
		}
	}
	for _, s := range nodes {
		if !yield(holdfast.Figure{
			Name: "endpoint_picks_total", Help: "Attempts that a balancer has sent to an endpoint.", Kind: holdfast.Counter,
			Labels: map[string]string{"set": set, "endpoint": s.Addr}, Value: float64(s.Picks), Owner: p,
		}) {
			return false
		}
	}
	return yield(holdfast.Figure{
		Name: "panic_picks_total", Help: "Picks among all endpoints of a priority, since too few were healthy.", Kind: holdfast.Counter,
		Labels: map[string]string{"set": set}, Value: float64(p.panics.Load()), Owner: p,
	})
}
