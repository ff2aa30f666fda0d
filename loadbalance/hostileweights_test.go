package loadbalance_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/alloctest"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// A weight is whatever a file or a DNS answer says: what a strategy takes for it is in proportion to
// the endpoints, and not to their weights, and the heavier one has more.
func TestNoWeightTakesMuchMemory(t *testing.T) {
	heavy := []discovery.Endpoint{{Addr: "light", Weight: 0}}
	for _, e := range named(100) {
		e.Weight = 65535 // as much as an SRV record can say
		heavy = append(heavy, e)
	}
	keys := keysOf(t)
	for name, strategy := range map[string]loadbalance.Strategy{
		"ring hash": loadbalance.RingHash, "maglev": loadbalance.Maglev, "rendezvous": loadbalance.Rendezvous,
		"weighted round robin": loadbalance.WeightedRoundRobin,
	} {
		for _, endpoints := range [][]discovery.Endpoint{
			{{Addr: "heavy", Weight: 1_000_000_000}, {Addr: "light", Weight: 1}},
			{{Addr: "heavy", Weight: math.MaxInt}, {Addr: "light", Weight: 1}, {Addr: "small", Weight: 2}},
			heavy,
		} {
			began := time.Now()
			alloctest.Within(t, 4<<20, func() {
				p := pool(t, strategy, loadbalance.Options{}, endpoints...)
				if got := shares(t, p, 300, keys)["light"]; got > 0.1 {
					t.Errorf("%s: the lightest of %d has %.2f of the calls", name, len(endpoints), got)
				}
			})
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s: %v", name, took)
			}
		}
	}
}

// keysOf gives each call a key of its own.
func keysOf(t *testing.T) func(i int) loadbalance.PickInfo {
	return func(i int) loadbalance.PickInfo {
		return loadbalance.PickInfo{Ctx: loadbalance.WithKey(t.Context(), fmt.Sprint("key ", i))}
	}
}

// A table of any size, and with more nodes than it has places, has each of them.
func TestMaglevComesToAnEnd(t *testing.T) {
	keys := keysOf(t)
	for _, size := range []int{-1, 1, 2, 4, 9, 1000, 4096, 65536} {
		p := pool(t, loadbalance.NewMaglev(size), loadbalance.Options{}, named(4)...)
		for addr, got := range shares(t, p, 4000, keys) {
			if got == 0 || size > 100 && (got < 0.15 || got > 0.35) {
				t.Errorf("of a table of %d %s has %.2f", size, addr, got)
			}
		}
	}
	p := pool(t, loadbalance.NewMaglev(1000), loadbalance.Options{}, named(3000)...)
	if used := len(shares(t, p, 60_000, keys)); used < 2900 {
		t.Errorf("%d of 3,000 nodes are used", used)
	}
}
