package preset_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
)

// A modelled is one call through the Stack, and what is known of it from outside.
type modelled struct {
	rated      bool // it began, or has gone on, while there was a rate
	target     string
	number     int // of the Config that it began with
	config     preset.Config
	began      time.Time
	counted    bool // there was a limit of calls under way when it began
	repeatable bool
	cancelled  bool
	cancel     context.CancelFunc
	attempts   int // sent so far
	open       int // of them, under way
	over       bool
	err        error
}

// An attempt is one that is under way.
type attempt struct {
	of  *modelled
	end chan error
}

type modelledKey struct{}

var errModel = errors.New("the server is down")

// A model is a Stack under test, the calls that run through it, and what must hold of both: a few
// sums that are easily seen to be right.
type model struct {
	t       *testing.T
	how     mode
	stack   *preset.Stack
	handler holdfast.Handler
	targets []string

	mu      sync.Mutex
	number  int // of the Config in force
	coming  int // of the one that an Update is under way to, or the same
	config  preset.Config
	calls   []*modelled
	under   []*attempt
	inside  map[string]int  // calls under way at the last look, as the limit says
	told    int             // changes of circuits that a Config's callback was told of
	watched int             // and a listener
	sent    map[string]int  // repeats and hedges
	well    map[string]int  // calls that succeeded
	by      map[string]bool // isolated by hand
	seen    map[string]int  // what has happened at all
}

func newModel(t *testing.T, c preset.Config, how mode) *model {
	m := &model{t: t, how: how, targets: []string{"a", "b", "c"}, inside: map[string]int{}, sent: map[string]int{}, well: map[string]int{}, by: map[string]bool{}, seen: map[string]int{}}
	s, err := preset.NewStack(m.with(c, 0))
	if err != nil {
		t.Fatal(err)
	}
	m.stack, m.handler, m.config = s, holdfast.Chain(s), s.Config()
	s.Breaker().Watch(func(context.Context, holdfast.Event) { m.locked(func() { m.watched++ }) })
	return m
}

