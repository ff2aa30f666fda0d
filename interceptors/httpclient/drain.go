package httpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
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

// putBytes is how much of an answer is put by.
const putBytes = 64 << 10

var errPutBy = fmt.Errorf("httpclient: the rest of this answer was let go of before the next attempt: %w", io.ErrUnexpectedEOF)

// A putBy is what is kept of the body of an answer that another attempt was to follow.
type putBy struct {
	mu   sync.Mutex
	kept bytes.Reader
	end  error // what follows the bytes
	shut bool
}

// Read reads what was kept.
func (p *putBy) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return 0, errors.New("http: read on closed response body")
	}
	n, err := p.kept.Read(b)
	if err == io.EOF {
		err = p.end
	}
	return n, err
}

// Close ends it.
func (p *putBy) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	return nil
}

// A collector takes what is read until it is asked for it; a reader that goes on then
// writes to nobody.
type collector struct {
	mu   sync.Mutex
	buf  []byte
	over bool
}

// Write keeps p.
func (c *collector) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return 0, io.ErrClosedPipe
	}
	c.buf = append(c.buf, p...)
	return len(p), nil
}

func (c *collector) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	return c.buf
}

// worthKeeping reports whether something can be had of the answer in a short time.
func (a *answer) worthKeeping() bool {
	d := a.of.door
	return a.life.Err() == nil && d.DrainTime > 0 && d.DrainBytes > 0 && a.resp.StatusCode != http.StatusSwitchingProtocols &&
		(a.resp.ContentLength >= 0 || !a.of.call.Stream)
}

// Keep puts the answer by: its first 64 KiB are kept in memory, as far as they come
// within DrainTime, and its connection is free.
func (a *answer) Keep() { a.letGo.Do(a.keep) }

func (a *answer) keep() {
	put := &putBy{end: errPutBy}
	end := holdfast.End{Class: a.class, Code: a.code()}
	defer func() { // also when reading panics
		a.resp.Body = put
		if a.upload != nil {
			_ = a.upload.Close()
		}
		end.Bytes = a.read.Load()
		a.finish(end)
	}()
	switch {
	case a.empty:
		put.end = io.EOF
		shut(a.body)
	case a.ending.Finished(): // somebody has read it
	case !a.worthKeeping():
		a.drop(end)
	default:
		c := new(collector)
		err := a.drain(c, putBytes+1, a.of.door.DrainTime, end)
		kept := c.take()
		if err == io.EOF {
			put.end = err
		} else { // the base may still be reading, and fill in the trailers
			copied := *a.resp
			copied.Trailer = nil
			a.resp = &copied
		}
		if len(kept) > putBytes {
			kept = kept[:putBytes]
		}
		put.kept.Reset(kept)
		a.read.Store(int64(len(kept)))
	}
}

var _ holdfast.Keeper = (*answer)(nil)
