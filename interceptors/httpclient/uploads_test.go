package httpclient_test

import (
	"bytes"
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
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// T11, T4: an answer that comes while the body is still going out leaves the body
// as it is for another attempt, or, when there is none, goes on sending it.
func TestT11_AnEarlyAnswerLeavesTheBodyForTheNextAttempt(t *testing.T) {
	for name, attempts := range map[string]int{"another attempt": 2, "none": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				payload := strings.Repeat("0123456789", 500)
				begin, early := make(chan struct{}), make(chan int, 1)
				sends := 0
				rt := httpclient.Wrapper{ReplayCap: 1000}.Wrap(base2(func(req *http.Request) (*http.Response, error) {
					if sends++; sends == 1 {
						go func() { // as a transport goes on sending
							<-begin
							b, _ := io.ReadAll(req.Body)
							_ = req.Body.Close()
							early <- len(b)
						}()
						return response(req, 503, bodyOf("early")), nil
					}
					b, err := io.ReadAll(req.Body)
					_ = req.Body.Close()
					if string(b) != payload || err != nil {
						t.Errorf("the next attempt sent %d of %d bytes, %v", len(b), len(payload), err)
					}
					return response(req, 200, bodyOf("")), nil
				}), quick(attempts), after(func(call *holdfast.Call, _ holdfast.Result) {
					if call.Attempt == 1 {
						close(begin)
						synctest.Wait() // it has read all that it may
					}
				}))
				body := bodyOf(payload)
				resp, err := rt.RoundTrip(request(t, "PUT", "http://a/", body))
				if err != nil || sends != attempts {
					t.Fatalf("%v, %v after %d attempts, want %d", resp, err, sends, attempts)
				}
				if n := <-early; attempts == 1 && n != len(payload) || attempts == 2 && n > 1000 {
					t.Errorf("the first attempt sent %d bytes", n)
				}
				if n := body.closes.Load(); n != 1 {
					t.Errorf("closed %d times", n)
				}
			})
		})
	}
}

// base2 is a base whose function closes the request's body itself.
type base2 func(req *http.Request) (*http.Response, error)

func (b base2) RoundTrip(req *http.Request) (*http.Response, error) { return b(req) }

// A caller's body that brings nothing holds up no attempt: net/http's HTTP/1
// would wait for its Read, for ever.
func TestAStalledUploadEndsWithItsTimeLimit(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			transport, _ := inMemory(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
			rt := httpclient.Wrap(over(transport, http2), quick(3), timeout.New(timeout.Options{Limit: time.Second}))
			r, w := io.Pipe()
			cut := make(chan error)
			go func() {
				_, _ = io.WriteString(w, "some")
				time.Sleep(time.Hour)
				_, err := io.WriteString(w, "late")
				cut <- err
			}()
			start := time.Now()
			_, err := rt.RoundTrip(request(t, "PUT", "http://server.test/", r))
			var limit *holdfast.TimeoutError
			var all *holdfast.AttemptsError
			if took := time.Since(start).Round(time.Millisecond); !errors.As(err, &limit) || took != 3*time.Second {
				t.Errorf("%v after %v, want the limit, three times", err, took)
			}
			if !errors.As(err, &all) || len(all.Ledger.Attempts) != 3 {
				t.Errorf("got %v, want three attempts", err)
			}
			if err := <-cut; !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("the writer learned %v, want that the body was closed", err)
			}
		})
	}
}

// What an attempt that was given up has begun to read goes to the next one.
func TestT11_ASlowUploadIsHandedOn(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var got []string
			transport, _ := inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, string(b))
				}
			})
			rt := httpclient.Wrap(over(transport, http2), quick(3), timeout.New(timeout.Options{Limit: time.Second}))
			r, w := io.Pipe()
			go func() {
				for _, part := range []string{"one ", "two ", "three"} {
					_, _ = io.WriteString(w, part)
					time.Sleep(600 * time.Millisecond)
				}
				_ = w.Close()
			}()
			resp, err := rt.RoundTrip(request(t, "PUT", "http://server.test/", r))
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%v, %v", resp, err)
			}
			readAll(t, resp)
			mu.Lock()
			defer mu.Unlock()
			if len(got) != 1 || got[0] != "one two three" {
				t.Errorf("the server got %q", got)
			}
		})
	}
}

// T59: attempts under way at once share no header and no body, and each sends all
// of it.
func TestT59_AttemptsAtOnceShareNothing(t *testing.T) {
	both := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			hedge := call.Again()
			hedge.Hedge = true
			second := make(chan holdfast.Result)
			go func() { second <- next(ctx, hedge) }()
			res := next(ctx, call)
			(<-second).Discard()
			return res
		}
	})
	payload := bytes.Repeat([]byte("0123456789"), 6000)
	for _, rewind := range []bool{true, false} {
		rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			if req.Context().Value(key{}) == nil && holdfast.CallFrom(req.Context()).Hedge {
				req.Header.Set("X-Mine", "1") // as bases should not
			}
			b, err := io.ReadAll(req.Body)
			if !bytes.Equal(b, payload) || err != nil {
				t.Errorf("sent %d of %d bytes, %v", len(b), len(payload), err)
			}
			return response(req, 200, bodyOf("ok")), nil
		}), both)
		for range 20 {
			body := &counted{Reader: bytes.NewReader(payload)}
			req := request(t, "PUT", "http://a/", body)
			if rewind {
				req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
			}
			resp, err := rt.RoundTrip(req)
			if err != nil || readAll(t, resp) != "ok" || body.closes.Load() != 1 || req.Header.Get("X-Mine") != "" {
				t.Fatalf("%v, %v, closed %d times, %v", resp, err, body.closes.Load(), req.Header)
			}
		}
	}
}

// A body's Read that panics does so where it would without us, and one that
// breaks the contract of io.Reader ends in an error.
func TestABodyThatBreaksTheRules(t *testing.T) {
	rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
		_, err := io.ReadAll(req.Body)
		return nil, err
	}), quick(3))
	func() {
		defer func() {
			if got := recover(); got != "read" {
				t.Errorf("recovered %v", got)
			}
		}()
		_, _ = rt.RoundTrip(request(t, "PUT", "http://a/", readFunc(func([]byte) (int, error) { panic("read") })))
		t.Error("a panic was lost")
	}()
	for _, n := range []int{-1, 1 << 30} {
		if _, err := rt.RoundTrip(request(t, "PUT", "http://a/", readFunc(func([]byte) (int, error) { return n, nil }))); err == nil || !strings.Contains(err.Error(), "count") {
			t.Errorf("a count of %d: %v", n, err)
		}
	}
	zeros := 0
	_, err := rt.RoundTrip(request(t, "PUT", "http://a/", readFunc(func([]byte) (int, error) {
		if zeros++; zeros > 10 {
			return 0, io.EOF
		}
		return 0, nil
	})))
	if err == nil || zeros != 11 {
		t.Errorf("%v after %d reads of nothing", err, zeros)
	}
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
