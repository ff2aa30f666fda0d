package httpclient

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A body that does not close in time gives its connection back all the same, where there
// are only so many: its request ends.
func TestABodyThatDoesNotCloseEndsItsRequest(t *testing.T) {
	for name, letGo := range map[string]func(*answer){"kept": (*answer).Keep, "discarded": (*answer).Discard} {
		synctest.Test(t, func(t *testing.T) {
			d := Wrapper{}.Wrap(&http.Transport{MaxConnsPerHost: 1}).(*door)
			x := &exchange{door: d, req: &http.Request{Method: "GET", Header: http.Header{}}}
			comes := make(chan struct{})
			a := &answer{of: x, resp: &http.Response{StatusCode: 503, ContentLength: -1}, body: &stuck{comes}}
			a.life.Context = t.Context()
			_, ctx := d.wire.look().trip(&a.life, "a")
			start := time.Now()
			letGo(a)
			if took := time.Since(start); ctx.Err() == nil || took > 2*defaultDrainTime {
				t.Errorf("%s: the request goes on after %v", name, took)
			}
			close(comes)
		})
	}
}

// A stuck body's Read and Close wait.
type stuck struct{ comes chan struct{} }

func (s *stuck) Read([]byte) (int, error) { <-s.comes; return 0, io.EOF }
func (s *stuck) Close() error             { <-s.comes; return nil }