func (m *model) locked(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// with gives c callbacks that know the number of their Config.
func (m *model) with(c preset.Config, number int) preset.Config {
	ofCall := func(ctx context.Context, e holdfast.Event) {
		m.locked(func() {
			m.seen[e.Kind]++
			call, _ := ctx.Value(modelledKey{}).(*modelled)
			if call == nil || call.number != number {
				m.t.Errorf("Config %d is told of %s of a call that began with another one: %+v", number, e.Kind, call)
			}
		})
	}
	c.Retry.OnRetry, c.Retry.OnStop, c.Hedge.OnHedge = ofCall, ofCall, ofCall
	c.Breaker.OnChange = func(_ context.Context, e holdfast.Event) {
		m.locked(func() {
			m.told++
			if number != m.number && number != m.coming {
				m.t.Errorf("Config %d is told of %+v, and Config %d is in force", number, e, m.number)
			}
		})
	}
	return c
}

// begin begins a call.
func (m *model) begin(target string, repeatable bool) {
	ctx, cancel := context.WithCancel(m.t.Context())
	c := &modelled{target: target, number: m.number, config: m.config, rated: m.config.Rate.PerSecond > 0, began: time.Now(), counted: m.stack.Limit().Options().Max >= 0, repeatable: repeatable, cancel: cancel}
	m.locked(func() { m.calls = append(m.calls, c) })
	go func() {
		_, err := holdfast.Do(context.WithValue(ctx, modelledKey{}, c), m.handler, holdfast.Call{Target: target, Method: "m", Repeatable: repeatable}, func(ctx context.Context) (int, error) {
			return 1, m.attempt(ctx, c)
		})
		m.locked(func() {
			c.over, c.err = true, err
			if err == nil {
				m.well[target]++
			}
		})
		cancel()
	}()
}

// attempt is one attempt of a call, until it is ended.
func (m *model) attempt(ctx context.Context, c *modelled) (err error) {
	isolated := m.stack.Breaker().State(c.target) == breaker.Isolated && !c.config.Breaker.ObserveOnly && c.config.Rate.PerSecond == 0 // which it would stand in later
	a := &attempt{c, make(chan error, 1)}
	m.locked(func() {
		if c.attempts++; c.attempts > 1 {
			m.sent[c.target]++
		}
		c.open++
		m.under = append(m.under, a)
		hedges := max(c.config.Hedge.MaxHedges, 0)
		switch {
		case c.over:
			m.t.Errorf("an attempt begins when its call is over")
		case isolated:
			m.t.Errorf("a call to %s is sent, whose circuit is isolated", c.target)
		case !c.repeatable && c.attempts > 1, c.attempts > max(c.config.Retry.MaxAttempts, 1)+hedges, c.open > 1+hedges:
			m.t.Errorf("attempt %d of a call, %d at once: repeatable %v, %+v, %+v", c.attempts, c.open, c.repeatable, c.config.Retry, c.config.Hedge)
		}
	})
	select {
	case err = <-a.end:
	case <-ctx.Done():
		err = ctx.Err()
	}
	m.locked(func() {
		c.open--
		for i := range m.under {
			if m.under[i] == a {
				m.under = append(m.under[:i:i], m.under[i+1:]...)
				break
			}
		}
	})
	return err
}

// update updates the Stack, by a Config that may be refused.
func (m *model) update(c preset.Config) {
	number := m.number + 1
	was := m.stack.Config()
	c = m.with(c, number)
	m.locked(func() { m.coming = number })
	changes, err := m.stack.Update(c)
	if want := c.Validate(); (err == nil) != (want == nil) {
		m.t.Fatalf("Update says %v, and Validate %v", err, want)
	}
	if err != nil {
		if is := m.stack.Config(); is.Describe() != was.Describe() || changes != nil {
			m.t.Fatalf("a Config was refused, and %q changed: was\n%s\nis\n%s", changes, was.Describe(), is.Describe())
		}
		m.locked(func() {
			m.coming = m.number
			m.seen["refused"]++
		})
		return
	}
	m.locked(func() {
		m.number, m.config = number, c
		for _, call := range m.calls {
			call.rated = call.rated || c.Rate.PerSecond > 0
		}
		m.seen["updates"]++
		if was.Limit.PerTarget != c.Limit.PerTarget || was.Limit.MaxTargets != c.Limit.MaxTargets { // it is counted elsewhere from now on
			for _, key := range append(m.targets, "") {
				m.inside[key] = m.stack.Limit().Stats(key).InFlight
			}
		}
	})
	fresh, err := preset.NewStack(c)
	if err != nil {
		m.t.Fatal(err)
	}
	for i, p := range fresh.Inside() { // what is in force is what a new Stack would have
		if want, is := optionsIn(p), optionsIn(m.stack.Inside()[i]); want != is {
			m.t.Fatalf("in force is %s, want %s", is, want)
		}
	}
}

// optionsIn are the options in force of a policy, without functions and pointers.
func optionsIn(p holdfast.Policy) string {
	switch p := p.(type) {
	case *limit.InFlight:
		return fmt.Sprintf("%+v", p.Options())
	case *limit.Rate:
		return fmt.Sprintf("%+v", p.Options())
	case *breaker.Breaker:
		o := p.Options()
		o.OnChange, o.Key = nil, nil
		return fmt.Sprintf("%+v", o)
	case *retry.Retry:
		o := p.Options()
		o.OnRetry, o.OnStop, o.Budget = nil, nil, nil
		return fmt.Sprintf("%+v, %+v", o, p.Budget().Options())
	}
	return fmt.Sprintf("%T", p)
}

// isolate isolates the circuit of a target by hand, or resets it.
func (m *model) isolate(target string, by bool) {
	m.by[target] = by
	if by {
		m.stack.Breaker().Isolate(target)
	} else {
		m.stack.Breaker().Reset(target)
	}
}

// check holds the Stack to the model, when nothing moves any more.
func (m *model) check() {
	m.t.Helper()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.stack.Limit().Options()
	rated := false // a rate may hold calls up, or has
	inside, waiting, between := map[string]int{}, map[string]int{}, map[string]int{}
	for _, c := range m.calls {
		rated = rated || !c.over && c.rated
	}
	for _, c := range m.calls {
		key := ""
		if m.how == perTarget {
			key = c.target
		}
		if c.over {
			continue
		}
		switch {
		case c.attempts == 0 && c.counted:
			waiting[key]++
		case c.attempts > 0 && c.counted:
			inside[key]++
		}
		if c.attempts > 0 && c.open == 0 {
			between[c.target]++
		}
		if limit := c.config.Timeout.Limit; limit > 0 && time.Since(c.began) > max(c.config.Limit.Wait, 0)+limit {
			m.t.Errorf("a call to %s takes %v: its limit is %v, and it might wait %v for its place", c.target, time.Since(c.began), limit, c.config.Limit.Wait)
		}
		if c.cancelled {
			m.t.Errorf("a call to %s was cancelled, and goes on", c.target)
		}
	}
	keys := []string{""}
	if o.PerTarget {
		keys = m.targets
	}
	for _, key := range keys {
		s := m.stack.Limit().Stats(key)
		switch {
		case m.how == mixed: // what was admitted in another way is not to be seen
		case s.InFlight+s.Waiting != inside[key]+waiting[key], !rated && s.InFlight != inside[key], s.InFlight < inside[key]:
			m.t.Errorf("%q: %+v, and %d calls have been sent, %d not yet", key, s, inside[key], waiting[key])
		}
		switch {
		case o.Max >= 0 && s.InFlight > max(o.Max, m.inside[key]):
			m.t.Errorf("%q: %d calls under way: the limit is %d, and %d were before", key, s.InFlight, o.Max, m.inside[key])
		case s.Waiting > 0 && (o.Max < 0 || s.InFlight < o.Max):
			m.t.Errorf("%q: %d calls wait, and %d of %d are under way", key, s.Waiting, s.InFlight, o.Max)
		}
		m.inside[key] = s.InFlight
		m.seen["waits"] += s.Waiting
	}
	for _, target := range m.targets {
		if is := m.stack.Breaker().State(target); m.by[target] && is != breaker.Isolated {
			m.t.Errorf("the circuit of %s, isolated by hand, is %v", target, is)
		}
		s := m.stack.Budget().Stats(target)
		taken := int(s.Withdrawn) - int(s.Refunded)
		if more := between[target]; taken < m.sent[target] || !rated && taken > m.sent[target]+more {
			m.t.Errorf("%s: %+v, and %d repeats and hedges were sent, %d calls wait for theirs", target, s, m.sent[target], more)
		}
		if again := m.stack.Budget().Stats(target); int(s.Successes) != m.well[target] || s.Tokens < 0 || again != s {
			m.t.Errorf("%s: %+v of %d calls that succeeded", target, s, m.well[target])
		}
	}
	m.seen["circuits"] = m.watched
	if m.told != m.watched {
		m.t.Errorf("the callbacks were told of %d changes of circuits, the listener of %d", m.told, m.watched)
	}
}
