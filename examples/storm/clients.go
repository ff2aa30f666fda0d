package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/timeout"
)

const (
	target      = "items.storm.internal" // the logical name; no DNS knows it
	patience    = time.Second            // both clients give up after this long
	idlePerNode = 64                     // connections that both clients keep
)

// attemptLimit is 250 ms, forty times what a healthy node usually takes. Where
// three calls in four take more than a tenth of that, it is not one node that is
// ill but everything that is slow, this machine perhaps, and cutting attempts
// would make it worse: then they have up to 600 ms, which leaves time for a
// second one within the call's patience.
var attemptLimit = timeout.Options{
	Limit: 600 * time.Millisecond,
	Adaptive: &timeout.Adaptive{
		Quantile: 0.75, Factor: 10, Min: 250 * time.Millisecond,
		MinSamples: 20, Window: time.Second,
	},
}

// A client is one of the contestants.
type client struct {
	name  string                                  // as the report has it
	call  func(a arrival, s *sample) (why string) // makes one call; why it failed, or ""
	close func()                                  // lets go of its connections, which are its own
	deeds *deeds                                  // what its policies did; nil: it has none
}

func httpClient(name string, base *http.Transport, h *http.Client, deeds *deeds) *client {
	return &client{name: name, deeds: deeds, close: base.CloseIdleConnections, call: func(a arrival, s *sample) string {
		return send(h, a, s, deeds)
	}}
}

// newBare is net/http as a careful user sets it up: a timeout, a pool of
// connections, and the nodes in turn.
func newBare(nodes []string) *client {
	base := transport()
	return httpClient("http bare", base, &http.Client{
		Transport: &rotating{nodes: nodes, next: counting{base}},
		Timeout:   patience,
	}, nil)
}

// newHoldfast is the same with the Standard preset around it, and hedging.
func newHoldfast(nodes []string, phases int, m *meter) (*client, error) {
	base, deeds := transport(), newDeeds(phases)
	c := preset.Standard()
	c.Timeout.Limit = patience // the whole call
	c.Hedge.MaxHedges = 1      // off, if not asked for
	set := loadbalance.New(discovery.Static(nodes...), loadbalance.PeakEWMA, loadbalance.Options{})
	c.Inner = []holdfast.Policy{set} // another node for each attempt
	c.Attempt = attemptLimit
	deeds.listen(&c)
	stack, err := preset.NewStack(c)
	if err != nil {
		return nil, err
	}
	deeds.budget, deeds.target = stack.Budget(), target
	client := httpClient("http holdfast", base, &http.Client{Transport: httpclient.Wrap(counting{base}, m.metrics.Watch("http holdfast", stack)...)}, deeds)
	client.close = func() {
		set.Close()
		base.CloseIdleConnections()
	}
	return client, nil
}

func transport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: idlePerNode, IdleConnTimeout: 30 * time.Second}
}

// rotating is the bare client's round robin.
type rotating struct {
	nodes []string
	turn  atomic.Uint64
	next  http.RoundTripper
}

// RoundTrip sends a copy of req to the next node.
func (r *rotating) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Host = req.URL.Host
	req.URL.Host = r.nodes[r.turn.Add(1)%uint64(len(r.nodes))]
	return r.next.RoundTrip(req)
}

// counting stands directly on the transport: what passes it is an attempt. A
// request that net/http sends again by itself, since it found its connection
// closed, is one attempt, for both clients.
type counting struct{ next http.RoundTripper }

// RoundTrip counts, and sends req on.
func (c counting) RoundTrip(req *http.Request) (*http.Response, error) {
	atomic.AddInt32(&sampleOf(req.Context()).attempts, 1) // a hedge runs beside the first one
	return c.next.RoundTrip(req)
}

type sampleKey struct{}

// withSample lets everything that happens on the way of a call find its sample.
func withSample(ctx context.Context, s *sample) context.Context {
	return context.WithValue(ctx, sampleKey{}, s)
}

func sampleOf(ctx context.Context) *sample {
	return ctx.Value(sampleKey{}).(*sample) //nolint:errcheck // every call of the storm carries one
}
