package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// Prewarm opens connections before they are needed: it sends n copies of req at once,
// a GET of something cheap, to each of the addresses through rt, which Wrap has made,
// and past its policies. The connections are then idle, as many of them as the base's
// MaxIdleConnsPerHost and IdleConnTimeout let be; HTTP/2 needs one. n below 1 means 1,
// above 64 it is 64. It returns the errors of what did not connect or broke off;
// any status is well. req's URL names the servers as calls will ("https://users.test/").
func Prewarm(ctx context.Context, rt http.RoundTripper, req *http.Request, n int, addrs ...string) error {
	d, ok := rt.(*door)
	switch {
	case !ok:
		return fmt.Errorf("httpclient: Prewarm needs what Wrap has made, and not a %T", rt)
	case req == nil || req.URL == nil || req.Header == nil:
		return errNoRequest
	case req.Body != nil && req.Body != http.NoBody:
		return errors.New("httpclient: Prewarm sends no body")
	}
	var wg sync.WaitGroup
	errs := make([]error, 0, len(addrs))
	var mu sync.Mutex
	for _, addr := range addrs {
		for range min(max(n, 1), 64) {
			wg.Go(func() {
				if err := d.warm(ctx, req, addr); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, fmt.Errorf("%s: %w", addr, err))
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (d *door) warm(ctx context.Context, req *http.Request, addr string) error {
	x := &exchange{door: d, req: req}
	rt := x.to(&holdfast.Call{Endpoint: addr})
	if rt == nil {
		return x.unreachable()
	}
	out := req.Clone(ctx)
	if addr != req.URL.Host {
		u := new(url.URL)
		*u = *req.URL
		u.Host = addr
		out.URL = u
		if out.Host == "" {
			out.Host = req.URL.Host
		}
	}
	resp, err := rt.RoundTrip(out)
	if err != nil {
		return err
	}
	if resp == nil || resp.Body == nil {
		return nil // a base that is no *http.Transport; there is nothing to read
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.CopyN(io.Discard, resp.Body, 64<<10)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
