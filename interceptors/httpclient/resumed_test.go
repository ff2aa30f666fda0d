package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/timeout"
)

// What is taken up ends as each answer does: with its end, or closed early, and then with what
// it is. It holds its place until then.
func TestWhatIsTakenUpEndsAsOthersDo(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for how, c := range map[string]struct {
			reads  int64
			closes bool
			bytes  int64
		}{"read to its end": {1 << 30, false, 995_000}, "closed at its end": {1 << 30, true, 995_000}, "closed early": {10_000, true, 5000}} {
			synctest.Test(t, func(t *testing.T) {
				s := &store{file: random(1_000_000), every: 5000, breaks: 1}
				transport, _ := inMemory(t, s.ServeHTTP)
				ends := new(ends)
				rt := httpclient.Wrapper{Resume: 3}.Wrap(over(transport, http2), limit.NewInFlight(limit.InFlightOptions{Max: 1}), ends.policy(), quick(1))
				resp, err := rt.RoundTrip(request(t, "GET", "http://server.test/", nil))
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.CopyN(io.Discard, resp.Body, c.reads); n != min(c.reads, 1_000_000) || err != nil && err != io.EOF {
					t.Errorf("HTTP/2 %v, %s: %d bytes, then %v", http2, how, n, err)
				}
				if c.closes {
					_ = resp.Body.Close()
				}
				if first, rest := <-ends.got, ends.one(t); first.Class != holdfast.Failure || rest.Class != holdfast.Success || rest.Code != "206" || rest.Err != nil || rest.Bytes < c.bytes {
					t.Errorf("HTTP/2 %v, %s: it ended as %+v and then %+v", http2, how, first, rest)
				}
				if next, err := rt.RoundTrip(request(t, "GET", "http://server.test/", nil)); err != nil {
					t.Errorf("HTTP/2 %v, %s: the next call: %v", http2, how, err)
				} else {
					_ = next.Body.Close()
				}
				_ = resp.Body.Close()
			})
		}
	}
}

// The limit around the call ends what is taken up as it would have ended the first answer; the
// caller's own deadline does so as that.
func TestTheLimitOfTheCallEndsWhatIsTakenUp(t *testing.T) {
	for _, pause := range []time.Duration{400 * time.Millisecond, 2 * time.Second} { // the second: nothing is taken up
		for _, own := range []time.Duration{0, 900 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				s := &store{file: random(1_000_000), every: 5000, breaks: 9, pause: pause}
				transport, _ := inMemory(t, s.ServeHTTP)
				ends := new(ends)
				rt := httpclient.Wrapper{Resume: 3}.Wrap(transport, ends.policy(), timeout.New(timeout.Options{Limit: time.Second}), quick(1))
				req := request(t, "GET", "http://server.test/", nil)
				want, code := time.Second, "timeout"
				if own != 0 {
					ctx, cancel := context.WithTimeout(t.Context(), own)
					defer cancel()
					req, want, code = req.WithContext(ctx), own, "deadline"
				}
				start := time.Now()
				resp, err := rt.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_, err = io.ReadAll(resp.Body)
				took := time.Since(start)
				_ = resp.Body.Close()
				var last holdfast.End
				for len(ends.got) > 0 {
					last = <-ends.got
				}
				var limit *holdfast.TimeoutError
				if !errors.As(err, &limit) == (own == 0) || took != want || string(last.Code) != code {
					t.Errorf("pause %v, deadline %v: %v after %v, which ended as %+v", pause, own, err, took, last)
				}
				time.Sleep(5 * time.Second) // for the server
			})
		}
	}
}

// Whatever keeps the rest from being sent, its token comes back.
func TestATokenOfWhatIsNotSentComesBackByAPanicToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{file: random(1_000_000), every: 5000, breaks: 9}
		transport, _ := inMemory(t, s.ServeHTTP)
		budget, asked := &tokens{left: 5}, 0
		resp, err := httpclient.Wrapper{Resume: 3, ResumeBudget: budget, Repeatable: func(*http.Request) bool {
			if asked++; asked > 1 {
				panic("mine")
			}
			return true
		}}.Wrap(transport, quick(1)).RoundTrip(request(t, "GET", "http://server.test/", nil))
		if err != nil {
			t.Fatal(err)
		}
		thrown := func() (thrown any) {
			defer func() { thrown = recover() }()
			_, _ = io.ReadAll(resp.Body)
			return nil
		}()
		_ = resp.Body.Close()
		if thrown != "mine" || s.asked.Load() != 1 || budget.left != 4 || budget.back != 1 {
			t.Errorf("thrown %v after %d requests; %+v", thrown, s.asked.Load(), budget)
		}
	})
}

