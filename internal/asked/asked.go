// Package asked has what a context asks for one call: a limit of time unlike that of others. A policy
// that learns what calls take leaves such a call out.
package asked

import (
	"context"
	"sync/atomic"
	"time"
)

// A Limit is what a context asks for, around the whole call and around each attempt. 0 is none of
// its own; negative: no limit.
type Limit struct {
	Call, Attempt time.Duration
	// Within is the Call that the context was of when it was asked, or a nil one: what was asked
	// of a call further out is not meant for one that is made within it.
	Within any
}

type key struct{}

// Ever tells whether anything was ever asked: it spares a program that asks for nothing the look into
// its contexts.
var Ever atomic.Bool

// On returns a context that asks for l.
func (l *Limit) On(ctx context.Context) context.Context {
	Ever.Store(true)
	return context.WithValue(ctx, key{}, l)
}

// By returns what ctx asks for, or nil. Whether it is meant for a call its Within tells.
func By(ctx context.Context) *Limit {
	if !Ever.Load() {
		return nil
	}
	l, _ := ctx.Value(key{}).(*Limit)
	return l
}
