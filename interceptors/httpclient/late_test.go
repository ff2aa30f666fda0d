package httpclient_test

import (
	"bytes"
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
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// A first read that comes late loses no body of 64 KiB that the server has sent, and the
// connection has long been free. What is longer, or does not come, ends in an error that
// says so.
func TestALateFirstReadLosesNoBody(t *testing.T) {
	for name, c := range map[string]struct {
		size   int
		length bool // announced
		stalls bool
		whole  bool
	}{
		"none": {0, true, false, true}, "short": {5, true, false, true}, "of unknown length": {30000, false, false, true}, "64 KiB": {65536, true, false, true},
		"more": {65537, true, false, false}, "that stalls": {1000, false, true, false},
	} {
		for _, http2 := range []bool{false, true} {
			for _, limits := range [][]holdfast.Policy{
				{quick(3), timeout.New(timeout.Options{Limit: time.Second})},
				{timeout.New(timeout.Options{Limit: time.Hour}), quick(3), timeout.New(timeout.Options{Limit: time.Second})},
				{timeout.New(timeout.Options{Limit: -1, Idle: time.Second})},
			} {
				t.Run(fmt.Sprintf("%s, HTTP/2 %v, %d policies", name, http2, len(limits)), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var holds atomic.Int32
						transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
							holds.Add(1)
							defer holds.Add(-1)
							if c.length {
								w.Header().Set("Content-Length", strconv.Itoa(c.size))
							}
							_, _ = io.WriteString(w, strings.Repeat("x", c.size))
							_ = http.NewResponseController(w).Flush()
							if c.stalls {
								<-r.Context().Done()
							}
						})
						var ends ends
						resp, err := httpclient.Wrap(over(transport, http2), append(limits, ends.policy())...).RoundTrip(request(t, "GET", "http://server.test/", nil))
						if err != nil {
							t.Fatal(err)
						}
						time.Sleep(2 * time.Second)
						synctest.Wait()
						if n := holds.Load(); n != 0 {
							t.Errorf("the server still holds %d requests", n)
						}
						if end := ends.one(t); end.Class != holdfast.Success {
							t.Errorf("the server is charged with %+v", end)
						}
						time.Sleep(time.Minute)
						got, err := io.ReadAll(resp.Body)
						if want := min(c.size, 65536); len(got) != want {
							t.Errorf("read %d of %d bytes", len(got), want)
						}
						if c.whole && err != nil || !c.whole && (err == nil || !strings.Contains(err.Error(), "left unread for 1s")) {
							t.Errorf("then %v", err)
						}
						if err := resp.Body.Close(); err != nil {
							t.Error(err)
						}
						if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
							t.Error("it is read after it was closed")
						}
					})
				})
			}
		}
	}
}

// A first read, or a close, just as the answer is put by, gets all of it or its end.
func TestAReadJustAsItIsPutBy(t *testing.T) {
	for off := -2; off <= 2; off++ {
		for _, closes := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				transport, _ := inMemory(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 30000)) })
				start := time.Now()
				resp, err := httpclient.Wrap(transport, quick(2), timeout.New(timeout.Options{Limit: time.Second})).RoundTrip(request(t, "GET", "http://server.test/", nil))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Until(start.Add(time.Second + time.Duration(off))))
				if closes {
					_ = resp.Body.Close()
					return
				}
				if got := readAll(t, resp); len(got) != 30000 {
					t.Errorf("read %d bytes", len(got))
				}
			})
		}
	}
}

// A body that panics while it is put by does so where it is read, and nowhere else.
func TestABodyThatPanicsWhileItIsPutByForALateRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &counted{Reader: readFunc(func([]byte) (int, error) { panic("ours") })}
		rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			req.Context().Done()
			return response(req, 200, body), nil
		}), quick(2), timeout.New(timeout.Options{Limit: time.Second}))
		resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		defer func() {
			if got := recover(); got != "ours" || body.closes.Load() != 1 {
				t.Errorf("recovered %v, closed %d times", got, body.closes.Load())
			}
		}()
		_, _ = resp.Body.Read(make([]byte, 1))
	})
}

// What WholeBody has read is all there, whenever it is read: when nobody has begun for long, and
// when Classify has called it a failure that is not repeated.
func TestWhatIsInMemoryStaysWhole(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, drain := range []time.Duration{0, -1} {
			synctest.Test(t, func(t *testing.T) {
				file := random(500_000)
				transport, _ := inMemory(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", strconv.Itoa(len(file)))
					_, _ = w.Write(file)
				})
				rt := httpclient.Wrapper{WholeBody: 1 << 20, DrainTime: drain, Classify: func(*http.Response, error) (holdfast.Verdict, bool) {
					return holdfast.Verdict{Class: holdfast.Failure}, fails
				}}.Wrap(transport, quick(2), timeout.New(timeout.Options{Limit: 10 * time.Second}))
				resp, err := rt.RoundTrip(request(t, "GET", "http://server.test/", nil))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if got, err := io.ReadAll(resp.Body); !bytes.Equal(got, file) || err != nil {
					t.Errorf("fails %v, drain %v: %d bytes, then %v", fails, drain, len(got), err)
				}
				_ = resp.Body.Close()
			})
		}
	}
}
