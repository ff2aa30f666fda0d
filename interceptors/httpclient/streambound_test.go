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
	"github.com/holdfast-go/holdfast/preset"
)

// A server that calls its answer a stream and falls silent ends the limits of the call, but those
// that were set for streams.
func TestWhatBoundsAStreamThatTheAnswerShows(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(c *preset.Config)
		after time.Duration
	}{
		"an idle limit that is set":  {func(c *preset.Config) { c.Attempt.Idle = 5 * time.Second }, 5 * time.Second},
		"a limit that holds for all": {func(c *preset.Config) { c.Timeout.Streams = true }, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				})
				config := preset.Standard()
				c.set(&config)
				start := time.Now()
				resp, err := httpclient.Wrap(over(transport, false), config.Policies()...).RoundTrip(request(t, "GET", "http://server.test/", nil))
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
