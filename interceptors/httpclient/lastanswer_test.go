package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A circuit, a limit or a budget that ends a call midway leaves the server's last answer
// what it is: a response, whose first 64 KiB can be read, though its connection is free.
func TestTheServersLastAnswerStaysAResponse(t *testing.T) {
	enders := map[string]func() (retry.Options, []holdfast.Policy){
		"circuit open": func() (retry.Options, []holdfast.Policy) {
			return retry.Options{}, []holdfast.Policy{breaker.New(breaker.Options{ConsecutiveFailures: 1})}
		},
		"limited": func() (retry.Options, []holdfast.Policy) {
			return retry.Options{}, []holdfast.Policy{limit.NewRate(limit.RateOptions{PerSecond: 0.001, Burst: 1})}
		},
		"budget empty": func() (retry.Options, []holdfast.Policy) {
			return retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{Min: -1})}, nil
		},
	}
	bodies := map[string]struct {
		path  string
		whole int   // how much of it can be read
		err   error // what comes then
	}{
		"nothing":            {"/?n=0", 0, nil},
		"short":              {"/?n=5", 5, nil},
		"64 KiB":             {"/?n=65536", 65536, nil},
		"more":               {"/?n=65537", 65536, io.ErrUnexpectedEOF},
		"much":               {"/?n=1000000", 65536, io.ErrUnexpectedEOF},
		"stalls":             {"/stall?n=5", 5, io.ErrUnexpectedEOF},
		"stalls at once":     {"/stall?n=0", 0, io.ErrUnexpectedEOF},
		"breaks off":         {"/cut?n=5", 5, io.ErrUnexpectedEOF},
		"stalls, and no end": {"/stall?n=100000", 65536, io.ErrUnexpectedEOF},
	}
	for why, ender := range enders {
		for name, b := range bodies {
			for _, http2 := range []bool{false, true} {
				t.Run(fmt.Sprint(why, ", ", name, ", HTTP/2 ", http2), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						transport, _ := inMemory(t, refusing503)
						transport.MaxConnsPerHost = 1
						o, inner := ender()
						o.InitialInterval = time.Nanosecond
						client := &http.Client{Transport: httpclient.Wrap(over(transport, http2), append([]holdfast.Policy{retry.New(o)}, inner...)...)}
						resp, err := client.Do(request(t, "GET", "http://server.test"+b.path, nil))
						if err != nil || resp.StatusCode != 503 {
							t.Fatal(resp, err)
						}
						if got := holdfast.LedgerOf(resp.Request.Context()).Stopped; got != why {
							t.Errorf("stopped because %q", got)
						}
						if why == "budget empty" { // no other attempt was to follow: it is as it came
							_ = resp.Body.Close()
							return
						}
						get200(t, client2(transport), "http://server.test/ok") // its connection is free, while it is unread
						got, err := io.ReadAll(resp.Body)
						if len(got) != b.whole || !errors.Is(err, b.err) || strings.Trim(string(got), "x") != "" {
							t.Errorf("read %d bytes, %v; want %d, %v", len(got), err, b.whole, b.err)
						}
						if err := resp.Body.Close(); err != nil {
							t.Error(err)
						}
						if n, err := resp.Body.Read(make([]byte, 1)); n > 0 || err == nil || err == io.EOF {
							t.Errorf("read after Close: %d, %v", n, err)
						}
					})
				})
			}
		}
	}
}

func client2(rt http.RoundTripper) *http.Client { return &http.Client{Transport: rt} }

