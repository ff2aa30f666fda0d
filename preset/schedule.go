package preset

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// schedule is gRPC's: min(initial × multiplier^(n-1), max), a fifth more or less.
func (r *RetryPolicy) schedule() backoff.BackOff { return &grpcSchedule{of: r} }

type grpcSchedule struct {
	of *RetryPolicy
	n  int
}

// NextBackOff returns the next wait.
func (s *grpcSchedule) NextBackOff() time.Duration {
	d := min(float64(s.of.InitialBackoff)*math.Pow(s.of.Multiplier, float64(s.n)), float64(s.of.MaxBackoff))
	s.n++
	return time.Duration(d * (0.8 + 0.4*rand.Float64()))
}

// Reset begins anew.
func (s *grpcSchedule) Reset() { s.n = 0 }

// policyOf returns the RetryPolicy that a schedule is of, or nil.
func policyOf(of func() backoff.BackOff) *RetryPolicy {
	if of == nil {
		return nil
	}
	if s, ok := of().(*grpcSchedule); ok {
		return s.of
	}
	return nil
}

// outcomes are, for each code of gRPC in the order of its numbers, what the doors
// call the same. The statuses are those of google.rpc.Code, and for UNAVAILABLE
// also those that gRPC itself reads as such (its doc/http-grpc-status-mapping.md).
var outcomes = []struct {
	code string
	http []string
}{
	{"OK", nil},
	{"CANCELLED", []string{"499"}},
	{"UNKNOWN", nil},
	{"INVALID_ARGUMENT", []string{"400"}},
	{"DEADLINE_EXCEEDED", []string{"408", "504"}},
	{"NOT_FOUND", []string{"404"}},
	{"ALREADY_EXISTS", []string{"409"}},
	{"PERMISSION_DENIED", []string{"403"}},
	{"RESOURCE_EXHAUSTED", []string{"429"}},
	{"FAILED_PRECONDITION", []string{"412"}},
	{"ABORTED", []string{"409"}},
	{"OUT_OF_RANGE", []string{"416"}},
	{"UNIMPLEMENTED", []string{"501"}},
	{"INTERNAL", []string{"500"}},
	{"UNAVAILABLE", []string{"502", "503", "504", "eof", "reset", "timeout"}},
	{"DATA_LOSS", nil},
	{"UNAUTHENTICATED", []string{"401"}},
}

func codeNames() (names []string) {
	for _, o := range outcomes {
		names = append(names, o.code)
	}
	return names
}

// spread adds to gRPC's codes what the doors call the same; a limit of an attempt
// that runs out is always worth another.
func spread(codes []string) []string {
	all := append([]string{"timeout"}, codes...)
	for _, o := range outcomes {
		if slices.Contains(codes, o.code) {
			all = append(all, o.http...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// gather returns gRPC's own codes among names; those that are repeated without
// any, where there are none.
func gather(names []string) (codes []string) {
	for _, o := range outcomes {
		if slices.Contains(names, o.code) {
			codes = append(codes, o.code)
		}
	}
	if len(codes) == 0 {
		codes = []string{"UNAVAILABLE"}
	}
	return codes
}
