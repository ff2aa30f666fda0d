package holdfasttest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func script(faults ...holdfasttest.Step) *holdfasttest.Faults {
	return holdfasttest.NewFaults(holdfasttest.FaultOptions{Script: faults})
}

func TestFaultsKeepTheContract(t *testing.T) {
	for name, faults := range map[string][]holdfasttest.Step{
		"delay":          {{Delay: 10 * time.Second}},
		"refuse":         {{Class: holdfast.Refused}},
		"fail":           {{Class: holdfast.Failure, Err: errServer, Code: "503"}},
		"hang":           {{Delay: time.Second, Hang: true, Err: errServer}},
		"lose":           {{Delay: time.Second, Lose: true}},
		"cut off":        {{CutOff: 2}},
		"one by one":     {{}, {Hang: true}, {CutOff: 1}},
		"delay, cut off": {{Delay: time.Minute, CutOff: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "hang") { // nothing but its caller ends a call that hangs
				holdfasttest.TestPolicy(t, func() holdfast.Policy { return within(time.Hour, script(faults...)) })
				return
			}
			holdfasttest.TestPolicy(t, func() holdfast.Policy { return script(faults...) })
		})
	}
}

// within ends a call that takes longer than d, whatever it is.
func within(d time.Duration, p holdfast.Policy) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		h := p.Wrap(next)
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx, cancel := context.WithTimeout(ctx, d)
			defer cancel()
			return h(ctx, call)
		}
	})
}

// one makes one call through the policies, which reaches s.
func one(ctx context.Context, s *holdfasttest.Script, policies ...holdfast.Policy) (holdfast.Result, time.Duration) {
	start := time.Now()
	res := s.Do(ctx, holdfast.Chain(policies...), holdfast.Call{Target: "users"})
	return res, time.Since(start)
}

// What panics, or ends its goroutine, does so after its Delay, counts as sent and sends
// nothing.
func TestFaultsThatBreak(t *testing.T) {
	for name, f := range map[string]holdfasttest.Step{
		"panic":  {Delay: time.Hour, Panic: []string{"of a type that cannot be compared"}},
		"goexit": {Delay: time.Hour, Goexit: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(holdfasttest.Script)
				faults := script(f)
				sent, returned := false, false
				var panicked any
				spy := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						defer func() { sent = call.Sent() }()
						return next(ctx, call)
					}
				})
				var wg sync.WaitGroup
				start := time.Now()
				wg.Add(1)
				go func() {
					defer wg.Done()
					defer func() { panicked = recover() }()
					one(t.Context(), s, spy, faults)
					returned = true
				}()
				wg.Wait()
				if returned || (panicked != nil) != (name == "panic") || !sent || len(s.Sendings()) != 0 || faults.Injected() != 1 || time.Since(start) != time.Hour {
					t.Errorf("returned %v, panicked %v, sent %v, %d sendings, after %v", returned, panicked, sent, len(s.Sendings()), time.Since(start))
				}
			})
		})
	}
}

