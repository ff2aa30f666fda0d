package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

var (
	errNotKept    = errors.New("httpclient: the request body was longer than ReplayCap and has no GetBody, so it cannot be sent again")
	errBodyClosed = errors.New("httpclient: read of a closed request body")
	errNoReturn   = errors.New("httpclient: the request body's Read did not return")
)

// maxChunk bounds one read of what is not kept.
const maxChunk = 64 << 10

// A kept source keeps what has been read of the caller's Body, up to a limit,
// while the attempts read it. Another attempt gets what was kept and then goes on
// reading where the others left off.
//
// The Body itself is read by one goroutine at a time, and never by that of a
// transport: net/http's HTTP/1 waits for a Read under way before it returns, so
// that a Body that stalls would hold up the end of an attempt for ever.
type kept struct {
	src   io.ReadCloser
	limit int
	want  int64         // the length that was announced; 0 and below: none was
	over  chan struct{} // closed by release

	mu      sync.Mutex
	pulling chan struct{} // closed when the read under way is done; nil: there is none
	bytes   []byte        // the first of what was read
	chunk   []byte        // the last of it, where it is not kept
	buf     []byte        // where chunk lies
	total   int64         // how much was read
	err     error         // what reading ended with, io.EOF too
	thrown  any           // what Read panicked with
	readers []*keptReader // that are open, the oldest attempt's first
	held    bool          // another attempt may come
	closed  bool
}

func keep(src io.ReadCloser, limit int, want int64) *kept {
	return &kept{src: src, limit: limit, want: want, held: true, over: make(chan struct{})}
}

func (k *kept) lost() bool { return k.total > int64(len(k.bytes)) }

func (k *kept) next(ctx context.Context) (upload, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lost() {
		return nil, errNotKept
	}
	r := &keptReader{of: k, ctx: ctx, done: make(chan struct{})}
	k.readers = append(k.readers, r)
	return r, nil
}

// again reports whether another attempt could have the body. Of one that is known to be too long
// to be kept it could not while an attempt without an answer has it.
func (k *kept) again() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	tooLong := k.limit <= 0 || k.want > int64(k.limit)
	return !k.lost() && !(tooLong && slices.ContainsFunc(k.readers, (*keptReader).unanswered))
}

// takes reports whether r, were it to read on, would take from an attempt under way that is older
// what cannot be kept for it. The lock is held.
func (k *kept) takes(r *keptReader) bool {
	if k.room() > 0 || !k.held || k.want > 0 && k.total >= k.want {
		return false
	}
	older := k.readers[:max(slices.Index(k.readers, r), 0)]
	return slices.ContainsFunc(older, (*keptReader).unanswered)
}

func (k *kept) cause() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.want > 0 && k.total > k.want:
		return errLength
	case k.err != io.EOF:
		return k.err
	case k.total < k.want:
		return errLength
	}
	return nil
}

func (k *kept) release() {
	k.mu.Lock()
	k.held = false
	close(k.over)
	k.closeIfLast()
}

// closeIfLast closes the caller's Body when nobody needs it any more. It is
// called with the lock held and gives it back. It does not wait for a Read that
// is under way: closing the Body is what ends one, as it does without us.
func (k *kept) closeIfLast() {
	last := len(k.readers) == 0 && !k.held && !k.closed
	k.closed = k.closed || last
	k.mu.Unlock()
	if last {
		_ = k.src.Close() // nobody is there to be told
	}
}

// has copies what is there at an offset, which is below total.
func (k *kept) has(p []byte, at int64) (int, error) {
	if at < int64(len(k.bytes)) {
		return copy(p, k.bytes[at:]), nil
	}
	if at -= k.total - int64(len(k.chunk)); at >= 0 {
		return copy(p, k.chunk[at:]), nil
	}
	return 0, errNotKept
}

// room returns how much more can be kept.
func (k *kept) room() int {
	if k.lost() || !k.held {
		return 0
	}
	return max(k.limit-len(k.bytes), 0)
}

