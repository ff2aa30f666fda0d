package httpclient_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// A breaking server answers with n bytes, of which it sends so many before the connection
// breaks, or stalls, on the first requests; then all of them.
func breaking(n, sends, times int, stalls bool, asked *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", strconv.Itoa(n))
		if int(asked.Add(1)) > times {
			_, _ = io.WriteString(w, strings.Repeat("x", n))
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", sends))
		_ = http.NewResponseController(w).Flush()
		if stalls {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	}
}

// An answer of known length under the cap counts only when all of it is there: one whose
// body breaks off or stalls is a failed attempt, and its caller never sees it.
func TestAnAnswerThatBreaksOffIsSentAgain(t *testing.T) {
	const n = 5000
	for _, sends := range []int{0, 1, n - 1} {
		for _, stalls := range []bool{false, true} {
			for _, http2 := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d of %d, stalls %v, HTTP/2 %v", sends, n, stalls, http2), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var asked atomic.Int32
						transport, _ := inMemory(t, breaking(n, sends, 2, stalls, &asked))
						start := time.Now()
						var seen []string
						rt := httpclient.Wrapper{WholeBody: n}.Wrap(over(transport, http2), quick(3), after(func(call *holdfast.Call, res holdfast.Result) {
							seen = append(seen, fmt.Sprint(res.Class, " ", res.Code))
						}), timeout.New(timeout.Options{Limit: time.Second}))
						resp, err := rt.RoundTrip(request(t, "GET", "http://server.test/", nil))
						if err != nil {
							t.Fatal(err)
						}
						if got := readAll(t, resp); len(got) != n || asked.Load() != 3 {
							t.Errorf("%d bytes of %d requests", len(got), asked.Load())
						}
						code := "truncated"
						if stalls {
							code = "timeout"
							if took := time.Since(start).Round(time.Millisecond); took != 2*time.Second {
								t.Errorf("it took %v: the limit of an attempt covers the reading", took)
							}
						}
						if want := fmt.Sprintf("[failure %s failure %s success 200]", code, code); strings.ToLower(fmt.Sprint(seen)) != want {
							t.Errorf("policies saw %v, want %s", seen, want)
						}
					})
				})
			}
		}
	}
}

// What is not repeatable is not sent again: its caller gets an error and no half an answer.
func TestABrokenAnswerToWhatIsNotRepeatableIsAnError(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for name, body := range map[string]io.Reader{"none": nil, "in memory": strings.NewReader("x"), "streams": io.MultiReader(strings.NewReader("x"))} {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				transport, _ := inMemory(t, breaking(100, 10, 9, false, &asked))
				resp, err := httpclient.Wrapper{WholeBody: 1000}.Wrap(over(transport, http2), quick(3)).RoundTrip(request(t, "POST", "http://server.test/", body))
				if err == nil || asked.Load() != 1 || !strings.Contains(err.Error(), "broke off after 10 of 100 bytes") {
					t.Errorf("%s, HTTP/2 %v: %v, %v after %d requests", name, http2, resp, err, asked.Load())
				}
				if !http2 && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// All others are handed over as they come.
func TestWhatIsNotReadWhole(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		handler http.HandlerFunc
	}{
		"longer than the cap": {"GET", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "1001"); begin(w, r) }},
		"of unknown length":   {"GET", begin},
		"compressed": {"GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			gz := gzip.NewWriter(w)
			_ = gz.Flush()
			begin(w, r)
		}},
		"a stream": {"GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("Content-Type", "text/event-stream")
			begin(w, r)
		}},
		"a failure": {"POST", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(500)
			begin(w, r)
		}},
		"HEAD":            {"HEAD", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100") }},
		"without content": {"GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		"not modified":    {"GET", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Etag", `"1"`); w.WriteHeader(304) }},
		"a 304 that says what it would have sent": {"GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Etag", `"1"`)
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(304)
		}},
		"nothing, and so said": {"GET", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }},
	} {
		for _, http2 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				transport, _ := inMemory(t, c.handler)
				start := time.Now()
				resp, err := httpclient.Wrapper{WholeBody: 1000}.Wrap(over(transport, http2), quick(1)).RoundTrip(request(t, c.method, "http://server.test/", nil))
				if err != nil || time.Since(start) != 0 {
					t.Errorf("%s, HTTP/2 %v: %v after %v", name, http2, err, time.Since(start))
					return
				}
				_ = resp.Body.Close()
			})
		}
	}
}

// begin sends a byte, and another one after an hour.
func begin(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "x")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-time.After(time.Hour):
	case <-r.Context().Done():
	}
}

// A hedge that is faster ends the reading of the other, whose connection is free then.
func TestAHedgeEndsTheReadingOfTheOther(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var asked, holds atomic.Int32
			transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				holds.Add(1)
				defer holds.Add(-1)
				breaking(100, 50, 1, true, &asked)(w, r)
			})
			start := time.Now()
			resp, err := httpclient.Wrapper{WholeBody: 1000}.Wrap(over(transport, http2), hedge.New(hedge.Options{Delay: time.Second, Share: -1})).RoundTrip(request(t, "GET", "http://server.test/", nil))
			if err != nil || len(readAll(t, resp)) != 100 || time.Since(start) != time.Second || asked.Load() != 2 {
				t.Errorf("HTTP/2 %v: %v after %v", http2, err, time.Since(start))
			}
			if synctest.Wait(); holds.Load() != 0 {
				t.Errorf("HTTP/2 %v: the server holds %d requests", http2, holds.Load())
			}
		})
	}
}

// A caller who gives up while his answer is read gets that, and no server is blamed.
func TestACallerGivesUpWhileTheAnswerIsRead(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			transport, _ := inMemory(t, breaking(100, 50, 9, true, &asked))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			start := time.Now()
			_, err := httpclient.Wrapper{WholeBody: 1000}.Wrap(over(transport, http2), quick(3), after(func(_ *holdfast.Call, res holdfast.Result) {
				if res.Class != holdfast.Ignored || res.Code != holdfast.CodeCancelled {
					t.Errorf("%+v", res)
				}
			})).RoundTrip(request(t, "GET", "http://server.test/", nil).WithContext(ctx))
			if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second || asked.Load() != 1 {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

// Memory is taken for what has come, and not for what was announced.
func TestAnAnnouncedLengthTakesNoMemory(t *testing.T) {
	rt := httpclient.Wrapper{WholeBody: 1 << 40}.Wrap(base(func(req *http.Request) (*http.Response, error) {
		resp := response(req, 200, io.NopCloser(strings.NewReader("x")))
		resp.ContentLength = 1 << 39
		return resp, nil
	}), passes)
	if _, err := rt.RoundTrip(request(t, "GET", "http://a/", nil)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// An answer of a base that is no Transport, longer than it says, is what it is; and Classify
// looks at what is there.
func TestAnAnswerIsAsWithoutBeingReadBefore(t *testing.T) {
	for _, says := range []int64{3, 6} {
		peeked := ""
		resp, err := httpclient.Wrapper{WholeBody: 100, Classify: func(resp *http.Response, _ error) (v holdfast.Verdict, ok bool) {
			peeked = string(httpclient.Peek(resp, 4))
			return v, false
		}}.Wrap(base(func(req *http.Request) (*http.Response, error) {
			resp := response(req, 200, io.NopCloser(strings.NewReader("abcdef")))
			resp.ContentLength = says
			return resp, nil
		}), passes).RoundTrip(request(t, "GET", "http://a/", nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, resp); got != "abcdef" || peeked != "abcd" {
			t.Errorf("read %q, peeked %q", got, peeked)
		}
	}
}
