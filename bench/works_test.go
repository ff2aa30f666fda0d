package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Every subject that is measured is shown to do what its row is named for: one that
// does nothing would win.

var errDown = errors.New("down")

// A rig answers the calls that reach it, the first, second and so on.
type rig struct {
	calls  atomic.Int64
	answer func(ctx context.Context, n int64) error
}

func (r *rig) reach(ctx context.Context) error { return r.answer(ctx, r.calls.Add(1)) }

// RoundTrip answers 503 for errDown, and passes other errors on.
func (r *rig) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	status := http.StatusOK
	switch err := r.reach(req.Context()); {
	case errors.Is(err, errDown):
		status = http.StatusServiceUnavailable
	case err != nil:
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, ContentLength: 0, Request: req, Header: http.Header{}}, nil
}

func hangs(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return errors.New("nobody ended it")
	}
}

// shows checks the traits of a subject that make puts around a rig.
func shows(t *testing.T, of traits, put func(r *rig, k knobs) func() error) {
	t.Helper()
	usual := knobs{limit: 5 * time.Second, delay: 5 * time.Second, wait: time.Millisecond}
	if of.retry {
		r := &rig{answer: func(_ context.Context, n int64) error {
			if n == 1 {
				return errDown
			}
			return nil
		}}
		if err := put(r, usual)(); err != nil || r.calls.Load() != 2 {
			t.Errorf("retry: %v after %d attempts", err, r.calls.Load())
		}
	}
	if of.breaker {
		r := &rig{answer: func(context.Context, int64) error { return errDown }}
		do := put(r, usual)
		for range 60 {
			_ = do()
		}
		before := r.calls.Load()
		if err := do(); err == nil || r.calls.Load() != before || before > 55 {
			t.Errorf("breaker: %v; %d calls got through before, %d after", err, before, r.calls.Load()-before)
		}
	}
	if of.timeout {
		k := usual
		k.limit = 20 * time.Millisecond
		r := &rig{answer: func(ctx context.Context, _ int64) error { return hangs(ctx) }}
		start := time.Now()
		if err := put(r, k)(); err == nil || time.Since(start) > 5*time.Second {
			t.Errorf("timeout: %v after %v", err, time.Since(start))
		}
	}
	if of.hedge {
		k := usual
		k.delay = 20 * time.Millisecond
		r := &rig{answer: func(ctx context.Context, n int64) error {
			if n == 1 {
				return hangs(ctx)
			}
			return nil
		}}
		start := time.Now()
		if err := put(r, k)(); err != nil || r.calls.Load() != 2 || time.Since(start) > 4*time.Second {
			t.Errorf("hedge: %v after %d attempts and %v", err, r.calls.Load(), time.Since(start))
		}
	}
}

func TestHTTPSubjectsDoWhatTheyAreMeasuredFor(t *testing.T) {
	for _, row := range httpTable() {
		for _, s := range row.subjects {
			if s.who == "bare" {
				continue
			}
			t.Run(row.name+"/"+s.who, func(t *testing.T) {
				t.Parallel()
				shows(t, row.traits, func(r *rig, k knobs) func() error {
					do := s.wrap(r, k)
					return func() error {
						req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.test/", nil)
						if err != nil {
							return err
						}
						if row.body {
							req, err = http.NewRequestWithContext(t.Context(), http.MethodPut, "http://server.test/", strings.NewReader("body"))
							if err != nil {
								return err
							}
						}
						resp, err := do(req)
						if err != nil {
							return err
						}
						_ = resp.Body.Close()
						if resp.StatusCode != http.StatusOK {
							return errDown
						}
						return nil
					}
				})
			})
		}
	}
}

func TestFunctionSubjectsDoWhatTheyAreMeasuredFor(t *testing.T) {
	for _, row := range functionTable() {
		for _, s := range row.subjects {
			t.Run(row.name+"/"+s.who, func(t *testing.T) {
				t.Parallel()
				shows(t, row.traits, func(r *rig, k knobs) func() error {
					run := s.make(k)
					return func() error {
						_, err := run(t.Context(), func(ctx context.Context) (int, error) { return 1, r.reach(ctx) })
						return err
					}
				})
			})
		}
	}
}

func TestGRPCSubjectsDoWhatTheyAreMeasuredFor(t *testing.T) {
	for _, row := range grpcTable() {
		for _, s := range row.subjects {
			if s.who == "floor" && row.traits.hedge && !row.traits.retry {
				continue // it shares the reply, which an unfired hedge does not need
			}
			t.Run(row.name+"/"+s.who, func(t *testing.T) {
				t.Parallel()
				shows(t, row.traits, func(r *rig, k knobs) func() error {
					i := s.make(k)
					invoke := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
						if err := r.reach(ctx); err != nil {
							return status.Error(codes.Unavailable, err.Error())
						}
						return nil
					}
					return func() error { return i(t.Context(), method, wrapperspb.String("x"), new(message), nil, invoke) }
				})
			})
		}
	}
}

func TestLimitsLetInWhatTheyAreSetTo(t *testing.T) {
	for _, g := range inFlightGates() {
		for i := range places {
			if !g.enter() {
				t.Errorf("%s: no room for the %dth of %d", g.who, i+1, places)
			}
		}
		if g.enter() {
			t.Errorf("%s: room for one more", g.who)
		}
		g.leave()
		if !g.enter() {
			t.Errorf("%s: no room after one has left", g.who)
		}
	}
	for _, g := range rateGates(10) {
		n := 0
		for range 2 * burst {
			if g.enter() {
				n++
			}
		}
		// failsafe-go's has its burst in a second.
		if n < 10 || n > burst+10 {
			t.Errorf("%s: let %d in", g.who, n)
		}
	}
}

func TestStandardReachesTheServer(t *testing.T) {
	r := &rig{answer: func(context.Context, int64) error { return nil }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ourStandard(r, idle)(req)
	if err != nil || resp.StatusCode != http.StatusOK || r.calls.Load() != 1 {
		t.Fatalf("%v, %d calls", err, r.calls.Load())
	}
	_ = resp.Body.Close()
}

func TestMeasureCountsAllocations(t *testing.T) {
	var kept []byte
	m := measure(row{subjects: func() []subject {
		return []subject{{"bare", func() {}}, {"holdfast", func() { kept = make([]byte, 512) }}}
	}, goal: goal{allocs: -1}}, 3, time.Millisecond)
	_ = kept
	if bare, _ := m.of("bare"); bare.Allocs != 0 {
		t.Errorf("nothing allocates %v times", bare.Allocs)
	}
	if one, _ := m.of("holdfast"); one.Allocs != 1 || m.judge().ok {
		t.Errorf("one allocation counts as %v, within a goal of none: %v", one.Allocs, m.judge().ok)
	}
}