func TestEachFault(t *testing.T) {
	overload := holdfast.Mark(errServer, holdfast.Overload, 0)
	for name, c := range map[string]struct {
		fault holdfasttest.Step
		limit time.Duration
		sent  int
		err   error
		class holdfast.Class
		code  holdfast.Code
		took  time.Duration
	}{
		"none":                      {holdfasttest.Step{}, 0, 1, nil, holdfast.Success, "success", 0},
		"delay":                     {holdfasttest.Step{Delay: time.Hour}, 0, 1, nil, holdfast.Success, "success", time.Hour},
		"negative delay":            {holdfasttest.Step{Delay: -time.Hour}, 0, 1, nil, holdfast.Success, "success", 0},
		"failure":                   {holdfasttest.Step{Class: holdfast.Failure}, 0, 0, holdfasttest.ErrInjected, holdfast.Failure, "fault", 0},
		"refusal with a code":       {holdfasttest.Step{Class: holdfast.Refused, Code: "dial"}, 0, 0, holdfasttest.ErrInjected, holdfast.Refused, "dial", 0},
		"error":                     {holdfasttest.Step{Err: errServer}, 0, 0, errServer, holdfast.Failure, "fault", 0},
		"marked error":              {holdfasttest.Step{Err: overload}, 0, 0, overload, holdfast.Overload, "fault", 0},
		"lost answer":               {holdfasttest.Step{Lose: true}, 0, 1, holdfasttest.ErrInjected, holdfast.Failure, "fault", 0},
		"failure after a delay":     {holdfasttest.Step{Delay: time.Second, Err: errServer}, 0, 0, errServer, holdfast.Failure, "fault", time.Second},
		"hang":                      {holdfasttest.Step{Hang: true}, 3 * time.Second, 0, context.DeadlineExceeded, holdfast.Failure, "timeout", 3 * time.Second},
		"hang with an error":        {holdfasttest.Step{Hang: true, Err: errServer}, 3 * time.Second, 0, errServer, holdfast.Failure, "timeout", 3 * time.Second},
		"delay beyond a time limit": {holdfasttest.Step{Delay: time.Hour}, 3 * time.Second, 0, context.DeadlineExceeded, holdfast.Failure, "timeout", 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := new(holdfasttest.Script), script(c.fault)
				res, took := one(t.Context(), s, timeout.New(timeout.Options{Limit: max(c.limit, -1) - boolToInt(c.limit == 0)}), f)
				if !errors.Is(res.Err, c.err) || res.Class != c.class || res.Code != c.code || took != c.took || len(s.Sendings()) != c.sent {
					t.Errorf("%v %v %q after %v, %d sent; want %v %v %q after %v, %d sent",
						res.Err, res.Class, res.Code, took, len(s.Sendings()), c.err, c.class, c.code, c.took, c.sent)
				}
				if want := 1 - boolToInt(c.fault == holdfasttest.Step{}); f.Injected() != int(want) {
					t.Errorf("%d faults counted, want %d", f.Injected(), want)
				}
				s.Verify(t, res)
			})
		})
	}
}

func boolToInt(b bool) time.Duration {
	if b {
		return 1
	}
	return 0
}

// A fault is to a retry what the failure of a server is, its budget included.
func TestFaultsCountAsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, f := range []holdfasttest.Step{{Class: holdfast.Failure}, {Class: holdfast.Refused}, {Lose: true}} {
			s, sent := new(holdfasttest.Script), 0
			count := stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
				res := next(ctx, call)
				if call.Sent() { // by which a retry knows whether its budget is to have the attempt back
					sent++
				}
				return res
			})()
			res := s.Do(t.Context(), holdfast.Chain(retry.New(retry.Options{}), count, script(f)), holdfast.Call{Target: "users", Repeatable: true})
			var all *holdfast.AttemptsError
			if !errors.As(res.Err, &all) || len(all.Ledger.Attempts) != 3 {
				t.Errorf("%+v: %v, want three attempts", f, res.Err)
			}
			if sent != 3 {
				t.Errorf("%+v: %d attempts count as sent, want 3", f, sent)
			}
			s.Verify(t, res)
		}
	})
}

// An attempt that hangs is judged by how long it had, as a server's would be.
func TestAHangIsNoFailureOfAServerThatHadNoTime(t *testing.T) {
	for after, want := range map[time.Duration]holdfast.Class{100 * time.Millisecond: holdfast.Ignored, time.Second: holdfast.Failure} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			res, took := one(ctx, new(holdfasttest.Script), script(holdfasttest.Step{Hang: true}))
			if res.Class != want || res.Code != "deadline" || took != after {
				t.Errorf("%v %q after %v, want %v after %v", res.Class, res.Code, took, want, after)
			}
		})
	}
}

func TestFaultsByScriptFollowTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(holdfasttest.Step{Class: holdfast.Refused}, holdfasttest.Step{})
		h := holdfast.Chain(retry.New(retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true})}), f)
		for range 10 {
			s := new(holdfasttest.Script)
			if res := s.Do(t.Context(), h, holdfast.Call{Target: "users"}); res.Class != holdfast.Success || len(s.Sendings()) != 1 || s.Sendings()[0].Call.Attempt != 2 {
				t.Errorf("%v after %d sendings, want the second attempt to pass", res.Class, len(s.Sendings()))
			}
		}
		if f.Injected() != 10 {
			t.Errorf("%d faults, want 10", f.Injected())
		}
	})
}

