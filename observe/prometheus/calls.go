package prometheus

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/names"
	"github.com/holdfast-go/holdfast/internal/rpccode"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/observe"
)

// A pair is the series of a target and a method. Finding them takes two looks at what
// is never changed in place, no lock, and no memory.
type pair struct {
	target, method string // as labels
	calls          series
	attempts       [3]attempts // first, retry, hedge
	callTime       *histogram
	attemptTime    *histogram
	outcomes       sync.Map // outcome to prometheus.Counter, and nothing else
	client         *client
}

// A key is how a call names its target and method.
type key struct{ target, method string }

// kinds are those of attempts.
var kinds = [3]string{"first", "retry", "hedge"}

// series are the counters of one kind, by what calls came to.
type series struct {
	make func(class, code string) prometheus.Counter
	mu   sync.Mutex
	list atomic.Pointer[[]counted]
}

type counted struct {
	class   holdfast.Class
	code    holdfast.Code
	counter prometheus.Counter
}

// maxCodes bounds the codes of one series besides ours and gRPC's, and maxMadeUp those among them
// that are no registered status of HTTP either; the rest is "other". What a server makes up takes
// no room from what means something.
const (
	maxCodes  = 40
	maxMadeUp = 10
)

// known reports whether a code is one of ours, gRPC's or of HTTP's registered statuses.
func known(code holdfast.Code) bool {
	if rpccode.Known(code) {
		return true
	}
	status, err := strconv.Atoi(string(code))
	return err == nil && len(code) == 3 && http.StatusText(status) != ""
}

// noRoom reports whether there is no room for another code.
func noRoom(list []counted, code holdfast.Code) bool {
	if rpccode.Known(code) {
		return false
	}
	all, madeUp := 0, 0
	for i := range list {
		if !rpccode.Known(list[i].code) {
			all++
		}
		if !known(list[i].code) {
			madeUp++
		}
	}
	return all >= maxCodes || madeUp >= maxMadeUp && !known(code)
}

func (s *series) get(class holdfast.Class, code holdfast.Code) prometheus.Counter {
	if c := s.find(class, code); c != nil {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.find(class, code); c != nil {
		return c
	}
	var list []counted
	if old := s.list.Load(); old != nil {
		list = *old
	}
	if noRoom(list, code) {
		return s.make(class.String(), names.Other)
	}
	c := s.make(class.String(), string(code))
	next := append(append([]counted(nil), list...), counted{class, code, c})
	s.list.Store(&next)
	return c
}

func (s *series) find(class holdfast.Class, code holdfast.Code) prometheus.Counter {
	if list := s.list.Load(); list != nil {
		for i := range *list {
			if c := &(*list)[i]; c.class == class && c.code == code {
				return c.counter
			}
		}
	}
	return nil
}

// pair returns the series of a target and a method: mostly those that were asked for
// last of a few, told apart by as little as comes without hashing.
func (c *client) pair(target, method string) *pair {
	slot := &c.latest[(len(target)+7*len(method))%len(c.latest)]
	if p := slot.Load(); p != nil && p.target == target && p.method == method {
		return p
	}
	p := c.find(target, method)
	if p.target == target && p.method == method {
		slot.Store(p)
	}
	return p
}

func (c *client) find(target, method string) *pair {
	if p := (*c.pairs.Load())[key{target, method}]; p != nil {
		return p
	}
	k := key{c.m.targets.Of(target), c.m.methods.Of(method)}
	if p := (*c.pairs.Load())[k]; p != nil {
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.pairs.Load()
	if p := old[k]; p != nil {
		return p
	}
	if len(old) >= 10*max(c.m.o.MaxTargets, c.m.o.MaxMethods) {
		k = key{names.Other, names.Other}
		if p := old[k]; p != nil {
			return p
		}
	}
	next := make(map[key]*pair, len(old)+1)
	for k, p := range old {
		next[k] = p
	}
	p := c.newPair(k)
	next[k] = p
	c.pairs.Store(&next)
	return p
}

func (c *client) newPair(k key) *pair {
	m := c.m
	p := &pair{target: k.target, method: k.method, client: c}
	p.callTime = m.callDuration.with(c.name, k.target, k.method)
	p.attemptTime = m.attemptDuration.with(c.name, k.target, k.method)
	p.calls.make = func(class, code string) prometheus.Counter {
		return m.calls.WithLabelValues(c.name, k.target, k.method, class, text(code))
	}
	for i, kind := range kinds {
		p.attempts[i].of = p
		p.attempts[i].make = func(class, code string) prometheus.Counter {
			return m.attempts.WithLabelValues(c.name, k.target, k.method, kind, class, text(code))
		}
	}
	return p
}

// call counts a logical call, with an exemplar.
func (c *client) call(ctx context.Context, r observe.Record) {
	p := c.pair(r.Target, r.Method)
	p.calls.get(r.Class, r.Code).Inc()
	c.took(ctx, p.callTime, r.Took)
}

// attempt counts what was really sent, with an exemplar.
func (c *client) attempt(ctx context.Context, r observe.Record) {
	if !r.Sent {
		return
	}
	p := c.pair(r.Target, r.Method)
	kind := 0
	switch {
	case r.Hedge:
		kind = 2
	case r.Attempt > 1:
		kind = 1
		p.outcome(r.Attempt, r.Class)
	}
	p.attempts[kind].get(r.Class, r.Code).Inc()
	c.took(ctx, p.attemptTime, r.Took)
}

func (c *client) took(ctx context.Context, h *histogram, d time.Duration) {
	h.observe(d)
	if labels := c.m.o.Exemplar(ctx); len(labels) > 0 && short(labels) {
		h.exemplify(d, labels)
	}
}

// short reports whether labels are an exemplar's: more runes than that are not shown.
func short(labels map[string]string) bool {
	n := 0
	for k, v := range labels {
		n += len(k) + len(v)
	}
	return n <= prometheus.ExemplarMaxRunes
}

// An outcome is what a repeat came to.
type outcome struct {
	attempt int
	class   holdfast.Class
}

func (p *pair) outcome(attempt int, class holdfast.Class) {
	o := outcome{min(attempt, maxAttempt), class}
	counter, ok := p.outcomes.Load(o)
	if !ok {
		counter, _ = p.outcomes.LoadOrStore(o, p.client.m.outcomes.WithLabelValues(p.client.name, p.target, numbered(o.attempt), o.class.String()))
	}
	counter.(prometheus.Counter).Inc() //nolint:errcheck // nothing else is in it
}

// maxAttempt is the last number that is told apart.
const maxAttempt = 10

func numbered(n int) string {
	if n >= maxAttempt {
		return "10+"
	}
	return string(rune('0' + n))
}
