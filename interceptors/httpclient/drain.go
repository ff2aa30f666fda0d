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

// drain reads on into w and closes, from goroutines of its own: there are bodies whose
// Close waits for a Read under way, such as that of net/http while the header of
// a compressed answer is outstanding. They end when the attempt's context does, and at
// once where the connections are few, so that nobody waits for this one. It returns what
// reading ended with; nil: it was stopped by the bound on bytes or time.
func (a *answer) drain(w io.Writer, bytes int64, limit time.Duration) error {
	var thrown any
	var err error
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer func() { thrown = recover() }()
		_, err = io.CopyN(w, a.body, bytes)
	}()
	if within(limit, drained) {
		_ = a.body.Close()
		if thrown != nil {
			panic(thrown)
		}
		return err
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = a.body.Close()
	}()
	if !within(limit/10, closed) {
		a.trip.end()
	}
	return nil
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
	return a.ctx.Err() == nil && d.DrainTime > 0 && d.DrainBytes > 0 && a.resp.StatusCode != http.StatusSwitchingProtocols &&
		(a.resp.ContentLength >= 0 || !a.of.call.Stream)
}

// Keep puts the answer by: its first 64 KiB are kept in memory, as far as they come
// within DrainTime, and its connection is free.
func (a *answer) Keep() { a.letGo.Do(a.keep) }

func (a *answer) keep() {
	put := &putBy{end: errPutBy}
	defer func() { // also when reading panics
		a.resp.Body = put
		if a.upload != nil {
			_ = a.upload.Close()
		}
		a.ending.Finish(holdfast.End{Class: a.class, Code: a.code(), Bytes: a.read.Load()})
	}()
	switch {
	case a.empty:
		put.end = io.EOF
		_ = a.body.Close()
	case a.ending.Finished(): // somebody has read it
	case !a.worthKeeping():
		_ = a.body.Close() // nobody is left to be told
	default:
		c := new(collector)
		err := a.drain(c, putBytes+1, a.of.door.DrainTime)
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
