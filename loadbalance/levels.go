package loadbalance

import "slices"

// rebuild makes a new snapshot of the nodes that may be picked; the lock is held.
func (p *Pool) rebuild() {
	s := &snapshot{timed: p.o.Guard != nil}
	byPriority := map[int][]*Node{}
	var priorities []int
	for _, n := range p.order {
		if n.drained() || !n.state.ready {
			continue
		}
		at := n.endpoint.Load().Priority
		if byPriority[at] == nil {
			priorities = append(priorities, at)
		}
		byPriority[at] = append(byPriority[at], n)
		if n.state.ejected && n.state.waiting {
			s.probes = append(s.probes, n)
		}
	}
	slices.Sort(priorities)
	var shares []float64
	for _, at := range priorities {
		all := byPriority[at]
		panicking := false
		well := slices.DeleteFunc(slices.Clone(all), func(n *Node) bool { return n.state.ejected || n.state.ill })
		s.well = s.well || len(well) > 0
		shares = append(shares, float64(len(well))/float64(len(all)))
		if p.o.PanicThreshold > 0 && float64(len(well)) < p.o.PanicThreshold*float64(len(all)) || len(well) == 0 {
			well, panicking = all, true
		}
		picker := p.strategy(well)
		_, hashed := picker.(interface{ hashed() })
		_, untimed := picker.(interface{ timeless() })
		s.timed = s.timed || !untimed
		s.levels = append(s.levels, level{nodes: well, picker: picker, hashed: hashed, panicking: panicking})
	}
	s.simple = len(s.levels) == 1 && !s.levels[0].panicking && len(s.probes) == 0 && p.o.Guard == nil
	spread(s.levels, shares)
	p.now.Store(s)
	p.announce()
}

// overprovisioned is how much more than its share a level can take, as in Envoy.
const overprovisioned = 1.4

// spread gives each priority the calls that those before it have no room for.
func spread(levels []level, well []float64) {
	loads := loadsOf(well)
	sum := 0.0
	for i := range levels {
		sum += loads[i]
		levels[i].upTo = sum
	}
}

// loadsOf is Envoy's rule: a level has room for 1.4 times its healthy part, and at
// most for all; where all rooms together do not suffice they share in proportion.
func loadsOf(well []float64) []float64 {
	rooms, total := make([]float64, len(well)), 0.0
	for i, part := range well {
		rooms[i] = min(1, overprovisioned*part)
		total += rooms[i]
	}
	loads, rest := make([]float64, len(well)), 1.0
	if total == 0 {
		if len(loads) > 0 {
			loads[0] = 1
		}
		return loads
	}
	scale := max(1/min(total, 1), 1)
	for i, room := range rooms {
		loads[i] = min(rest, room*scale)
		rest -= loads[i]
	}
	return loads
}
