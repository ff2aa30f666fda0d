package httpclient

import (
	"errors"
	"io"
	"sync"
)

var errNotKept = errors.New("httpclient: the request body was longer than ReplayCap and has no GetBody, so it cannot be sent again")

// A kept source keeps what has been read of the caller's Body, up to a limit,
// while the attempts read it. Another attempt gets what was kept and then goes on
// reading where the others left off; the Body itself is read by one at a time.
type kept struct {
	src   io.ReadCloser
	limit int

	mu      sync.Mutex
	turn    chan struct{} // closed when the one who reads src has done so; nil: nobody reads
	bytes   []byte        // the first of what was read, all of it unless lost
	total   int64         // how much was read
	lost    bool          // more was read than is kept
	err     error         // what reading ended with, io.EOF too
	readers int
	held    bool // another attempt may come
	closed  bool
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
	last := k.readers == 0 && !k.held && !k.closed
	k.closed = k.closed || last
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
	for {
		switch {
		case r.closed:
			k.mu.Unlock()
			return 0, errors.New("httpclient: read of a closed request body")
		case r.at < k.total && k.lost:
			k.mu.Unlock()
			return 0, errNotKept
		case r.at < k.total:
			n := copy(p, k.bytes[r.at:])
			r.at += int64(n)
			k.mu.Unlock()
			return n, nil
		case k.err != nil:
			err := k.err
			k.mu.Unlock()
			return 0, err
		case len(p) == 0:
			k.mu.Unlock()
			return 0, nil
		case k.turn == nil:
			return r.readSource(p)
		}
		turn := k.turn
		k.mu.Unlock()
		select { // an earlier attempt is reading; what it gets is ours too
		case <-turn:
		case <-r.done:
		}
		k.mu.Lock()
	}
}

// readSource reads on in the caller's Body. It is called with the lock held and
// gives it back.
func (r *keptReader) readSource(p []byte) (int, error) {
	k := r.of
	turn := make(chan struct{})
	k.turn = turn
	k.mu.Unlock()
	n, err := 0, errors.New("httpclient: the request body's Read panicked")
	defer func() {
		k.mu.Lock()
		k.turn = nil
		k.total += int64(n)
		switch {
		case k.lost:
		case len(k.bytes)+n > k.limit:
			k.lost = n > 0
			if k.lost {
				k.bytes = nil
			}
		default:
			k.bytes = append(k.bytes, p[:n]...)
		}
		if err != nil {
			k.err = err
		}
		r.at += int64(n)
		k.mu.Unlock()
		close(turn)
	}()
	n, err = k.src.Read(p)
	return n, err
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
