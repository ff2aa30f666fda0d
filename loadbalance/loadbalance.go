// Package loadbalance chooses, for each attempt of a call, one of the servers that
// discovery has found: by a Strategy, among those that are healthy. A Set is a
// holdfast.Policy for HTTP and plain functions; a Pool is the same without a
// Resolver, for a transport that has its own, such as gRPC.
package loadbalance

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A Strategy makes a Picker of the nodes that may be picked, of which there is one
// at least. It is called anew whenever these change.
type Strategy func(nodes []*Node) Picker

// A Picker picks one of the nodes that it was made of, and returns its index. It
// does not block and is safe for concurrent use.
type Picker interface {
	Pick(info PickInfo) int
}

// A PickInfo says what a pick is for.
type PickInfo struct {
	Ctx  context.Context // of the attempt
	Call *holdfast.Call  // may be nil
	Try  int             // how many picks for the same attempt were not taken: a strategy that would pick the same again picks the next one
	Now  int64           // nanoseconds of a monotonic clock, read once for each pick, for strategies of your own too

	patient bool // where no node is well, only the turn to show whether one is back will do
}

// A Guard decides whether a node takes another call; limit's types are Guards.
// Ready is asked when a node is picked; Enter takes a place, which leave gives
// back, once, and is told how the call was and how long it took; it may be nil. It
// must be safe for concurrent use.
type Guard interface {
	Ready() bool
	Enter() (leave func(c holdfast.Class, took time.Duration), ok bool)
}

type keyKey struct{}

// WithKey returns a context whose calls hash to the node of a key, for the
// strategies that hash: a user, a session, a shard.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyKey{}, key)
}

// keyOf returns the key of a pick.
func keyOf(info PickInfo) (string, bool) {
	if info.Ctx == nil {
		return "", false
	}
	key, ok := info.Ctx.Value(keyKey{}).(string)
	return key, ok
}
