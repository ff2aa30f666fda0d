package holdfasttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/holdfasttest"
)

// A recorder is a TB that keeps what was reported.
type recorder struct {
	mu   sync.Mutex
	said []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

// A recordingTB is a testing.TB whose failures are kept, and whose cleanups run
// when it is told.
type recordingTB struct {
	testing.TB
	recorder
	cleanups []func()
}

func (r *recordingTB) Helper()                           {}
func (r *recordingTB) Errorf(format string, args ...any) { r.recorder.Errorf(format, args...) }
func (r *recordingTB) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }

func (r *recordingTB) finish() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

func leakedOnPurpose(stop chan struct{}) { <-stop }

func TestCheckLeaks(t *testing.T) {
	check := func(t *testing.T) {
		stop := make(chan struct{})
		go leakedOnPurpose(stop) // was there before
		tb := &recordingTB{TB: t}
		holdfasttest.CheckLeaks(tb)
		ended := make(chan struct{})
		go func() { close(ended) }()
		<-ended
		tb.finish()
		if got := tb.String(); got != "" {
			t.Errorf("nothing was leaked, and it said %s", got)
		}
		tb = &recordingTB{TB: t}
		holdfasttest.CheckLeaks(tb)
		go leakedOnPurpose(stop)
		tb.finish()
		if got := tb.String(); strings.Count(got, "leakedOnPurpose") < 1 || len(tb.said) != 1 {
			t.Errorf("one goroutine was leaked, and it said %q", got)
		}
		close(stop)
	}
	t.Run("in a bubble", func(t *testing.T) {
		other := make(chan struct{}) // of another bubble, or of none
		go leakedOnPurpose(other)
		synctest.Test(t, check)
		close(other)
	})
	t.Run("outside", func(t *testing.T) {
		holdfasttest.Hurry(t)
		check(t)
	})
	t.Run("one of others, begun meanwhile", func(t *testing.T) {
		begin, begun, other := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			<-begin
			go leakedOnPurpose(other)
			close(begun)
		}()
		synctest.Test(t, func(t *testing.T) {
			tb := &recordingTB{TB: t}
			holdfasttest.CheckLeaks(tb)
			close(begin)
			<-begun
			tb.finish()
			if got := tb.String(); got != "" {
				t.Errorf("it said %s", got)
			}
		})
		close(other)
	})
	t.Run("a goroutine that is about to end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tb := &recordingTB{TB: t}
			holdfasttest.CheckLeaks(tb)
			go func() { time.Sleep(time.Second) }()
			tb.finish()
			if got := tb.String(); got != "" {
				t.Errorf("it said %s", got)
			}
		})
	})
}

func TestBodiesFindsWhatIsOpen(t *testing.T) {
	bodies := &holdfasttest.Bodies{Base: roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{Status: "200 OK", Body: io.NopCloser(strings.NewReader("x")), Request: req}, nil
	})}
	get := func(path string) io.Closer {
		resp, err := bodies.RoundTrip(httptest.NewRequest(http.MethodGet, "http://user:secret@users/"+path, nil))
		if err != nil {
			t.Fatal(err)
		}
		return resp.Body
	}
	closed := get("closed")
	closed.Close()
	closed.Close()
	forgotten := get("forgotten")
	r := &recordingTB{TB: t}
	bodies.Verify(r)
	if got := r.String(); !strings.Contains(got, "/forgotten: 200 OK") || strings.Contains(got, "secret") || len(r.said) != 1 {
		t.Errorf("it said %q", got)
	}
	forgotten.Close()
	if bodies.Opened() != 2 || bodies.Closed() != 2 || bodies.ClosedAgain() != 1 {
		t.Errorf("%d opened, %d closed, %d again", bodies.Opened(), bodies.Closed(), bodies.ClosedAgain())
	}
	bodies.Verify(t)
}