// pull begins a read of the caller's Body for at most want bytes. k.mu is held,
// and no read is under way.
func (k *kept) pull(want int) {
	want = min(want, maxChunk)
	keeping := k.room() > 0
	var into []byte
	if keeping {
		want = min(want, k.room())
		have := len(k.bytes)
		if cap(k.bytes)-have < want {
			k.bytes = append(make([]byte, 0, min(max(2*have, have+want, 512), k.limit)), k.bytes...)
		}
		into = k.bytes[have : have+want]
	} else {
		if cap(k.buf) < want {
			k.buf = make([]byte, want)
		}
		into, k.chunk = k.buf[:want], nil // it is about to be written over
	}
	k.pulling = make(chan struct{})
	go k.read(into, keeping)
}

// read reads once. It runs on a goroutine of its own, which ends when the
// caller's Read does; Close is what ends that.
func (k *kept) read(into []byte, keeping bool) {
	n, err := 0, errNoReturn
	defer func() {
		thrown := recover() // to be thrown where it would have been
		k.mu.Lock()
		defer k.mu.Unlock()
		if n < 0 || n > len(into) {
			n, err = 0, fmt.Errorf("httpclient: the request body's Read returned a count of %d for %d bytes", n, len(into))
		}
		if keeping {
			k.bytes = k.bytes[:len(k.bytes)+n]
		} else {
			k.chunk = into[:n]
		}
		k.total += int64(n)
		k.err, k.thrown = err, thrown
		close(k.pulling)
		k.pulling = nil
	}()
	n, err = k.src.Read(into)
}

// A keptReader is the body of one attempt.
type keptReader struct {
	of   *kept
	ctx  context.Context // the attempt's
	done chan struct{}   // closed by Close

	// Guarded by of.mu.
	at       int64
	asked    bool
	answered bool
	closed   bool
}

func (r *keptReader) unread() bool {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	return !r.asked
}

// unanswered reports whether the attempt is under way, and may still read. The lock is held.
func (r *keptReader) unanswered() bool { return !r.answered && r.ctx.Err() == nil }

// Read returns what was kept, and then what comes from the caller's Body. It
// returns when the attempt's context is done, too.
func (r *keptReader) Read(p []byte) (int, error) {
	k := r.of
	k.mu.Lock()
	defer k.mu.Unlock()
	r.asked = true
	for asked := false; ; {
		wait := k.pulling
		switch {
		case r.closed:
			return 0, errBodyClosed
		case r.at < k.total:
			n, err := k.has(p, r.at)
			r.at += int64(n)
			if err == nil && r.at == k.total && k.err == io.EOF {
				err = io.EOF
			}
			return n, err
		case k.thrown != nil:
			panic(k.thrown)
		case k.err != nil:
			return 0, k.err
		case len(p) == 0, asked && wait == nil: // the caller's Read returned 0, nil
			return 0, nil
		case wait != nil: // what comes is ours too
		case r.answered && k.held && !k.lost() && k.room() == 0:
			wait = k.over // or another attempt could not have it any more
		case k.takes(r):
			return 0, errNotKept
		default:
			asked = true
			k.pull(len(p))
			wait = k.pulling
		}
		k.mu.Unlock()
		var err error
		select {
		case <-wait:
		case <-r.done:
		case <-r.ctx.Done():
			err = context.Cause(r.ctx)
		}
		k.mu.Lock()
		if err != nil {
			return 0, err
		}
	}
}

// hold keeps the attempt, which got an answer that may lead to another one, from
// reading more than can be kept, until the call is over.
func (r *keptReader) hold() {
	r.of.mu.Lock()
	r.answered = true
	r.of.mu.Unlock()
}

func (r *keptReader) Close() error {
	k := r.of
	k.mu.Lock()
	if r.closed {
		k.mu.Unlock()
		return nil
	}
	r.closed = true
	close(r.done)
	k.readers = slices.DeleteFunc(k.readers, func(other *keptReader) bool { return other == r })
	k.closeIfLast()
	return nil
}
