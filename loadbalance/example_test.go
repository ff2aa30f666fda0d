package loadbalance_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// A Set is one policy of a chain: here of a plain function.
func ExampleNew() {
	set := loadbalance.New(discovery.Static("10.0.0.1:80", "10.0.0.2:80"), loadbalance.RoundRobin, loadbalance.Options{})
	defer set.Close()
	h := holdfast.Chain(set)
	sent := map[string]int{}
	for range 10 {
		_, err := holdfast.Do(context.Background(), h, holdfast.Call{Target: "users"}, func(ctx context.Context) (int, error) {
			sent[holdfast.CallFrom(ctx).Endpoint]++
			return 0, nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(sent)
	// Output: map[10.0.0.1:80:5 10.0.0.2:80:5]
}

func ExampleWith() {
	set := loadbalance.New(discovery.DNS("users.internal:8080", discovery.DNSOptions{}), loadbalance.PeakEWMA, loadbalance.Options{
		SlowStart: time.Minute,
		Check:     loadbalance.Checks{Probe: loadbalance.HTTP("/healthz", nil)},
	})
	defer set.Close()
	fmt.Println(set.Status().Known)
	// Output: false
}

// A Pool is for a transport that finds its servers itself.
func ExampleNewPool() {
	pool := loadbalance.NewPool(loadbalance.LeastRequest, loadbalance.Options{})
	defer pool.Close()
	pool.Update([]discovery.Endpoint{{Addr: "10.0.0.1:80"}})
	picked, ok := pool.Pick(loadbalance.PickInfo{})
	fmt.Println(picked.Node.Addr(), ok, picked.Node.InFlight())
	picked.Answered(holdfast.Result{Class: holdfast.Success})
	picked.Done(holdfast.Success)
	fmt.Println(picked.Node.InFlight())
	// Output:
	// 10.0.0.1:80 true 1
	// 0
}

// used is how many of five nodes a hundred picks with so many keys go to.
func used(strategy loadbalance.Strategy, keys int) int {
	pool := loadbalance.NewPool(strategy, loadbalance.Options{})
	defer pool.Close()
	pool.Update([]discovery.Endpoint{{Addr: "a", Zone: "z"}, {Addr: "b", Zone: "z"}, {Addr: "c"}, {Addr: "d"}, {Addr: "e"}})
	seen := map[string]bool{}
	for i := range 100 {
		ctx := loadbalance.WithKey(context.Background(), fmt.Sprint("user ", i%keys))
		picked, _ := pool.Pick(loadbalance.PickInfo{Ctx: ctx})
		seen[picked.Node.Addr()] = true
	}
	return len(seen)
}

func ExampleRoundRobin() {
	fmt.Println(used(loadbalance.RoundRobin, 1))
	// Output: 5
}

func ExampleRandom() {
	fmt.Println(used(loadbalance.Random, 1))
	// Output: 5
}

func ExampleWeightedRoundRobin() {
	fmt.Println(used(loadbalance.WeightedRoundRobin, 1))
	// Output: 5
}

func ExampleLeastRequest() {
	fmt.Println(used(loadbalance.LeastRequest, 1))
	// Output: 5
}

func ExampleNewLeastRequest() {
	fmt.Println(used(loadbalance.NewLeastRequest(-1), 1)) // the least of all
	// Output: 5
}

func ExamplePeakEWMA() {
	fmt.Println(used(loadbalance.PeakEWMA, 1))
	// Output: 5
}

func ExampleNewPeakEWMA() {
	fmt.Println(used(loadbalance.NewPeakEWMA(3), 1)) // the best of three
	// Output: 5
}

func ExampleRingHash() {
	fmt.Println(used(loadbalance.RingHash, 1), used(loadbalance.RingHash, 50)) // one key, one node
	// Output: 1 5
}

func ExampleNewRingHash() {
	fmt.Println(used(loadbalance.NewRingHash(1.25), 1) > 1) // a hot key spreads, as far as it must
	// Output: true
}

func ExampleMaglev() {
	fmt.Println(used(loadbalance.Maglev, 1), used(loadbalance.Maglev, 50))
	// Output: 1 5
}

func ExampleNewMaglev() {
	fmt.Println(used(loadbalance.NewMaglev(1009), 1))
	// Output: 1
}

func ExampleRendezvous() {
	fmt.Println(used(loadbalance.Rendezvous, 1), used(loadbalance.Rendezvous, 50))
	// Output: 1 5
}

func ExampleNewPrequal() {
	signal := func(context.Context, string) (loadbalance.Signal, error) {
		return loadbalance.Signal{InFlight: 3, Latency: 10 * time.Millisecond}, nil // asked of the server, really
	}
	fmt.Println(used(loadbalance.NewPrequal(loadbalance.PrequalOptions{Probe: signal}), 1) > 1)
	// Output: true
}

func ExampleZoneAware() {
	fmt.Println(used(loadbalance.ZoneAware("z", loadbalance.RoundRobin), 1) >= 2)
	// Output: true
}

func ExampleTCP() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	e := discovery.Endpoint{Addr: l.Addr().String()}
	fmt.Println(loadbalance.TCP(context.Background(), e))
	_ = l.Close()
	fmt.Println(loadbalance.TCP(context.Background(), e) != nil)
	// Output:
	// <nil>
	// true
}

func ExampleHTTP() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	ask := loadbalance.HTTP("/healthz", nil)
	fmt.Println(ask(context.Background(), discovery.Endpoint{Addr: server.Listener.Addr().String()}))
	// Output: /healthz answers 404 Not Found
}

func ExampleWithKey() {
	ctx := loadbalance.WithKey(context.Background(), "user 7") // for RingHash, Maglev and Rendezvous
	fmt.Println(ctx != nil)
	// Output: true
}
