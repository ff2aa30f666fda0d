package main

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// ErrFull answers a call whose tenant has as many calls under way as it may.
var ErrFull = errors.New("bulkhead: too many calls of this tenant are under way")

// A Bulkhead is a policy that bounds the calls under way for each tenant, so that one tenant
// cannot take the places of all. It is safe for concurrent use.
type Bulkhead struct {
	Max int                              // calls under way for a tenant
	Of  func(ctx context.Context) string // names the tenant

	mu      sync.Mutex
	tenants map[string]*tenant // those with calls under way
}

// A tenant is the hook of its calls: Done is told when one of them is over.
type tenant struct {
	of       *Bulkhead
	name     string
	underWay int
}

// Wrap returns a Handler that sends a call when its tenant has a place left.
func (b *Bulkhead) Wrap(next holdfast.Handler) holdfast.Handler {
	if b == nil {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		t := b.enter(b.Of(ctx))
		if t == nil {
			return call.Reject(ctx, holdfast.Event{Policy: "bulkhead", Code: "tenant_full", Reason: "full", Err: ErrFull})
		}
		return call.Hold(ctx, next, t, 0) // Done gives the place back, however the call ends
	}
}

// enter takes a place; nil: there is none.
func (b *Bulkhead) enter(name string) *tenant {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tenants[name]
	if t == nil {
		t = &tenant{of: b, name: name}
	}
	if t.underWay >= b.Max {
		return nil
	}
	if b.tenants == nil {
		b.tenants = map[string]*tenant{}
	}
	t.underWay++
	b.tenants[name] = t
	return t
}

// Done gives a place back.
func (t *tenant) Done(uint64, holdfast.End) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.underWay--; t.underWay == 0 {
		delete(t.of.tenants, t.name)
	}
}
