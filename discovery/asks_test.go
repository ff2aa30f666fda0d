package discovery_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast/discovery"
)

// Kubernetes has the endpoints of a large service in slices: all of them are used, an
// update of one leaves the others as they are, and an emptied one empties nothing but
// itself.
func TestSlicesOfAServiceAreOneSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slices := make([]*discovery.Source, 3)
		var resolvers []discovery.Resolver
		for i := range slices {
			slices[i] = new(discovery.Source)
			resolvers = append(resolvers, slices[i])
		}
		fill := func(i, from, to int, generation uint64) {
			var pods []discovery.Endpoint
			for pod := from; pod < to; pod++ {
				pods = append(pods, discovery.Endpoint{Addr: fmt.Sprintf("10.0.%d.%d:80", pod/250, pod%250)})
			}
			slices[i].Publish(generation, pods...)
		}
		fill(0, 0, 100, 1)
		fill(1, 100, 200, 1)
		fill(2, 200, 250, 1)
		s, stop := watch(t, discovery.Merge(resolvers...))
		defer stop()
		count := func() int { return len(s.sets[len(s.sets)-1]) }
		if count() != 250 {
			t.Errorf("%d of 250 pods", count())
		}
		fill(1, 100, 190, 2)
		synctest.Wait()
		if count() != 240 {
			t.Errorf("%d pods after one slice has ten less", count())
		}
		fill(2, 0, 0, 2)
		synctest.Wait()
		if count() != 190 || len(s.errs) > 0 {
			t.Errorf("%d pods after a slice was emptied, %v", count(), s.errs)
		}
	})
}

// One family alone, for hosts that cannot reach the other.
func TestDNSOfOneFamily(t *testing.T) {
	s := newDNSServer(t)
	s.set("users.test", answer{addrs: []string{"10.0.0.1", "fd00::1"}, ttl: 60})
	for network, want := range map[string]string{"ip4": "10.0.0.1:80", "ip6": "[fd00::1]:80"} {
		for how, o := range both(s, discovery.DNSOptions{Network: network}) {
			if got, err := first(t, discovery.DNS("users.test:80", o)); err != nil || addrs(got) != want {
				t.Errorf("%s, %s: %v %v", network, how, got, err)
			}
		}
	}
	s.set("_grpc._tcp.users.test", answer{ttl: 60, services: []service{{10, 0, 9000, "users.test"}}})
	for how, o := range both(s, discovery.DNSOptions{Network: "ip6", SRV: true}) {
		if got, err := first(t, discovery.DNS("_grpc._tcp.users.test", o)); err != nil || addrs(got) != "[fd00::1]:9000" {
			t.Errorf("services, %s: %v %v", how, got, err)
		}
	}
	if _, err := first(t, discovery.DNS("users.test:80", discovery.DNSOptions{Network: "tcp", Resolver: &net.Resolver{}})); err == nil || !strings.Contains(err.Error(), "Network") {
		t.Errorf("a network that is none: %v", err)
	}
}
