package preset

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// schedule is gRPC's: min(initial × multiplier^(n-1), max), a fifth more or less.
func (r *retryPolicy) schedule() backoff.BackOff { return &grpcSchedule{of: r} }

type grpcSchedule struct {
	of *retryPolicy
	n  int
}

// NextBackOff returns the next wait.
func (s *grpcSchedule) NextBackOff() time.Duration {
	d := min(float64(s.of.initialBackoff)*math.Pow(s.of.multiplier, float64(s.n)), float64(s.of.maxBackoff))
	s.n++
	return time.Duration(d * (0.8 + 0.4*rand.Float64()))
}

// Reset begins anew.
func (s *grpcSchedule) Reset() { s.n = 0 }

// spread adds to gRPC's codes what other transports call the same; a limit of an attempt
// that runs out is always worth another.
func spread(codes []string) []holdfast.Code {
	all := []holdfast.Code{holdfast.CodeTimeout}
	for _, name := range codes {
		code := holdfast.Code(name)
		all = append(all, code)
		for _, other := range rpccode.Alike(name) {
			all = append(all, holdfast.Code(other))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
