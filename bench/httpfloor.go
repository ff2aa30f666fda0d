package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The floors: each does what its row is named for and nothing else, as somebody
// would write it who needs just that.

func failed(resp *http.Response, err error) bool { return err != nil || resp.StatusCode >= 500 }

func floorRetry(base http.RoundTripper, k knobs) doer {
	return func(req *http.Request) (*http.Response, error) { return retrying(base.RoundTrip, k, req) }
}

func retrying(do doer, k knobs, req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		if attempt > 1 && req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			again := *req
			again.Body = body
			req = &again
		}
		resp, err := do(req)
		if attempt == 3 || !failed(resp, err) || req.Context().Err() != nil {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		time.Sleep(k.wait)
	}
}

var errOpen = errors.New("open")

// A plainBreaker opens for a second after five failures in a row.
type plainBreaker struct {
	row   atomic.Int32
	until atomic.Int64
}

func (b *plainBreaker) guard(do doer) doer {
	return func(req *http.Request) (*http.Response, error) {
		if until := b.until.Load(); until != 0 && time.Now().UnixNano() < until {
			return nil, errOpen
		}
		resp, err := do(req)
		switch {
		case !failed(resp, err):
			if b.row.Load() != 0 {
				b.row.Store(0)
				b.until.Store(0)
			}
		case b.row.Add(1) >= 5:
			b.until.Store(time.Now().Add(time.Second).UnixNano())
		}
		return resp, err
	}
}

func floorBreaker(base http.RoundTripper, _ knobs) doer {
	return new(plainBreaker).guard(base.RoundTrip)
}

// cancelling is a body that ends its context when it is closed.
type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *cancelling) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

func limited(do doer, k knobs) doer {
	return func(req *http.Request) (*http.Response, error) {
		ctx, cancel := context.WithTimeout(req.Context(), k.limit)
		resp, err := do(req.WithContext(ctx))
		if err != nil {
			cancel()
			return nil, err
		}
		resp.Body = &cancelling{resp.Body, cancel}
		return resp, nil
	}
}

func floorTimeout(base http.RoundTripper, k knobs) doer { return limited(base.RoundTrip, k) }

func floorThree(base http.RoundTripper, k knobs) doer {
	do := new(plainBreaker).guard(limited(base.RoundTrip, k))
	return func(req *http.Request) (*http.Response, error) { return retrying(do, k, req) }
}

// A race is a call that may be hedged: the first attempt on the caller's
// goroutine, the other from a timer.
type race struct {
	mu     sync.Mutex
	won    bool
	resp   *http.Response
	err    error
	done   chan struct{}
	cancel [2]context.CancelFunc
}

func (r *race) finish(i int, resp *http.Response, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.won || err != nil && r.cancel[1] != nil && i == 0 {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return
	}
	r.won, r.resp, r.err = true, resp, err
	if other := r.cancel[1-i]; other != nil {
		other()
	}
}

func hedging(base http.RoundTripper, k knobs, limit bool) doer {
	return func(req *http.Request) (*http.Response, error) {
		r := &race{}
		attempt := func() (context.Context, context.CancelFunc) {
			if limit {
				return context.WithTimeout(req.Context(), k.limit)
			}
			return context.WithCancel(req.Context())
		}
		ctx, cancel := attempt()
		r.cancel[0] = cancel
		timer := time.AfterFunc(k.delay, func() {
			r.mu.Lock()
			if r.won {
				r.mu.Unlock()
				return
			}
			r.done = make(chan struct{})
			defer close(r.done)
			ctx, cancel := attempt()
			r.cancel[1] = cancel
			r.mu.Unlock()
			resp, err := base.RoundTrip(req.WithContext(ctx))
			r.finish(1, resp, err)
		})
		resp, err := base.RoundTrip(req.WithContext(ctx))
		r.finish(0, resp, err)
		timer.Stop()
		r.mu.Lock()
		done := r.done
		r.mu.Unlock()
		if done != nil {
			<-done
		}
		cancel = r.cancel[0]
		if r.cancel[1] != nil && r.resp != resp {
			cancel = r.cancel[1]
		}
		if r.err != nil || r.resp == nil {
			cancel()
			if r.resp == nil && r.err == nil {
				return nil, err
			}
			return nil, r.err
		}
		r.resp.Body = &cancelling{r.resp.Body, cancel}
		return r.resp, nil
	}
}

func floorHedge(base http.RoundTripper, k knobs) doer { return hedging(base, k, false) }

func floorFour(base http.RoundTripper, k knobs) doer {
	do := new(plainBreaker).guard(hedging(base, k, true))
	return func(req *http.Request) (*http.Response, error) { return retrying(do, k, req) }
}
