package discovery_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
)

// first returns what a resolver yields first.
func first(t *testing.T, r discovery.Resolver) ([]discovery.Endpoint, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for endpoints, err := range r.Watch(ctx) {
		return endpoints, err
	}
	return nil, context.Cause(ctx)
}

// both asks the server directly and through the standard library's resolver.
func both(s *dnsServer, o discovery.DNSOptions) map[string]discovery.DNSOptions {
	direct, system := o, o
	direct.Server = s.addr
	system.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.addr)
	}}
	return map[string]discovery.DNSOptions{"direct": direct, "system": system}
}

func TestDNSFindsBothFamilies(t *testing.T) {
	s := newDNSServer(t)
	s.set("users.test", answer{addrs: []string{"10.0.0.1", "10.0.0.2", "fd00::1"}, ttl: 60})
	for how, o := range both(s, discovery.DNSOptions{}) {
		got, err := first(t, discovery.DNS("users.test:8080", o))
		list := strings.Fields(addrs(got))
		slices.Sort(list)
		if want := []string{"10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"}; err != nil || !slices.Equal(list, want) {
			t.Errorf("%s: %v %v, want %v", how, list, err, want)
		}
	}
}

func TestDNSServices(t *testing.T) {
	s := newDNSServer(t)
	s.set("_grpc._tcp.users.test", answer{ttl: 60, services: []service{{20, 5, 9001, "b.test"}, {10, 0, 9000, "a.test"}}})
	s.set("a.test", answer{addrs: []string{"10.0.0.1"}, ttl: 60})
	s.set("b.test", answer{addrs: []string{"10.0.0.2"}, ttl: 60})
	for how, o := range both(s, discovery.DNSOptions{SRV: true}) {
		got, err := first(t, discovery.DNS("_grpc._tcp.users.test", o))
		slices.SortFunc(got, func(a, b discovery.Endpoint) int { return strings.Compare(a.Addr, b.Addr) })
		want := []discovery.Endpoint{{Addr: "10.0.0.1:9000", Weight: 1, Key: "a.test"}, {Addr: "10.0.0.2:9001", Weight: 5, Priority: 1, Key: "b.test"}}
		if err != nil || !slices.EqualFunc(got, want, discovery.Endpoint.Equal) {
			t.Errorf("%s: %+v %v, want %+v", how, got, err, want)
		}
	}
}

func TestDNSErrorsAreErrorsAndSayWhich(t *testing.T) {
	s := newDNSServer(t)
	s.set("sick.test", answer{code: 2})
	s.set("refuses.test", answer{code: 5})
	s.set("empty.test", answer{})
	s.set("garbage.test", answer{garbage: true, addrs: []string{"10.0.0.1"}})
	s.set("silent.test", answer{silent: true})
	s.set("slow.test", answer{wait: time.Second, addrs: []string{"10.0.0.1"}})
	for name, want := range map[string]string{
		"gone.test:1": "no such host", "sick.test:1": "SERVFAIL", "refuses.test:1": "REFUSED", "empty.test:1": "no addresses",
		"garbage.test:1": "malformed", "silent.test:1": "deadline exceeded", "slow.test:1": "deadline exceeded",
		"noport.test": "no name with a port", "bad..name:1": "no name of a host", strings.Repeat("x", 300) + ":1": "too long",
		strings.Repeat("x", 64) + ".test:1": "no name of a host",
	} {
		_, err := first(t, discovery.DNS(name, discovery.DNSOptions{Server: s.addr, Timeout: 300 * time.Millisecond}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", name, err, want)
		}
		var dns *net.DNSError
		if want == "no such host" && (!errors.As(err, &dns) || !dns.IsNotFound) {
			t.Errorf("%s: %#v is not told from other errors", name, err)
		}
	}
}

func TestDNSAnswersThatAreCutLostOrForged(t *testing.T) {
	s := newDNSServer(t)
	s.set("cut.test", answer{cut: true, addrs: []string{"10.0.0.1"}, ttl: 60})
	s.set("forged.test", answer{wrongID: true, addrs: []string{"10.0.0.2"}, ttl: 60})
	for name, want := range map[string]string{"cut.test:1": "10.0.0.1:1", "forged.test:1": "10.0.0.2:1"} {
		got, err := first(t, discovery.DNS(name, discovery.DNSOptions{Server: s.addr}))
		if err != nil || addrs(got) != want {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	if s.asked("tcp A cut.test") != 1 || s.asked("tcp A forged.test") != 0 {
		t.Errorf("over TCP: %v", s.asks)
	}
	s.set("lost.test", answer{silent: true})
	go func() {
		for s.asked("udp A lost.test") == 0 { // the first datagram is lost
			<-time.After(time.Millisecond)
		}
		s.set("lost.test", answer{addrs: []string{"10.0.0.3"}, ttl: 60})
	}()
	got, err := first(t, discovery.DNS("lost.test:1", discovery.DNSOptions{Server: s.addr}))
	if err != nil || addrs(got) != "10.0.0.3:1" || s.asked("udp A lost.test") < 2 {
		t.Errorf("a lost datagram: %v %v", got, err)
	}
}

// grpc-go #1663, #3353: an address that is added is found within a poll although
// nothing has failed; the records' time to live says when.
func TestDNSLooksAgainWhenTheTTLIsOver(t *testing.T) {
	s := newDNSServer(t)
	s.set("users.test", answer{addrs: []string{"10.0.0.1"}, ttl: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	start := time.Now()
	n := 0
	for endpoints, err := range discovery.DNS("users.test:1", discovery.DNSOptions{Server: s.addr}).Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			s.set("users.test", answer{addrs: []string{"10.0.0.1", "10.0.0.2"}, ttl: 1})
			continue
		}
		if addrs(endpoints) != "10.0.0.1:1 10.0.0.2:1" {
			t.Errorf("%v", endpoints)
		}
		break
	}
	if took := time.Since(start); n != 2 || took > 10*time.Second { // 30 s, had the TTL not been read
		t.Errorf("%d sets in %v", n, took)
	}
}
