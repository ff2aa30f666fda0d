package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/preset"
)

// The names of the clients.
const (
	bare    = "bare"
	wrapped = "holdfast"
)

const (
	target       = "items.stall.internal" // the logical name; no DNS knows it
	patience     = time.Second            // the usual deadline of each call, of both clients
	attemptLimit = 500 * time.Millisecond // what holdfast usually gives one attempt
	atOnce       = 100                    // calls under way
)

// The terms are what all calls are made on.
type terms struct {
	Deadline time.Duration
	Limit    time.Duration // of one attempt, with holdfast
	Post     bool          // the calls are POSTs, which must not be repeated; else GETs
}

// A client is what makes the calls, and what is counted beneath it.
type client struct {
	http     *http.Client
	terms    terms
	attempts *atomic.Int64
	deeds    *deeds // what its policies did; nil: it has none
	close    func()
}

func newClient(kind string, nodes []string, t terms) (*client, error) {
	base := &http.Transport{MaxIdleConnsPerHost: atOnce, IdleConnTimeout: 30 * time.Second}
	sent := &counting{next: base}
	c := &client{terms: t, attempts: &sent.n, close: base.CloseIdleConnections}
	if kind == bare {
		c.http = &http.Client{Transport: &rotating{nodes: nodes, next: sent}}
		return c, nil
	}
	set := loadbalance.New(discovery.Static(nodes...), loadbalance.PeakEWMA, loadbalance.Options{})
	c.close = func() {
		set.Close()
		base.CloseIdleConnections()
	}
	c.deeds = &deeds{outcomes: map[string]int{}, stops: map[string]int{}}
	config := preset.Standard()
	config.Hedge.MaxHedges = 1 // off, if not asked for
	config.Attempt.Limit = t.Limit
	config.Inner = []holdfast.Policy{set, holdfast.PolicyFunc(c.deeds.attempts)}
	config.Breaker.OnChange = c.deeds.changed
	config.Hedge.OnHedge = c.deeds.hedge
	config.Retry.OnRetry = func(context.Context, holdfast.Event) { c.deeds.repeats.Add(1) }
	config.Retry.OnStop = c.deeds.stopped
	set.Watch(c.deeds.told)
	stack, err := preset.NewStack(config)
	if err != nil {
		c.close()
		return nil, err
	}
	c.http = &http.Client{Transport: httpclient.Wrap(sent, stack)}
	return c, nil
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

// counting stands directly on the transport: what passes it is an attempt.
type counting struct {
	n    atomic.Int64
	next http.RoundTripper
}

// RoundTrip counts, and sends req on.
func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(req)
}

// deeds are what the policies did, as they tell it.
type deeds struct {
	opened, ejected, spared, repeats, hedges atomic.Int64
	firstOpened                              atomic.Int64 // in ms since 1970; 0: none was

	mu       sync.Mutex
	outcomes map[string]int // of attempts: "local_pause/timeout"
	stops    map[string]int // why calls were given up
	changes  []string       // of circuits and nodes
}

// attempts counts what attempts came to.
func (d *deeds) attempts(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := next(ctx, call)
		d.mu.Lock()
		d.outcomes[res.Class.String()+"/"+string(res.Code)]++
		d.mu.Unlock()
		return res
	}
}

// remembered bounds the changes that are kept.
const remembered = 50

func (d *deeds) note(change string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.changes) < remembered {
		d.changes = append(d.changes, change)
	}
}

// changed is the breaker's OnChange.
func (d *deeds) changed(_ context.Context, e holdfast.Event) {
	if e.To == breaker.Open.String() {
		d.opened.Add(1)
		d.firstOpened.CompareAndSwap(0, time.Now().UnixMilli())
		d.note("opened: " + e.Detail)
	}
}

// told counts the nodes that the balancer leaves out, and those that it would.
func (d *deeds) told(_ context.Context, e holdfast.Event) {
	switch {
	case e.Kind != "endpoint":
		return
	case e.To == "ejected":
		d.ejected.Add(1)
	case e.To == "spared":
		d.spared.Add(1)
	default:
		return
	}
	d.note(e.To + ": " + e.Detail)
}

// hedge is hedge's OnHedge.
func (d *deeds) hedge(_ context.Context, e holdfast.Event) {
	if e.Kind == "hedge" {
		d.hedges.Add(1)
	}
}

// stopped is retry's OnStop.
func (d *deeds) stopped(_ context.Context, e holdfast.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stops[e.Reason]++
}