func TestFaultsByRate(t *testing.T) {
	nan := 0.0
	nan /= nan
	run := func(rate float64, seed uint64) (hits string) {
		f := holdfasttest.NewFaults(holdfasttest.FaultOptions{Script: []holdfasttest.Step{{Class: holdfast.Failure}}, Rate: rate, Seed: seed})
		for range 1000 {
			res, _ := one(t.Context(), new(holdfasttest.Script), f)
			hits += map[bool]string{true: "x", false: "."}[res.Class == holdfast.Failure]
		}
		return hits
	}
	if n := strings.Count(run(0.25, 0), "x"); n < 200 || n > 300 { // within 3.6 standard deviations
		t.Errorf("%d of 1000 faults at a rate of 0.25", n)
	}
	if first, again := run(0.25, 7), run(0.25, 7); first != again || first == run(0.25, 8) {
		t.Error("the seed does not decide which attempts are hit")
	}
	for rate, want := range map[float64]int{0: 1000, 1: 1000, 7: 1000, -1: 0, nan: 0, 1e-300: 0} {
		if n := strings.Count(run(rate, 0), "x"); n != want {
			t.Errorf("%d faults at a rate of %v, want %d", n, rate, want)
		}
	}
}

func TestFaultsAreSwitchedAtRunTime(t *testing.T) {
	var f holdfasttest.Faults
	h := holdfast.Chain(&f)
	class := func(target string) holdfast.Class {
		s := new(holdfasttest.Script)
		return s.Do(t.Context(), h, holdfast.Call{Target: target}).Class
	}
	if class("a") != holdfast.Success {
		t.Error("the zero Faults inject faults")
	}
	f.Set(holdfasttest.FaultOptions{
		Script: []holdfasttest.Step{{Class: holdfast.Overload}},
		Match:  func(call *holdfast.Call) bool { return call.Target == "a" },
	})
	if class("a") != holdfast.Overload || class("b") != holdfast.Success {
		t.Error("the faults do not follow Match")
	}
	f.Set(holdfasttest.FaultOptions{})
	if class("a") != holdfast.Success || f.Injected() != 1 {
		t.Error("the faults cannot be switched off")
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { f.Set(holdfasttest.FaultOptions{Script: []holdfasttest.Step{{Err: errServer}}, Rate: 0.5}) })
		wg.Go(func() { class("a") })
	}
	wg.Wait()
	var none *holdfasttest.Faults
	if none.Wrap(nil) != nil || none.Injected() != 0 {
		t.Error("nil Faults are not nothing")
	}
}

func TestACutOffReplyFailsItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &holdfasttest.Script{Steps: []holdfasttest.Step{{Open: true}}}
		res, _ := one(t.Context(), s, script(holdfasttest.Step{CutOff: 3}))
		reply := res.Reply.(*holdfasttest.Reply)
		for i := 1; i < 3; i++ {
			if err := reply.Wait(time.Second); err != nil {
				t.Errorf("wait %d: %v", i, err)
			}
		}
		start := time.Now()
		if err := reply.Wait(time.Second); err == nil || time.Since(start) != 0 {
			t.Errorf("the third wait: %v after %v", err, time.Since(start))
		}
		synctest.Wait()
		s.Verify(t, res)
	})
}

func TestBodiesAreCut(t *testing.T) {
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("0123456789")), Request: req}, nil
	})
	for _, c := range []struct {
		after int64
		want  string
		err   error
	}{{4, "0123", io.ErrUnexpectedEOF}, {0, "", io.ErrUnexpectedEOF}, {-1, "", io.ErrUnexpectedEOF}, {9, "012345678", io.ErrUnexpectedEOF}, {10, "0123456789", nil}, {1 << 62, "0123456789", nil}} {
		client := http.Client{Transport: &holdfasttest.Bodies{Base: base, Cut: func(*http.Response) (int64, bool) { return c.after, true }}}
		resp, err := client.Get("http://users/")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != c.want || err != c.err {
			t.Errorf("cut after %d: read %q, %v; want %q, %v", c.after, got, err, c.want, c.err)
		}
	}
	off := &holdfasttest.Bodies{Base: base, Cut: func(*http.Response) (int64, bool) { return 0, false }}
	resp, _ := off.RoundTrip(new(http.Request))
	if got, err := io.ReadAll(resp.Body); len(got) != 10 || err != nil {
		t.Errorf("a response that does not match was cut: %q, %v", got, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
