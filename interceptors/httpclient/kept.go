package httpclient

import (
	"errors"
	"io"
	"sync"
)

var errNotKept = errors.New("httpclient: the request body was longer than ReplayCap and has no GetBody, so it cannot be sent again")

var errClosed = errors.New("httpclient: read of a closed request body")

// A kept source keeps what has been read of the caller's Body, up to a limit,
// while the attempts read it. Another attempt gets what was kept and then goes on
// where the others left off. The Body is read by one goroutine at a time, and not
// by the one that asks, since a transport that gives up an attempt closes its body
// and waits for a Read that is under way: the next attempt still needs what that
// one brings, so it cannot be ended by closing the Body.
type kept struct {
	src   io.ReadCloser
	limit int

	mu      sync.Mutex
	turn    chan struct{} // closed when the read under way has ended; nil: there is none
	bytes   []byte        // the first of what was read, all of it unless lost
	chunk   []byte        // the last that was read
	room    []byte        // what chunk is part of
	total   int64         // how much was read
	lost    bool          // more was read than is kept
	err     error         // what reading ended with, io.EOF too
	readers int
	held    bool // another attempt may come
}

func (k *kept) next() (io.ReadCloser, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lost {
		return nil, errNotKept
	}
	k.readers++
	return &keptReader{of: k, done: make(chan struct{})}, nil
}

func (k *kept) again() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.lost
}

func (k *kept) cause() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == io.EOF {
		return nil
	}
	return k.err
}

func (k *kept) release() {
	k.mu.Lock()
	k.held = false
	k.closeIfLast()
}

// closeIfLast closes the caller's Body when nobody needs it any more. It is
// called with the lock held and gives it back. It does not wait for a Read that
// is under way: closing the Body is what ends one, as it does without us.
func (k *kept) closeIfLast() {
	last := k.readers == 0 && !k.held
	k.mu.Unlock()
	if last {
		_ = k.src.Close()
	}
}

type keptReader struct {
	of     *kept
	at     int64
	closed bool
	done   chan struct{} // closed by Close
}

func (r *keptReader) Read(p []byte) (int, error) {
	k := r.of
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		switch {
		case r.closed:
			return 0, errClosed
		case r.at < k.total:
			from := k.bytes[min(r.at, int64(len(k.bytes))):]
			if k.lost {
				start := k.total - int64(len(k.chunk))
				if r.at < start {
					return 0, errNotKept
				}
				from = k.chunk[r.at-start:]
			}
			n := copy(p, from)
			r.at += int64(n)
			return n, nil
		case k.err != nil:
			return 0, k.err
		case len(p) == 0:
			return 0, nil
		case k.turn == nil:
			k.turn = make(chan struct{})
			go k.read(k.turn)
		}
		turn := k.turn
		k.mu.Unlock()
		select {
		case <-turn:
		case <-r.done:
		}
		k.mu.Lock()
	}
}

// read reads the caller's Body once.
func (k *kept) read(turn chan struct{}) {
	if k.room == nil {
		k.room = make([]byte, 32<<10)
	}
	n, err := k.src.Read(k.room)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.chunk = k.room[:n]
	k.total += int64(n)
	if !k.lost && len(k.bytes)+n > max(k.limit, 0) {
		k.lost, k.bytes = true, nil
	}
	if !k.lost {
		k.bytes = append(k.bytes, k.chunk...)
	}
	k.err = err
	k.turn = nil
	close(turn)
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
	k.readers--
	k.closeIfLast()
	return nil
}
