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

// One record that leads nowhere keeps no other from being found; when none is left, that is an error,
// and so is a target of which nobody knows whether it is there.
func TestDNSServicesThatAreNotThere(t *testing.T) {
	s := newDNSServer(t)
	nowhere := []service{{0, 0, 80, ""}, {0, 1, 80, "gone.test"}, {0, 1, 80, "a b.test"}}
	s.set("a.test", answer{addrs: []string{"10.0.0.1"}, ttl: 60})
	s.set("broken.test", answer{code: 2})
	for name, c := range map[string]struct {
		records []service
		want    string
		err     string
	}{
		"beside others": {append([]service{{0, 1, 80, "a.test"}}, nowhere...), "10.0.0.1:80", ""},
		"before others": {append(slices.Clone(nowhere), service{0, 1, 80, "a.test"}), "10.0.0.1:80", ""},
		"alone":         {nowhere, "", "no addresses"},
		"the root":      {nowhere[:1], "", "no addresses"},
		"broken":        {append([]service{{0, 1, 80, "a.test"}}, service{0, 1, 80, "broken.test"}), "", "broken.test"},
	} {
		s.set("_http._tcp.test", answer{ttl: 60, services: c.records})
		for how, o := range both(s, discovery.DNSOptions{SRV: true, Network: "ip4"}) {
			got, err := first(t, discovery.DNS("_http._tcp.test", o))
			if c.err == "" && err != nil || c.err != "" && (err == nil || how == "direct" && c.err == "no addresses" && !strings.Contains(err.Error(), c.err)) || addrs(got) != c.want {
				t.Errorf("%s, %s: %v %v, want %q", name, how, addrs(got), err, c.want)
			}
		}
	}
}

// However many records have a target, it is looked up once.
func TestDNSAsksForATargetOnce(t *testing.T) {
	s := newDNSServer(t)
	var records []service
	for i := range 30 {
		records = append(records, service{0, 1, uint16(8000 + i), []string{"a.test", "A.test", "gone.test"}[i%3]})
	}
	s.set("_http._tcp.test", answer{ttl: 60, services: records})
	for _, name := range []string{"a.test", "A.test"} {
		s.set(name, answer{addrs: []string{"10.0.0.1"}, ttl: 60})
	}
	for how, o := range both(s, discovery.DNSOptions{SRV: true, Network: "ip4"}) {
		before := s.asked("udp A ")
		got, err := first(t, discovery.DNS("_http._tcp.test", o))
		if asked := s.asked("udp A ") - before; err != nil || len(got) != 20 || asked > 6 { // the system's tries again, and with search domains
			t.Errorf("%s: %d endpoints, %v, after %d questions", how, len(got), err, asked)
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
