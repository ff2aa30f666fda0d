package httpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// putBytes is how much of an answer is put by.
const putBytes = 64 << 10

var errPutBy = fmt.Errorf("httpclient: the rest of this answer was let go of before the next attempt: %w", io.ErrUnexpectedEOF)

// A putBy is what is kept of the body of an answer that another attempt was to follow.
type putBy struct {
	mu   sync.Mutex
	kept bytes.Reader
	end  error // what follows the bytes
	shut bool

	thrown any // what reading it panicked with
}

// Read reads what was kept.
func (p *putBy) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return 0, errors.New("http: read on closed response body")
	}
	if p.thrown != nil {
		panic(p.thrown)
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
		(a.resp.ContentLength >= 0 || !a.stream)
}

// Keep puts the answer by: its first 64 KiB are kept in memory, as far as they come
// within DrainTime, and its connection is free.
func (a *answer) Keep() {
	a.letGo.Do(func() {
		put := &putBy{end: errPutBy}
		a.resp.Body = put
		if !a.take(put) { // the base may still be reading, and fill in the trailers
			copied := *a.resp
			copied.Trailer = nil
			a.resp = &copied
		}
	})
}

// PutBy does so with an answer that its caller has not begun to read for too long, so that a
// first read that comes late finds it. Reading past what was kept ends in why.
func (a *answer) PutBy(why error) {
	a.letGo.Do(func() {
		put := &putBy{end: why}
		if a.late.Store(put); !a.touched.CompareAndSwap(false, true) {
			a.late.Store(nil) // he has begun
			return
		}
		defer func() { put.thrown = recover() }() // to be thrown where it would have been
		a.take(put)
	})
}

// putAside returns what was kept of an answer that was put by before its first read; nil for
// others, which are then not put by any more.
func (a *answer) putAside() *putBy {
	if a.late.Load() == nil && (a.touched.Load() || a.touched.CompareAndSwap(false, true)) && a.late.Load() == nil {
		return nil
	}
	a.letGo.Do(func() {}) // until all is there
	return a.late.Load()
}

// take takes into memory what there is of the answer, and lets go of the rest. It reports
// whether the base is done with it.
func (a *answer) take(put *putBy) (over bool) {
	end := holdfast.End{Class: a.class, Code: a.code()}
	defer func() { // also when reading panics
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
	case a.whole.Load(): // it is in memory as it is
		kept, err := io.ReadAll(a.body)
		if put.end = err; err == nil {
			put.end = io.EOF
		}
		put.kept.Reset(kept)
		a.read.Store(int64(len(kept)))
		shut(a.body)
	case !a.worthKeeping():
		a.drop(end)
	default:
		c := new(collector)
		err := a.drain(c, putBytes+1, a.of.door.DrainTime, end)
		kept := c.take()
		if err == io.EOF {
			put.end = err
		}
		if len(kept) > putBytes {
			kept = kept[:putBytes]
		}
		put.kept.Reset(kept)
		a.read.Store(int64(len(kept)))
		return err == io.EOF
	}
	return true
}

var _ holdfast.Keeper = (*answer)(nil)
