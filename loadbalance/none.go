package loadbalance

import "github.com/holdfast-go/holdfast/discovery"

// The methods of a Pool are a Set's as well. Those here are for a nil Set, which Go could not find
// the Pool of.

func (s *Set) made() bool { return s != nil && s.Pool != nil && s.source != nil }

func (s *Set) of() *Pool {
	if s == nil {
		return nil
	}
	return s.Pool
}

// Options returns the options in force, with the defaults filled in; those of a nil Set are zero.
func (s *Set) Options() Options { return s.of().Options() }

// Update is the Pool's: the next answer of the Resolver takes its place.
func (s *Set) Update(endpoints []discovery.Endpoint) { s.of().Update(endpoints) }

// SetReady is the Pool's.
func (s *Set) SetReady(ready func(addr string) bool) { s.of().SetReady(ready) }

// Ready returns how many nodes there are to pick from at present; a nil Set has none.
func (s *Set) Ready() int { return s.of().Ready() }

// Nodes returns the nodes, in discovery's order; a nil Set has none.
func (s *Set) Nodes() []*Node { return s.of().Nodes() }

// Pick chooses a node; false: there is none.
func (s *Set) Pick(info PickInfo) (Picked, bool) { return s.of().Pick(info) }

// Each calls f with the figures of each node, in discovery's order, until f returns false.
func (s *Set) Each(f func(s Stats) bool) { s.of().Each(f) }

// Report takes in what the server at addr has said of itself.
func (s *Set) Report(addr string, signal Signal) { s.of().Report(addr, signal) }
