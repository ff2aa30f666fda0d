package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/timeout"
)

// A store has one file, and breaks off each answer after so many bytes, but for those after the
// first breaks. change is what it does to the headers of each answer.
type store struct {
	file   []byte
	every  int
	breaks int32
	stalls bool
	change func(n int32, w http.ResponseWriter, r *http.Request) (done bool)
	asked  atomic.Int32
	pause  time.Duration
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.asked.Add(1)
	w.Header().Set("Etag", `"v1"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	if s.change != nil && s.change(n, w, r) {
		return
	}
	if n <= s.breaks {
		w = &breaker2{ResponseWriter: w, r: r, left: s.every, stalls: s.stalls, pause: s.pause}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.file))
}

// A breaker2 breaks off what is written.
type breaker2 struct {
	http.ResponseWriter
	r      *http.Request
	left   int
	stalls bool
	pause  time.Duration // before it breaks
}

func (b *breaker2) Write(p []byte) (int, error) {
	if len(p) < b.left {
		b.left -= len(p)
		return b.ResponseWriter.Write(p)
	}
	_, _ = b.ResponseWriter.Write(p[:b.left])
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	if b.stalls {
		<-b.r.Context().Done()
	}
	time.Sleep(b.pause)
	panic(http.ErrAbortHandler)
}

func random(n int) []byte {
	file, source := make([]byte, n), rand.NewChaCha8([32]byte{})
	_, _ = source.Read(file)
	return file
}

// A download that breaks off, or stalls, is taken up where it did, as often as it may be, and
// every byte comes once.
func TestADownloadIsTakenUpWhereItBreaksOff(t *testing.T) {
	for _, every := range []int{0, 1, 4096, 100_000, 250_000} {
		for _, stalls := range []bool{false, true} {
			for _, http2 := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					s := &store{file: random(1_000_000), every: every, breaks: 3, stalls: stalls}
					transport, _ := inMemory(t, s.ServeHTTP)
					inflight := limit.NewInFlight(limit.InFlightOptions{Max: 1}) // what is over holds no place
					resp, err := httpclient.Wrapper{Resume: 3}.Wrap(over(transport, http2), inflight, quick(1), timeout.New(timeout.Options{Limit: time.Second})).RoundTrip(request(t, "GET", "http://server.test/", nil))
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if err != nil || !bytes.Equal(got, s.file) || s.asked.Load() != 4 {
						t.Errorf("every %d, stalls %v, HTTP/2 %v: %d bytes, equal %v, of %d requests, then %v", every, stalls, http2, len(got), bytes.Equal(got, s.file), s.asked.Load(), err)
					}
				})
			}
		}
	}
}

// What is not certain to be the rest of the very same is not put together: the caller gets
// what came, and the error.
func TestADownloadIsTakenUpByteExactOrNotAtAll(t *testing.T) {
	set := func(name, value string) func(int32, http.ResponseWriter, *http.Request) bool {
		return func(_ int32, w http.ResponseWriter, _ *http.Request) bool { w.Header().Set(name, value); return false }
	}
	rest := func(status int, change func(h http.Header)) func(int32, http.ResponseWriter, *http.Request) bool {
		return func(n int32, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				return false
			}
			h := w.Header()
			h.Set("Content-Range", "bytes 5000-9999/10000")
			h.Set("Content-Length", "5000")
			change(h)
			length, _ := strconv.Atoi(h.Get("Content-Length"))
			w.WriteHeader(status)
			_, _ = w.Write(make([]byte, length))
			return true
		}
	}
	long := "Mon, 02 Jan 2006 15:04:05 GMT"
	for name, c := range map[string]struct {
		change func(int32, http.ResponseWriter, *http.Request) bool
		asked  int32
		method string
		header string
	}{
		"a weak ETag":      {set("Etag", `W/"v1"`), 1, "GET", ""},
		"a malformed ETag": {set("Etag", `v1`), 1, "GET", ""},
		"no validator":     {set("Etag", ""), 1, "GET", ""},
		"a weak Last-Modified": {func(_ int32, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Del("Etag")
			w.Header().Set("Last-Modified", time.Now().Add(-59*time.Second).UTC().Format(http.TimeFormat))
			return false
		}, 1, "GET", ""},
		"another ETag": {func(n int32, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Etag", fmt.Sprintf(`"v%d"`, n))
			return false
		}, 2, "GET", ""},
		"another ETag, a 206 of it":  {rest(206, func(h http.Header) { h.Set("Etag", `"v2"`) }), 2, "GET", ""},
		"a 206 without ETag":         {rest(206, func(h http.Header) { h.Del("Etag") }), 2, "GET", ""},
		"a 206 with Last-Modified":   {rest(206, func(h http.Header) { h.Del("Etag"); h.Set("Last-Modified", long) }), 2, "GET", ""},
		"another range":              {rest(206, func(h http.Header) { h.Set("Content-Range", "bytes 4999-9998/10000") }), 2, "GET", ""},
		"another length":             {rest(206, func(h http.Header) { h.Set("Content-Range", "bytes 5000-9999/10001") }), 2, "GET", ""},
		"an unknown length":          {rest(206, func(h http.Header) { h.Set("Content-Range", "bytes 5000-9999/*") }), 2, "GET", ""},
		"less than it says":          {rest(206, func(h http.Header) { h.Set("Content-Length", "4999") }), 2, "GET", ""},
		"another coding":             {rest(206, func(h http.Header) { h.Set("Content-Encoding", "br") }), 2, "GET", ""},
		"several ranges":             {rest(206, func(h http.Header) { h.Del("Content-Range"); h.Set("Content-Type", "multipart/byteranges; boundary=x") }), 2, "GET", ""},
		"all of it":                  {rest(200, func(h http.Header) { h.Del("Content-Range"); h.Set("Content-Length", "10000") }), 2, "GET", ""},
		"the range is out of bounds": {rest(416, func(http.Header) {}), 2, "GET", ""},
		"it is gone":                 {rest(404, func(http.Header) {}), 2, "GET", ""},
		"a POST":                     {nil, 1, "POST", ""},
		"a Range of the caller's":    {nil, 1, "GET", "Range"},
	} {
		for _, http2 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := &store{file: random(10_000), every: 5000, breaks: 1, change: c.change}
				transport, _ := inMemory(t, s.ServeHTTP)
				req := request(t, c.method, "http://server.test/", nil)
				if c.header != "" {
					req.Header.Set(c.header, "bytes=0-")
				}
				resp, err := httpclient.Wrapper{Resume: 3}.Wrap(over(transport, http2), quick(1)).RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err == nil || !bytes.Equal(got, s.file[:5000]) || s.asked.Load() != c.asked {
					t.Errorf("%s, HTTP/2 %v: %d bytes of %d requests, then %v", name, http2, len(got), s.asked.Load(), err)
				}
			})
		}
	}
}

// An old Last-Modified is strong enough where there is no ETag.
func TestADownloadIsTakenUpByAnOldDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
		file := random(10_000)
		var asked atomic.Int32
		transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 1 {
				w = &breaker2{ResponseWriter: w, r: r, left: 5000}
			}
			http.ServeContent(w, r, "x.bin", changed, bytes.NewReader(file))
		})
		resp, err := httpclient.Wrapper{Resume: 1}.Wrap(transport, quick(1)).RoundTrip(request(t, "GET", "http://server.test/", nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, resp); got != string(file) || asked.Load() != 2 {
			t.Errorf("%d bytes of %d requests", len(got), asked.Load())
		}
	})
}

// tokens is a budget of so many.
type tokens struct{ left, back int }

func (b *tokens) Withdraw(string) bool { b.left--; return b.left >= 0 }
func (b *tokens) Refund(string)        { b.back++ }

// It is taken up as often as it may be, while there are tokens, and until the call's time is
// over or its caller has gone.
func TestWhatBoundsTakingUp(t *testing.T) {
	for name, c := range map[string]struct {
		resume   int
		budget   *tokens
		policies []holdfast.Policy
		asked    int32
		back     int
		took     time.Duration // 0: it is no matter
	}{
		"never":          {0, &tokens{left: 9}, nil, 1, 0, 0},
		"negative":       {-1, &tokens{left: 9}, nil, 1, 0, 0},
		"twice":          {2, &tokens{left: 9}, nil, 3, 0, 0},
		"one token":      {9, &tokens{left: 1}, nil, 2, 0, 0},
		"it is not sent": {9, &tokens{left: 9}, []holdfast.Policy{limit.NewRate(limit.RateOptions{PerSecond: 0.0001, Burst: 1})}, 1, 1, 0},
		"the call's time is over": {
			100_000, &tokens{left: 100_000}, []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second})}, 0, 0, time.Second,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{file: random(1_000_000), every: 1, breaks: 1 << 30, pause: time.Millisecond}
			transport, _ := inMemory(t, s.ServeHTTP)
			start := time.Now()
			resp, err := httpclient.Wrapper{Resume: c.resume, ResumeBudget: c.budget}.Wrap(transport, append(c.policies, quick(1))...).RoundTrip(request(t, "GET", "http://server.test/", nil))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			took := time.Since(start)
			time.Sleep(time.Second) // for the server
			if err == nil || c.asked != 0 && s.asked.Load() != c.asked || c.budget.back != c.back || c.took != 0 && took.Round(10*time.Millisecond) != c.took {
				t.Errorf("%s: %v of %d requests, %d tokens came back, after %v", name, err, s.asked.Load(), c.budget.back, took)
			}
		})
	}
}

// A caller who closes, or gives up, while the rest is asked for ends that.
func TestACallerEndsWhatIsTakenUp(t *testing.T) {
	for name, end := range map[string]func(*http.Response, context.CancelFunc){
		"closes": func(resp *http.Response, _ context.CancelFunc) { _ = resp.Body.Close() }, "gives up": func(_ *http.Response, cancel context.CancelFunc) { cancel() },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{file: random(10_000), every: 5000, breaks: 1, change: func(n int32, _ http.ResponseWriter, r *http.Request) bool {
				if n > 1 {
					<-r.Context().Done()
				}
				return n > 1
			}}
			transport, _ := inMemory(t, s.ServeHTTP)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			resp, err := httpclient.Wrapper{Resume: 1}.Wrap(transport, quick(1)).RoundTrip(request(t, "GET", "http://server.test/", nil).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { end(resp, cancel) })
			start := time.Now()
			got, err := io.ReadAll(resp.Body)
			if err == nil || len(got) != 5000 || time.Since(start).Round(10*time.Millisecond) != time.Second || s.asked.Load() != 2 {
				t.Errorf("%s: %d bytes, then %v after %v", name, len(got), err, time.Since(start))
			}
			_ = resp.Body.Close()
			if _, err := resp.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("%s: then %v", name, err)
			}
		})
	}
}
