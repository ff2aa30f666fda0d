package httpclient_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// A server that calls its answer a stream and falls silent ends the limits of the call, but those
// that were set for streams.
func TestWhatBoundsAStreamThatTheAnswerShows(t *testing.T) {
	for name, c := range map[string]struct {
		whole, attempt timeout.Options
		after          time.Duration
	}{
		"an idle limit that is set":  {timeout.Options{Limit: 30 * time.Second}, timeout.Options{Idle: 5 * time.Second}, 5 * time.Second},
		"a limit that holds for all": {timeout.Options{Limit: 30 * time.Second, Streams: true}, timeout.Options{}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				})
				start := time.Now()
				resp, err := httpclient.Wrap(over(transport, false), timeout.New(c.whole), quick(3), timeout.New(c.attempt)).RoundTrip(request(t, "GET", "http://server.test/", nil))
				if err != nil {
					t.Fatal(err)
				}
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if limit := new(holdfast.TimeoutError); !errors.As(err, &limit) || time.Since(start) != c.after {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}
