package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

// A body is the caller's request body on its way through the attempts of one
// call. It is closed exactly once: by the base where the base got it, else when
// the call no longer needs it and no attempt reads it.
type body struct {
	source source                        // of a body that cannot be had anew; nil: there is none, or it can
	anew   func() (io.ReadCloser, error) // the request's GetBody, or one of ours; nil: there is none
	used   atomic.Bool                   // the base has got the caller's own Body

	misdirected atomic.Bool // a repeat is to use another connection; here since there is room

	failed atomic.Pointer[error] // what reading a body failed with that is not source's
}

// A noted body keeps what reading it failed with: the caller's error, which may look
// like the transport's own.
type noted struct {
	io.ReadCloser
	of   *body
	want int64 // the length that was announced; 0 and below: none was
	size int64
	read atomic.Bool
	shut atomic.Bool
}

func (n *noted) unread() bool { return !n.read.Load() }

var errLength = errors.New("httpclient: the request body is not as long as ContentLength says")

// Read reads.
func (n *noted) Read(p []byte) (int, error) {
	n.read.Store(true)
	size, err := n.ReadCloser.Read(p)
	n.size += int64(max(size, 0))
	switch {
	case n.want > 0 && n.size > n.want: // net/http reads one byte more, to see that
		n.of.failed.Store(&errLength)
	case err == nil, n.shut.Load(): // what a body says that net/http has closed says nothing
	case err != io.EOF:
		failed := err
		n.of.failed.Store(&failed)
	case n.size < n.want:
		n.of.failed.Store(&errLength)
	}
	return size, err
}

// Close closes it.
func (n *noted) Close() error {
	n.shut.Store(true)
	return n.ReadCloser.Close()
}

// A source gives each attempt a body of its own from a Body without GetBody.
type source interface {
	next(ctx context.Context) (upload, error)
	again() bool  // could another attempt have it from the start?
	cause() error // what reading the caller's Body failed with
	release()     // no further attempt will come
}

// An upload is the request body of one attempt, made by a source. Close ends it
// whether or not a transport still reads it; only the first call does anything.
type upload interface {
	io.ReadCloser
	hold()        // the attempt got an answer that may lead to another one
	unread() bool // the transport has not asked for any of it
}

func (b *body) open(req *http.Request, replayCap int) {
	if b.anew = req.GetBody; b.anew != nil || req.Body == nil || req.Body == http.NoBody {
		return
	}
	if r := unwrapped(req.Body); holds(r, req.ContentLength) {
		b.anew = copiesOf(r)
		return
	}
	if file, ok := req.Body.(*os.File); ok {
		if s, ok := openSection(file, req.ContentLength); ok {
			b.source = s
			return
		}
	}
	b.source = keep(req.Body, replayCap, req.ContentLength)
}

// next returns the body of one attempt, and its upload when it is not the
// caller's own or a copy that the caller's GetBody made. Its errors are noted, so that
// they are not taken for those of a connection.
func (b *body) next(ctx context.Context, req *http.Request) (io.ReadCloser, upload, error) {
	if b.source != nil {
		up, err := b.source.next(ctx)
		if err != nil {
			return nil, nil, err
		}
		return up, up, nil
	}
	if req.Body == nil {
		return nil, nil, nil
	}
	if b.anew == nil {
		return req.Body, nil, nil
	}
	rc := req.Body
	if b.used.Swap(true) {
		var err error
		if rc, err = b.anew(); err != nil {
			return nil, nil, fmt.Errorf("httpclient: the request's GetBody: %w", err)
		}
		if rc == nil {
			return nil, nil, errors.New("httpclient: the request's GetBody returned neither a body nor an error")
		}
	}
	if rc != http.NoBody && !holds(unwrapped(rc), req.ContentLength) {
		rc = &noted{ReadCloser: rc, of: b, want: req.ContentLength}
	}
	return rc, nil, nil
}

// again reports whether another attempt could have the body from its start.
func (b *body) again() bool { return b.source == nil || b.source.again() }

// failedWith reports whether err is that of reading the caller's Body, or comes of a Body
// that is not as long as it was said to be.
func (b *body) failedWith(err error) bool {
	if failed := b.failed.Load(); failed != nil && (*failed == errLength || errors.Is(err, *failed)) {
		return true
	}
	if b.source == nil {
		return false
	}
	cause := b.source.cause()
	return cause != nil && (cause == errLength || errors.Is(err, cause)) || errors.Is(err, errNotKept)
}

// release says that no further attempt will come.
func (b *body) release(req *http.Request) {
	if b.source != nil {
		b.source.release()
	} else if req.Body != nil && !b.used.Swap(true) {
		_ = req.Body.Close() // no attempt was made, and nobody is there to be told
	}
}

// A section gives each attempt the rest of a file, from where it stood. Reading
// it moves nothing, so attempts do not disturb each other.
type section struct {
	file  *os.File
	start int64
	want  int64 // the length that was announced; 0 and below: none was
	mu    sync.Mutex
	open  int // attempts that read it, and the call itself
	err   error
}

func openSection(file *os.File, want int64) (*section, bool) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, false
	}
	return &section{file: file, start: start, want: want, open: 1}, true
}

func (s *section) next(context.Context) (upload, error) {
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	return &sectionReader{Reader: io.NewSectionReader(s.file, s.start, 1<<63-1-s.start), of: s}, nil
}

func (s *section) again() bool { return true }

func (s *section) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *section) release() {
	s.mu.Lock()
	s.open--
	last := s.open == 0
	s.mu.Unlock()
	if last {
		_ = s.file.Close()
	}
}

type sectionReader struct {
	io.Reader
	of           *section
	size         int64 // what was read
	read, closed atomic.Bool
}

func (r *sectionReader) unread() bool { return !r.read.Load() }

func (r *sectionReader) Read(p []byte) (int, error) {
	r.read.Store(true)
	if r.closed.Load() {
		return 0, errBodyClosed
	}
	n, err := r.Reader.Read(p)
	r.size += int64(n)
	failed := err
	if err == io.EOF {
		failed = nil
		if r.size < r.of.want {
			failed = errLength
		}
	}
	if failed != nil {
		r.of.mu.Lock()
		r.of.err = failed
		r.of.mu.Unlock()
	}
	return n, err
}

func (r *sectionReader) hold() {}

func (r *sectionReader) Close() error {
	if !r.closed.Swap(true) {
		r.of.release()
	}
	return nil
}
