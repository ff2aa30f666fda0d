package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// T8: a server that learns of the end of a limit can still bring an answer of
// unknown length to a regular end, which must not pass for the whole of it.
func TestT08_AnEndAfterTheLimitIsNoEnd(t *testing.T) {
	for name, c := range map[string]struct {
		length  int64
		cancels bool
		want    error
		class   holdfast.Class
	}{
		"our limit":              {-1, false, context.DeadlineExceeded, holdfast.Failure},
		"the caller's cancel":    {-1, true, context.Canceled, holdfast.Ignored},
		"all that was announced": {4, false, io.EOF, holdfast.Success},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := base(func(req *http.Request) (*http.Response, error) {
					resp := response(req, 200, io.NopCloser(io.MultiReader(&counted{Reader: http.NoBody}, readFunc(func([]byte) (int, error) {
						<-req.Context().Done()
						return 0, io.EOF
					}))))
					resp.ContentLength = c.length
					return resp, nil
				})
				var ends ends
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.cancels {
					time.AfterFunc(time.Millisecond, cancel)
				}
				resp, err := httpclient.Wrap(rt, timeout.New(timeout.Options{Limit: time.Second}), ends.policy()).RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
				if err != nil {
					t.Fatal(err)
				}
				if _, err = resp.Body.Read(make([]byte, 1)); !errors.Is(err, c.want) {
					t.Errorf("read %v, want %v", err, c.want)
				}
				if end := ends.one(t); end.Class != c.class {
					t.Errorf("ended as %+v, want %v", end, c.class)
				}
			})
		})
	}
}

// T27: nor is an answer that comes after the limit an answer: it may be what the
// server makes of the end of its request.
func TestT27_AnAnswerAfterTheLimitIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies []*counted
		var results []holdfast.Result
		rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			bodies = append(bodies, bodyOf("done, I think"))
			resp := response(req, 204, bodies[len(bodies)-1]) // over as soon as it is there
			if len(bodies) == 2 {
				resp.StatusCode = 200
			}
			return resp, nil
		}), quick(2), spy(&results), timeout.New(timeout.Options{Limit: time.Second}))
		resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil))
		var limit *holdfast.TimeoutError
		if !errors.As(err, &limit) || resp != nil || len(results) != 2 {
			t.Fatalf("%v, %v after %d attempts, want the limit twice", resp, err, len(results))
		}
		for i, res := range results {
			if res.Class != holdfast.Failure || res.Code != "timeout" || bodies[i].closes.Load() != 1 {
				t.Errorf("attempt %d: %+v, closed %d times", i+1, res, bodies[i].closes.Load())
			}
		}
	})
}

// What has nothing to be read is over when it is there, whether or not the caller
// closes it; what may have something is not.
func TestAnswersWithoutABodyAreOverAtReturn(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/204":
					w.WriteHeader(204)
				case "/304":
					w.WriteHeader(304)
				case "/503":
					w.WriteHeader(503)
				case "/body":
					_, _ = io.WriteString(w, "body")
				}
			})
			for _, c := range []struct {
				method, path string
				over         bool
				class        holdfast.Class
			}{
				{"HEAD", "/body", true, holdfast.Success}, {"GET", "/204", true, holdfast.Success}, {"GET", "/304", true, holdfast.Success},
				{"GET", "/empty", true, holdfast.Success}, {"GET", "/503", true, holdfast.Failure}, {"GET", "/body", false, 0},
			} {
				var ends ends
				resp, err := httpclient.Wrap(over(transport, http2), timeout.New(timeout.Options{Limit: time.Minute}), ends.policy()).RoundTrip(request(t, c.method, "http://server.test"+c.path, nil))
				if err != nil {
					t.Fatal(err)
				}
				if over := len(ends.got) == 1; over != c.over {
					t.Errorf("%s %s: over at return %v, want %v", c.method, c.path, over, c.over)
				}
				readAll(t, resp)
				if end := ends.one(t); c.over && end.Class != c.class || end.Err != nil {
					t.Errorf("%s %s ended as %+v", c.method, c.path, end)
				}
			}
		})
	}
	// Another base than net/http's may have left the length out.
	var ends ends
	resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
		resp := response(req, 200, bodyOf("body"))
		resp.ContentLength = 0
		return resp, nil
	}), ends.policy()).RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil || len(ends.got) != 0 || readAll(t, resp) != "body" {
		t.Errorf("%v, %v, over at return %v", resp, err, len(ends.got) > 0)
	}
	if end := ends.one(t); end.Bytes != 4 {
		t.Errorf("ended as %+v", end)
	}
}

