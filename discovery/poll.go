package discovery

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/option"
)

// PollOptions set up a Poll. The zero value is the default of every field.
type PollOptions struct {
	// Interval is how often it looks, a tenth more or less: 0 and negative mean 30 s.
	Interval time.Duration
	// MinInterval is the least time between two looks, also when it is asked to Refresh:
	// 0 means 1 s; negative: none.
	MinInterval time.Duration
	// Timeout is what one look may take: 0 means 5 s; negative: no limit.
	Timeout time.Duration
	// Name says in errors what is looked up.
	Name string
}

func (o PollOptions) filled() PollOptions {
	o.Interval = option.Span(o.Interval, 30*time.Second, 30*time.Second)
	o.MinInterval = option.Span(o.MinInterval, time.Second, option.Off)
	o.Timeout = option.Of(o.Timeout, 5*time.Second, option.Off)
	if o.Name == "" {
		o.Name = "poll"
	}
	return o
}

// Poll is a Resolver that looks where the servers are again and again. It yields
// when a set is another than the one before, and each error. After an error it
// looks again soon, and then ever later up to Interval. It is a Refresher.
func Poll(look func(ctx context.Context) ([]Endpoint, error), o PollOptions) Resolver {
	return newPoll(func(ctx context.Context) ([]Endpoint, time.Duration, error) {
		endpoints, err := look(ctx)
		return endpoints, 0, err
	}, o)
}

type poll struct {
	look func(ctx context.Context) (endpoints []Endpoint, good time.Duration, err error)
	o    PollOptions

	mu    sync.Mutex
	asked chan struct{} // closed by Refresh
}

func newPoll(look func(context.Context) ([]Endpoint, time.Duration, error), o PollOptions) *poll {
	return &poll{look: look, o: o.filled(), asked: make(chan struct{})}
}

// String is the Name.
func (p *poll) String() string { return p.o.Name }

// Refresh has every watcher look again, at once or as soon as MinInterval allows.
func (p *poll) Refresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.asked)
	p.asked = make(chan struct{})
}

func (p *poll) hint() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Watch looks until ctx ends.
func (p *poll) Watch(ctx context.Context) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		var last []Endpoint
		known, failures := false, 0
		for ctx.Err() == nil {
			asked := p.hint() // before the look: what is asked meanwhile is one more
			began := time.Now()
			endpoints, good, err := p.once(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				failures++
				if !yield(nil, err) {
					return
				}
			default:
				failures = 0
				endpoints = merged(endpoints)
				if !known || !same(last, endpoints) {
					last, known = endpoints, true
					if !yield(append([]Endpoint(nil), endpoints...), nil) {
						return
					}
				}
			}
			if !p.wait(ctx, asked, began, good, failures) {
				return
			}
		}
	}
}

func (p *poll) once(ctx context.Context) ([]Endpoint, time.Duration, error) {
	if p.o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.o.Timeout)
		defer cancel()
	}
	return p.look(ctx)
}

// wait waits for the next look: as long as the last one is good for, else Interval; a
// shorter time after an error; and when it is asked, until MinInterval is over.
func (p *poll) wait(ctx context.Context, asked <-chan struct{}, began time.Time, good time.Duration, failures int) bool {
	d := p.o.Interval
	if good > 0 {
		d = good
	}
	if failures > 0 {
		d = max(p.o.MinInterval, 100*time.Millisecond)
		for n := failures; n > 1 && d < p.o.Interval; n-- {
			d *= 2
		}
		d = min(d, p.o.Interval)
	}
	d = max(d*9/10+rand.N(d/5+1), p.o.MinInterval)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-asked:
	}
	timer.Reset(time.Until(began.Add(p.o.MinInterval)))
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
