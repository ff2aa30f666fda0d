package retry_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A script is a transport that answers attempt after attempt with the next of
// its Results, the last one again and again. It takes a time for each.
type script struct {
	mu       sync.Mutex
	results  []holdfast.Result
	takes    time.Duration
	sends    []time.Time
	calls    []*holdfast.Call
	discards int
}

func (s *script) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	s.mu.Lock()
	res := s.results[min(len(s.sends), len(s.results)-1)]
	s.sends = append(s.sends, time.Now())
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if s.takes > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(s.takes):
		}
	}
	if res.Err == nil {
		res.Reply = &answer{of: s}
	}
	return res
}

type answer struct {
	holdfast.Ending
	of *script
}

func (a *answer) Discard() {
	if a.Finish(holdfast.End{Class: holdfast.Success}) {
		a.of.mu.Lock()
		a.of.discards++
		a.of.mu.Unlock()
	}
}

var errBoom = errors.New("boom")

func failure() holdfast.Result {
	return holdfast.Result{Err: errBoom, Class: holdfast.Failure, Code: "error"}
}

func status(class holdfast.Class, code holdfast.Code, after time.Duration) holdfast.Result {
	return holdfast.Result{Class: class, Code: code, After: after}
}

func success() holdfast.Result { return holdfast.Result{Class: holdfast.Success, Code: "ok"} }

// send makes one call through the policies to a script.
func send(ctx context.Context, repeatable bool, s holdfast.Sender, policies ...holdfast.Policy) (holdfast.Result, *holdfast.Record) {
	record := new(holdfast.Record)
	call := &holdfast.Call{Target: "t", Method: "m", Repeatable: repeatable, Sender: s, Record: record}
	return holdfast.Chain(policies...)(ctx, call), record
}

// constant is a Retry whose waits are all known.
func constant(o retry.Options) *retry.Retry {
	o.Jitter = retry.Constant
	return retry.New(o)
}