// T2, on real connections of both protocols and in virtual time: a stalling body
// delays the retry by the cap and no more, a short one frees its connection, and
// a stream is not waited for.
func TestT02_OnRealConnections(t *testing.T) {
	for name, c := range map[string]struct {
		path, accept string
		http2        bool
		took         time.Duration
		dials        int32
	}{
		"stalls, HTTP/1":          {"/stall", "", false, 50 * time.Millisecond, 2},
		"stalls, HTTP/2":          {"/stall", "", true, 50 * time.Millisecond, 1},
		"short, HTTP/1":           {"/short", "", false, 0, 1},
		"announces much, HTTP/1":  {"/much", "", false, 50 * time.Millisecond, 2},
		"a stream, HTTP/1":        {"/stall", "text/event-stream", false, 0, 2},
		"a stream, HTTP/2":        {"/stall", "text/event-stream", true, 0, 1},
		"trickles, HTTP/1":        {"/trickle", "", false, 50 * time.Millisecond, 2},
		"announced and cut off":   {"/cut", "", false, 0, 2},
		"nothing at all, HTTP/1 ": {"/nothing", "", false, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := true
				transport, dials := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
					if !first {
						return
					}
					first = false
					flush := http.NewResponseController(w).Flush
					switch r.URL.Path {
					case "/much", "/cut":
						w.Header().Set("Content-Length", "1000000")
					}
					w.WriteHeader(503)
					switch r.URL.Path {
					case "/short":
						_, _ = io.WriteString(w, "sorry")
					case "/stall", "/much":
						_, _ = io.WriteString(w, "sor")
						_ = flush()
						<-r.Context().Done()
					case "/trickle":
						for r.Context().Err() == nil {
							_, _ = io.WriteString(w, "s")
							_ = flush()
							select {
							case <-time.After(20 * time.Millisecond):
							case <-r.Context().Done():
							}
						}
					case "/cut":
						panic(http.ErrAbortHandler)
					}
				})
				req := request(t, "GET", "http://server.test"+c.path, nil)
				if c.accept != "" {
					req.Header.Set("Accept", c.accept)
				}
				start := time.Now()
				resp, err := httpclient.Wrap(over(transport, c.http2), quick(2)).RoundTrip(req)
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("%v, %v", resp, err)
				}
				if took := time.Since(start).Round(time.Microsecond); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if n := dials.Load(); n != c.dials {
					t.Errorf("%d connections, want %d", n, c.dials)
				}
				readAll(t, resp)
			})
		})
	}
}

// T2: nor does a body whose Close waits for a Read, as that of net/http does
// before the header of a compressed answer has come.
func TestT02_ACloseThatWaitsDelaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		comes, read := make(chan struct{}), make(chan struct{})
		n := 0
		rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			if n++; n > 1 {
				return response(req, 200, http.NoBody), nil
			}
			return response(req, 503, &busy{comes, read}), nil
		}), quick(2))
		start := time.Now()
		resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil))
		if took := time.Since(start); err != nil || resp.StatusCode != 200 || took != 55*time.Millisecond {
			t.Errorf("%v, %v after %v", resp, err, took)
		}
		close(comes)
	})

	release := make(chan struct{})
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(503)
			_ = http.NewResponseController(w).Flush()
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	resp, err := httpclient.Wrap(nil, quick(2)).RoundTrip(request(t, "GET", server.URL, nil))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	readAll(t, resp)
}

// A busy body's Close waits for its Read.
type busy struct{ comes, read chan struct{} }

func (b *busy) Read([]byte) (int, error) { <-b.comes; close(b.read); return 0, io.EOF }
func (b *busy) Close() error             { <-b.read; return nil }

// What a failing status has said of the server stands, whatever becomes of its
// body; what the caller does with a good one does not make it a bad one.
func TestHowAnAnswerEnds(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		do     func(cancel func(), body io.ReadCloser)
		class  holdfast.Class
		code   holdfast.Code
	}{
		"closed early":               {200, func(_ func(), b io.ReadCloser) { _ = b.Close() }, holdfast.Success, "200"},
		"cancelled and closed":       {200, func(cancel func(), b io.ReadCloser) { cancel(); _ = b.Close() }, holdfast.Ignored, "cancelled"},
		"a 503 cancelled and closed": {503, func(cancel func(), b io.ReadCloser) { cancel(); _ = b.Close() }, holdfast.Failure, "503"},
		"closed while it is read": {200, func(_ func(), b io.ReadCloser) {
			read := make(chan struct{})
			go func() { defer close(read); _, _ = b.Read(make([]byte, 1)) }()
			synctest.Wait()
			_ = b.Close() // which comes back after the Read
			<-read
		}, holdfast.Success, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stalled := bodyOf("")
				stalled.stall = make(chan struct{})
				var ends ends
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
					return response(req, c.status, unhurried{stalled}), nil
				}), ends.policy()).RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
				if err != nil {
					t.Fatal(err)
				}
				c.do(cancel, resp.Body)
				if end := ends.one(t); end.Class != c.class || end.Code != c.code {
					t.Errorf("ended as %+v, want %v %s", end, c.class, c.code)
				}
				if n := stalled.closes.Load(); n != 1 {
					t.Errorf("closed %d times", n)
				}
			})
		})
	}
}

// An unhurried body's Close returns when all that it sets off is done.
type unhurried struct{ *counted }

func (u unhurried) Close() error {
	err := u.counted.Close()
	synctest.Wait()
	return err
}

// A lost hedge's answer says nothing of the server.
func TestALostHedgeIsIgnored(t *testing.T) {
	lose := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			lost, cancel := context.WithCancelCause(ctx)
			loser := next(lost, call)
			res := next(ctx, call.Again())
			cancel(holdfast.ErrSuperseded)
			loser.Discard()
			return res
		}
	})
	var ends ends
	resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 200, bodyOf("x")), nil }),
		lose, ends.policy()).RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if end := ends.one(t); end.Class != holdfast.Ignored || end.Code != "superseded" || !errors.Is(end.Err, holdfast.ErrSuperseded) {
		t.Errorf("the loser ended as %+v", end)
	}
	readAll(t, resp)
}
