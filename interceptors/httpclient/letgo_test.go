package httpclient_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

const drainTime = 50 * time.Millisecond // the default

// A stalling server answers 503, begins a body or none, and then waits until its client is
// gone. It counts the requests that it still holds.
type stalling struct {
	header map[string]string
	begins string
	holds  atomic.Int32
	seen   atomic.Int32
}

func (s *stalling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.seen.Add(1)
	s.holds.Add(1)
	defer s.holds.Add(-1)
	for name, value := range s.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, s.begins)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// A latched body's Read holds a lock that its Close wants, as net/http's own does while the
// header of a compressed answer is outstanding.
type latched struct {
	io.ReadCloser
	mu sync.Mutex
}

func (l *latched) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ReadCloser.Read(p)
}

func (l *latched) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ReadCloser.Close()
}

// A server that answers and then says nothing holds no goroutine and no connection of a
// client without time limits: what is discarded is let go of within DrainTime, whatever its
// body does and whoever discards it.
func TestADiscardedAnswerIsLetGoOf(t *testing.T) {
	servers := map[string]*stalling{
		"compressed, no body":         {header: map[string]string{"Content-Encoding": "gzip"}},
		"compressed, of known length": {header: map[string]string{"Content-Encoding": "gzip", "Content-Length": "100"}},
		"compressed, half a header":   {header: map[string]string{"Content-Encoding": "gzip"}, begins: "\x1f\x8b\x08"},
		"compressed, its header only": {header: map[string]string{"Content-Encoding": "gzip"}, begins: "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"},
		"no body":                     {},
		"of known length":             {header: map[string]string{"Content-Length": "100"}},
		"begun":                       {begins: "hello"},
	}
	bases := map[string]func(http.RoundTripper) http.RoundTripper{
		"a Transport": func(rt http.RoundTripper) http.RoundTripper { return rt },
		"a base that wraps bodies": func(rt http.RoundTripper) http.RoundTripper {
			return base(func(req *http.Request) (*http.Response, error) {
				resp, err := rt.RoundTrip(req)
				if err == nil {
					resp.Body = &latched{ReadCloser: resp.Body}
				}
				return resp, err
			})
		},
	}
	policies := map[string]func() []holdfast.Policy{
		"a retry discards": func() []holdfast.Policy { return []holdfast.Policy{quick(3)} },
		"a circuit opens": func() []holdfast.Policy {
			return []holdfast.Policy{quick(3), breaker.New(breaker.Options{ConsecutiveFailures: 1})}
		},
		"a hedge": func() []holdfast.Policy {
			return []holdfast.Policy{hedge.New(hedge.Options{Delay: time.Nanosecond, Share: -1})}
		},
		"a hedge within a retry": func() []holdfast.Policy {
			return []holdfast.Policy{quick(3), hedge.New(hedge.Options{Delay: time.Nanosecond, Share: -1})}
		},
		"a limit around the call": func() []holdfast.Policy {
			return []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Hour}), quick(3)}
		},
		"a limit around each attempt": func() []holdfast.Policy {
			return []holdfast.Policy{quick(3), timeout.New(timeout.Options{Limit: time.Hour})}
		},
		"a limit, and a policy that detaches": func() []holdfast.Policy {
			detach := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					return next(context.WithoutCancel(ctx), call)
				}
			})
			return []holdfast.Policy{quick(3), timeout.New(timeout.Options{Limit: time.Hour}), detach}
		},
		"a policy that gives its own error": func() []holdfast.Policy { return []holdfast.Policy{dropping} },
	}
	for answer, server := range servers {
		for over_, wrap := range bases {
			for why, list := range policies {
				for _, http2 := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%s/HTTP2 %v", answer, over_, why, http2), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							server.seen.Store(0)
							transport, _ := inMemory(t, server.ServeHTTP)
							start := time.Now()
							resp, err := httpclient.Wrap(wrap(over(transport, http2)), list()...).RoundTrip(request(t, "GET", "http://server.test/", nil))
							if err == nil {
								_ = resp.Body.Close()
							}
							n := server.seen.Load()
							if took := time.Since(start); n < 1 || took > time.Duration(n)*(drainTime+drainTime/10) {
								t.Errorf("%d attempts took %v", n, took)
							}
							time.Sleep(time.Millisecond)
							synctest.Wait()
							if held := server.holds.Load(); held != 0 {
								t.Errorf("the server holds %d of %d requests of a call that is over", held, n)
							}
						})
					})
				}
			}
		}
	}
}

// dropping discards each answer.
var dropping = holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		next(ctx, call).Discard()
		return holdfast.Result{Err: io.ErrClosedPipe, Class: holdfast.Failure}
	}
})

