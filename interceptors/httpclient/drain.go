package httpclient

import (
	"io"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast"
)

// drain reads on into w and closes. It returns what reading ended with; nil: it was
// stopped by the bound on bytes or time. The End is that of an answer that takes too long.
func (a *answer) drain(w io.Writer, bytes int64, limit time.Duration, end holdfast.End) error {
	var ended error
	late := false
	defer func() { // also when reading panics
		if late {
			a.drop(end)
		} else {
			shut(a.body)
		}
	}()
	if late = !apart(limit, func() { _, ended = io.CopyN(w, a.body, bytes) }); late {
		return nil
	}
	return ended
}

// drop closes the body of which nobody reads any more. The attempt is ended first, and its
// context with it, since there are bodies whose Close waits for a Read under way, such as
// net/http's own while the header of a compressed answer is outstanding.
func (a *answer) drop(end holdfast.End) {
	defer shut(a.body)
	a.finish(end)
}

// shutTime is how long a body may take to close before it is left to itself.
const shutTime = defaultDrainTime / 10

// shut closes a body, if there is one. A Close that waits holds nobody up.
func shut(body io.Closer) {
	if body == nil || body == http.NoBody {
		return
	}
	apart(shutTime, func() { _ = body.Close() }) // nobody is left to be told
}

// apart runs f on a goroutine of its own and waits for it, for a while at most. It reports
// whether f has returned, and panics with what f panicked with.
func apart(d time.Duration, f func()) bool {
	var thrown any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { thrown = recover() }()
		f()
	}()
	if !within(d, done) {
		return false
	}
	if thrown != nil {
		panic(thrown)
	}
	return true
}

// within waits for done, and reports whether it came in time.
func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
