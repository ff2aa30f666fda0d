package holdfasttest

import (
	"context"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// A spy is a policy that changes nothing and remembers everything.
type spy struct {
	mu       sync.Mutex
	calls    []holdfast.Call // as they came, without what must not be copied
	sent     []*holdfast.Call
	results  []holdfast.Result
	ends     []holdfast.End
	tokens   []uint64
	progress []bool
}

var _ holdfast.ProgressHook = (*spy)(nil)

func (s *spy) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		s.mu.Lock()
		s.calls = append(s.calls, holdfast.Call{Target: call.Target, Method: call.Method, Attempt: call.Attempt, Record: call.Record, Sender: call.Sender})
		s.sent = append(s.sent, call)
		n := uint64(len(s.calls))
		s.mu.Unlock()
		res := next(ctx, call)
		s.mu.Lock()
		s.results = append(s.results, res)
		s.mu.Unlock()
		res.OnDone(s, n)
		return res
	}
}

func (s *spy) Done(token uint64, end holdfast.End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends, s.tokens = append(s.ends, end), append(s.tokens, token)
}

func (s *spy) Progress(_ uint64, waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress = append(s.progress, waiting)
}

// seen returns what there is so far.
func (s *spy) seen() (calls []holdfast.Call, results []holdfast.Result, ends []holdfast.End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(calls, s.calls...), append(results, s.results...), append(ends, s.ends...)
}

func (s *spy) done() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ends)
}

// progressed tells whether the reader was seen to wait, and something to arrive.
func (s *spy) progressed() (waited, arrived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, waiting := range s.progress {
		waited, arrived = waited || waiting, arrived || !waiting
	}
	return waited, arrived
}

// around makes a policy of what is done before and after.
func around(f func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call, next) }
	})
}
