package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/option"
)

// DNSOptions set up a DNS. The zero value is the default of every field.
type DNSOptions struct {
	// Interval, MinInterval and Timeout are those of PollOptions: 0 means 30 s, 1 s and 5 s;
	// negative: 30 s, none and no limit.
	Interval, MinInterval, Timeout time.Duration
	// SRV has SRV records looked up (RFC 2782), whose ports, weights and priorities
	// then count: the name is that of the records ("_grpc._tcp.users.internal"), and
	// has no port.
	SRV bool
	// Network is "ip4" or "ip6" where only addresses of one family will do; empty: both.
	Network string
	// Resolver looks names up; nil means net.DefaultResolver.
	Resolver *net.Resolver
	// Server is the address of a DNS server ("10.0.0.10:53") that is asked directly
	// instead, so that the records' time to live is known: it then looks when that is
	// over, between MinInterval and MaxTTL, instead of Interval. The name is taken as complete.
	Server string
	// MaxTTL bounds it: 0 means 5 min; negative: 24 h, which is also the most it can be.
	MaxTTL time.Duration
}

func (o DNSOptions) filled() DNSOptions {
	poll := PollOptions{Interval: o.Interval, MinInterval: o.MinInterval, Timeout: o.Timeout}.filled()
	o.Interval, o.MinInterval, o.Timeout = poll.Interval, poll.MinInterval, poll.Timeout
	o.MaxTTL = option.Span(o.MaxTTL, 5*time.Minute, option.Day)
	if o.Network == "" {
		o.Network = "ip"
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	return o
}

// DNS is a Resolver of a name with a port: "users.internal:8080". Every address of
// it, of both families, is an endpoint. It looks every 30 s, so that servers which
// are added get calls although no connection has failed, and when it is asked to
// Refresh, once a second at most. A name that is not there is an error, and so is
// one without addresses, or with more than 100,000. An SRV record whose target is no
// name of a host, or one that is not there, counts for nothing.
func DNS(name string, o DNSOptions) Resolver {
	d := &dns{o: o.filled(), host: name}
	if !o.SRV {
		var err error
		if d.host, d.port, err = net.SplitHostPort(name); err != nil {
			d.wrong = fmt.Errorf("discovery: %q is no name with a port, such as users.internal:8080: %w", name, err)
		}
	}
	if !slices.Contains([]string{"ip", "ip4", "ip6"}, d.o.Network) {
		d.wrong = fmt.Errorf("discovery: dns %s: DNSOptions.Network is %q; it is \"ip4\", \"ip6\", or empty for both", name, o.Network)
	}
	return newPoll(d.look, PollOptions{Interval: o.Interval, MinInterval: o.MinInterval, Timeout: o.Timeout, Name: "dns " + name})
}

type dns struct {
	o          DNSOptions
	host, port string
	wrong      error
}

func (d *dns) look(ctx context.Context) (endpoints []Endpoint, good time.Duration, err error) {
	if d.wrong != nil {
		return nil, 0, d.wrong
	}
	lookup := d.bySystem
	if d.o.Server != "" {
		lookup = d.byServer
	}
	endpoints, good, err = lookup(ctx)
	if err == nil && len(endpoints) == 0 {
		err = errors.New("no addresses")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("discovery: dns %s: %w", d.host, err)
	}
	return endpoints, min(good, d.o.MaxTTL), nil
}

func (d *dns) bySystem(ctx context.Context) ([]Endpoint, time.Duration, error) {
	if !d.o.SRV {
		addrs, err := d.o.Resolver.LookupNetIP(ctx, d.o.Network, d.host)
		if err != nil {
			return nil, 0, err
		}
		var endpoints []Endpoint
		for _, a := range addrs {
			endpoints = append(endpoints, Endpoint{Addr: net.JoinHostPort(a.Unmap().String(), d.port)})
		}
		return endpoints, 0, nil
	}
	_, records, err := d.o.Resolver.LookupSRV(ctx, "", "", d.host)
	if err != nil && len(records) == 0 {
		return nil, 0, err
	}
	var services []record
	for _, r := range records {
		if hostName(strings.TrimSuffix(r.Target, ".")) {
			services = append(services, record{kind: typeSRV, priority: r.Priority, weight: r.Weight, port: r.Port, target: r.Target})
		}
	}
	endpoints, _, err := d.services(services, func(target string) (addrs []string, _ time.Duration, err error) {
		found, err := d.o.Resolver.LookupNetIP(ctx, d.o.Network, target)
		for _, a := range found {
			addrs = append(addrs, a.Unmap().String())
		}
		return addrs, 0, err
	})
	return endpoints, 0, err
}

// services makes endpoints of SRV records. Each target is looked up once, however many records have
// it; one that is not there has no addresses, and keeps no other from being found.
func (d *dns) services(records []record, lookup func(target string) ([]string, time.Duration, error)) (endpoints []Endpoint, ttl time.Duration, err error) {
	type found struct {
		addrs []string
		good  time.Duration
	}
	known := map[string]found{}
	ttl = d.o.MaxTTL
	for _, r := range records {
		if r.kind != typeSRV {
			continue
		}
		of, asked := known[strings.ToLower(r.target)]
		if !asked {
			of.addrs, of.good, err = lookup(r.target)
			var none *net.DNSError
			switch {
			case errors.As(err, &none) && none.IsNotFound:
				of = found{good: d.o.Interval}
			case err != nil:
				return nil, 0, err
			}
			known[strings.ToLower(r.target)] = of
		}
		if len(endpoints)+len(of.addrs) > maxEndpoints {
			return nil, 0, errMany
		}
		ttl = min(ttl, r.ttl, of.good)
		for _, a := range of.addrs {
			endpoints = append(endpoints, ofService(r.priority, r.weight, r.target, net.JoinHostPort(a, strconv.Itoa(int(r.port)))))
		}
	}
	return byPriority(endpoints), max(ttl, time.Millisecond), nil
}

// ofService is the endpoint of an SRV record. Its name is the key, since it outlives
// addresses. A weight of 0 is "very small" (RFC 2782) and becomes the least there is.
func ofService(priority, weight uint16, target, addr string) Endpoint {
	return Endpoint{Addr: addr, Weight: max(int(weight), 1), Priority: int(priority), Key: strings.TrimSuffix(target, ".")}
}

// byPriority numbers the priorities from 0.
func byPriority(endpoints []Endpoint) []Endpoint {
	var levels []int
	for _, e := range endpoints {
		levels = append(levels, e.Priority)
	}
	slices.Sort(levels)
	levels = slices.Compact(levels)
	for i := range endpoints {
		endpoints[i].Priority, _ = slices.BinarySearch(levels, endpoints[i].Priority)
	}
	return endpoints
}

func (d *dns) byServer(ctx context.Context) ([]Endpoint, time.Duration, error) {
	if d.o.SRV {
		return d.servicesByServer(ctx)
	}
	addrs, ttl, err := d.addresses(ctx, d.host)
	var endpoints []Endpoint
	for _, a := range addrs {
		endpoints = append(endpoints, Endpoint{Addr: net.JoinHostPort(a, d.port)})
	}
	return endpoints, ttl, err
}

// addresses asks for both families. One that fails is an error: half of an answer
// would remove servers that are there.
func (d *dns) addresses(ctx context.Context, host string) (addrs []string, ttl time.Duration, err error) {
	if ip := net.ParseIP(host); ip != nil {
		return []string{ip.String()}, d.o.MaxTTL, nil
	}
	ttl = d.o.MaxTTL
	for _, kind := range map[string][]uint16{"ip": {typeA, typeAAAA}, "ip4": {typeA}, "ip6": {typeAAAA}}[d.o.Network] {
		answer, err := ask(ctx, d.o.Server, host, kind)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range answer {
			if r.kind == kind {
				addrs = append(addrs, r.ip.String())
				ttl = min(ttl, r.ttl)
			}
		}
	}
	slices.SortFunc(addrs, cmp.Compare[string])
	return addrs, max(ttl, time.Millisecond), nil
}

func (d *dns) servicesByServer(ctx context.Context) ([]Endpoint, time.Duration, error) {
	answer, err := ask(ctx, d.o.Server, d.host, typeSRV)
	if err != nil {
		return nil, 0, err
	}
	return d.services(answer, func(target string) ([]string, time.Duration, error) { return d.addresses(ctx, target) })
}
