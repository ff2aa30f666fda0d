package main

import "github.com/holdfast-go/holdfast"

var _ holdfast.Measured = (*Bulkhead)(nil)

// Figures tells how many calls each tenant has under way, to whoever shows it.
func (b *Bulkhead) Figures(yield func(holdfast.Figure) bool) {
	for name, n := range b.underWay() { // a copy: no lock is held while yield runs
		if !yield(holdfast.Figure{
			Name: "bulkhead_in_flight", Help: "Calls of a tenant that are under way.",
			Labels: map[string]string{"tenant": name}, Value: float64(n),
		}) {
			return
		}
	}
}

func (b *Bulkhead) underWay() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := make(map[string]int, len(b.tenants))
	for name, t := range b.tenants {
		n[name] = t.underWay
	}
	return n
}