// refusing503 answers with 503, but for /ok, and as many bytes as n says; then it stalls,
// or breaks off.
func refusing503(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ok" {
		return
	}
	var n int
	_, _ = fmt.Sscan(r.URL.Query().Get("n"), &n)
	w.WriteHeader(503)
	_, _ = io.WriteString(w, strings.Repeat("x", n))
	switch r.URL.Path {
	case "/stall":
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/cut":
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// The slot of an answer that another attempt follows is free before the wait, so that one
// connection is enough, also for who comes in between; and when there is no slot to be
// had, the answer comes back.
func TestOneConnectionIsEnough(t *testing.T) {
	for _, stalls := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int32
			transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/long":
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				case stalls && n.Add(1) < 3:
					r.URL.Path = "/stall"
					fallthrough
				case n.Add(1) < 3:
					refusing503(w, r)
				}
			})
			transport.MaxConnsPerHost = 1
			rt := over(transport, false)
			resp, err := httpclient.Wrap(rt, quick(5)).RoundTrip(request(t, "GET", "http://server.test/?n=3", nil))
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			readAll(t, resp)

			n.Store(-100) // from now on it refuses; somebody takes the connection during the wait
			var door http.RoundTripper
			var long *http.Response
			taken := retry.New(retry.Options{MaxAttempts: 2, InitialInterval: time.Second, Jitter: retry.Constant, OnRetry: func(context.Context, holdfast.Event) {
				req := request(t, "GET", "http://server.test/long", nil)
				req.Header.Set("Accept", "text/event-stream") // no limit fits it
				if long, err = door.RoundTrip(req); err != nil {
					t.Error(err)
				}
			}})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var results []holdfast.Result
			door = httpclient.Wrap(rt, taken, spy(&results), timeout.New(timeout.Options{Limit: time.Second}))
			resp, err = door.RoundTrip(request(t, "GET", "http://server.test/?n=3", nil).WithContext(ctx))
			if err != nil || resp.StatusCode != 503 || len(results) != 3 || results[2].Class != holdfast.LocalShortage {
				t.Fatalf("%v, %v, judged as %+v", resp, err, results)
			}
			if got, _ := io.ReadAll(resp.Body); string(got) != "xxx" {
				t.Errorf("read %q", got)
			}
			_ = resp.Body.Close()
			_ = long.Body.Close()
		})
	}
}

// A caller who leaves while an answer is put by gets the cancel at once, and the answer's
// error besides; nothing of it stays.
func TestACancelWhileAnAnswerIsPutBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, _ := inMemory(t, refusing503)
		transport.MaxConnsPerHost = 1
		rt := over(transport, false)
		var ends ends
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		start := time.Now()
		_, err := httpclient.Wrap(rt, retry.New(retry.Options{InitialInterval: time.Second}), ends.policy()).RoundTrip(request(t, "GET", "http://server.test/stall?n=5", nil).WithContext(ctx))
		if took := time.Since(start); !errors.Is(err, context.Canceled) || took != 10*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		if end := ends.one(t); end.Class != holdfast.Failure || end.Code != "503" {
			t.Errorf("ended as %+v", end)
		}
		get200(t, client2(rt), "http://server.test/ok")
	})
}

// An answer that is put by is closed once, by us, and its caller closes what was kept;
// also where there is nothing to be read of it, and by a base that says so wrongly.
func TestAnAnswerThatIsPutByIsClosedOnce(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		length int64
	}{{"GET", 503, -1}, {"GET", 503, 4}, {"HEAD", 503, 4}, {"GET", 204, -1}, {"GET", 503, 100}} {
		body := bodyOf("body")
		first := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				res := next(ctx, call)
				for range 2 {
					if !res.Keep() {
						t.Error("it cannot be put by")
					}
				}
				if n := body.closes.Load(); n != 1 {
					t.Errorf("%s %d: closed %d times when it was put by", c.method, c.status, n)
				}
				res.Discard()
				return res
			}
		})
		resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			resp := response(req, c.status, body)
			resp.ContentLength = c.length
			return resp, nil
		}), first).RoundTrip(request(t, c.method, "http://a/", nil))
		if err != nil {
			t.Fatal(err)
		}
		want := "body"
		if c.method == "HEAD" || c.status == 204 {
			want = ""
		}
		if got := readAll(t, resp); got != want || body.closes.Load() != 1 {
			t.Errorf("%s %d: read %q, closed %d times", c.method, c.status, got, body.closes.Load())
		}
	}
}

// A body that panics while it is put by ends the answer, for whoever counts on its end.
func TestABodyThatPanicsWhileItIsPutBy(t *testing.T) {
	body := &counted{Reader: readFunc(func([]byte) (int, error) { panic("ours") })}
	var ends ends
	defer func() {
		if got := recover(); got != "ours" || body.closes.Load() != 1 {
			t.Errorf("recovered %v, closed %d times", got, body.closes.Load())
		}
		if end := ends.one(t); end.Class != holdfast.Failure {
			t.Errorf("ended as %+v", end)
		}
	}()
	_, _ = httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 503, body), nil }), quick(2), ends.policy()).
		RoundTrip(request(t, "GET", "http://a/", nil))
}