// The request for the rest is a repeat: it is sent only where the call may be, and while its
// client is open.
func TestTheRestIsARepeat(t *testing.T) {
	var gate holdfast.Gate
	for name, c := range map[string]struct {
		wrapper  httpclient.Wrapper
		change   func(*http.Request) *http.Request
		policies []holdfast.Policy
		broken   func()
	}{
		"not repeatable": {wrapper: httpclient.Wrapper{Repeatable: func(*http.Request) bool { return false }}},
		"no repeats":     {change: func(req *http.Request) *http.Request { return req.WithContext(holdfast.WithoutRepeats(req.Context())) }},
		"a repeat of somebody further up": {wrapper: httpclient.Wrapper{AttemptHeader: "X-Attempt", ChainStop: true}, change: func(req *http.Request) *http.Request {
			req.Header.Set("X-Attempt", "2")
			return req
		}},
		"closed meanwhile": {policies: []holdfast.Policy{&gate}, broken: func() { go func() { _ = gate.Shutdown(context.Background()) }() }},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{file: random(10_000), every: 5000, breaks: 1, pause: time.Second}
			transport, _ := inMemory(t, s.ServeHTTP)
			budget := &tokens{left: 5}
			c.wrapper.Resume, c.wrapper.ResumeBudget = 3, budget
			req := request(t, "GET", "http://server.test/", nil)
			if c.change != nil {
				req = c.change(req)
			}
			resp, err := c.wrapper.Wrap(transport, append(c.policies, quick(3))...).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if c.broken != nil {
				c.broken()
			}
			got, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if len(got) != 5000 || !errors.Is(err, io.ErrUnexpectedEOF) || s.asked.Load() != 1 || budget.left != 5 {
				t.Errorf("%s: %d bytes of %d requests, then %v; %+v", name, len(got), s.asked.Load(), err, budget)
			}
		})
	}
}

// What ends the wait for the rest is found in the error, beside the one with which it broke off.
func TestWhatEndsTheWaitForTheRestIsFound(t *testing.T) {
	var gate holdfast.Gate
	ctx, cancel := context.WithCancel(context.Background())
	for name, c := range map[string]struct {
		ctx    context.Context
		policy holdfast.Policy
		end    func()
		is     func(error) bool
	}{
		"a cancel":         {ctx, passes, cancel, func(err error) bool { return errors.Is(err, context.Canceled) }},
		"a closed client":  {context.Background(), &gate, func() { _ = gate.Close() }, func(err error) bool { return errors.Is(err, holdfast.ErrClosed) }},
		"the call's limit": {context.Background(), timeout.New(timeout.Options{Limit: time.Second}), nil, func(err error) bool { var limit *holdfast.TimeoutError; return errors.As(err, &limit) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{file: random(10_000), every: 5000, breaks: 1, change: func(n int32, _ http.ResponseWriter, r *http.Request) bool {
				if n > 1 {
					<-r.Context().Done()
				}
				return n > 1
			}}
			transport, _ := inMemory(t, s.ServeHTTP)
			resp, err := httpclient.Wrapper{Resume: 3}.Wrap(transport, c.policy, quick(3)).RoundTrip(request(t, "GET", "http://server.test/", nil).WithContext(c.ctx))
			if err != nil {
				t.Fatal(err)
			}
			if c.end != nil {
				time.AfterFunc(time.Second, c.end)
			}
			start := time.Now()
			if got, err := io.ReadAll(resp.Body); len(got) != 5000 || !errors.Is(err, io.ErrUnexpectedEOF) || !c.is(err) || time.Since(start) != time.Second {
				t.Errorf("%s: %d bytes, then %v after %v", name, len(got), err, time.Since(start))
			}
			_ = resp.Body.Close()
		})
	}
}