// A body that waits for ever, in Read and in Close, holds up neither the call nor what is to
// be told of its end.
func TestABodyThatWaitsForEverHoldsUpNobody(t *testing.T) {
	for name, policies := range map[string][]holdfast.Policy{"put by": {quick(3)}, "discarded": {dropping}, "only closed": {dropping, after(func(call *holdfast.Call, res holdfast.Result) { res.Discard() })}} {
		for _, length := range []int64{-1, 1 << 30} { // one too long to be read on
			synctest.Test(t, func(t *testing.T) {
				comes := make(chan struct{})
				defer close(comes)
				var ends ends
				sent := 0
				start := time.Now()
				_, _ = httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
					sent++
					resp := response(req, 503, &counted{Reader: readFunc(func([]byte) (int, error) { <-comes; return 0, io.EOF })})
					resp.Body = struct {
						io.Reader
						io.Closer
					}{resp.Body, closeFunc(func() error { <-comes; return nil })}
					resp.ContentLength = length
					return resp, nil
				}), append(policies, ends.policy())...).RoundTrip(request(t, "GET", "http://a/", nil))
				if took := time.Since(start); took > time.Duration(sent)*(drainTime+drainTime/10) {
					t.Errorf("%s: %d attempts took %v", name, sent, took)
				}
			})
		}
	}
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

// The context of an attempt ends with its answer, also where nobody has limited its time:
// nothing that was derived from it stays with the caller's context.
func TestAnAttemptsContextEndsWithItsAnswer(t *testing.T) {
	for name, end := range map[string]func(*http.Response){
		"read": func(resp *http.Response) { _, _ = io.Copy(io.Discard, resp.Body) }, "closed": func(resp *http.Response) { _ = resp.Body.Close() },
	} {
		var sent context.Context
		resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			sent = req.Context()
			return response(req, 200, io.NopCloser(readFunc(func([]byte) (int, error) { return 0, io.EOF }))), nil
		}), passes).RoundTrip(request(t, "GET", "http://a/", nil))
		if err != nil || sent.Err() != nil {
			t.Fatal(name, err, sent.Err())
		}
		if end(resp); sent.Err() == nil {
			t.Errorf("%s: the attempt goes on", name)
		}
	}
}

// An attempt has an end of its own, which costs allocations, only where a Close may not let go of
// its answer: where net/http may decompress it, and over bases that are no Transport. All others
// are let go of without.
func TestAnAttemptEndsByItselfOnlyWhereThatIsNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*http.Transport, *http.Request)
		wrapped bool
		ends    bool
	}{
		"GET":                   {ends: true},
		"HEAD":                  {change: func(_ *http.Transport, req *http.Request) { req.Method = "HEAD" }},
		"a coding of its own":   {change: func(_ *http.Transport, req *http.Request) { req.Header.Set("Accept-Encoding", "gzip") }},
		"a Range":               {change: func(_ *http.Transport, req *http.Request) { req.Header.Set("Range", "bytes=0-") }},
		"no coding":             {change: func(t *http.Transport, _ *http.Request) { t.DisableCompression = true }},
		"no coding, not a base": {change: func(t *http.Transport, _ *http.Request) { t.DisableCompression = true }, wrapped: true, ends: true},
	} {
		for _, begins := range []string{"", "hello"} {
			for _, http2 := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					server := &stalling{begins: begins, header: map[string]string{"Content-Encoding": "gzip"}}
					transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
						if r.Method != "HEAD" { // which is answered by its headers
							server.ServeHTTP(w, r)
						}
					})
					transport = over(transport, http2)
					req := request(t, "GET", "http://server.test/", nil).WithContext(context.Background())
					if c.change != nil {
						c.change(transport, req)
					}
					ends := false
					transport.Proxy = func(req *http.Request) (*url.URL, error) { ends = req.Context().Done() != nil; return nil, nil }
					var rt http.RoundTripper = transport
					if c.wrapped {
						rt = base(transport.RoundTrip)
					}
					start := time.Now()
					if resp, err := httpclient.Wrap(rt, quick(3)).RoundTrip(req); err == nil {
						_ = resp.Body.Close()
					}
					if took := time.Since(start); ends != c.ends || took > 3*(drainTime+drainTime/10) {
						t.Errorf("%s, HTTP/2 %v: an end of its own %v, after %v", name, http2, ends, took)
					}
					time.Sleep(time.Millisecond)
					if synctest.Wait(); server.holds.Load() != 0 {
						t.Errorf("%s, HTTP/2 %v: the server holds %d requests", name, http2, server.holds.Load())
					}
				})
			}
		}
	}
}
