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
	source source                // of a body without GetBody; nil: there is none, or it has GetBody
	used   atomic.Bool           // the base has got the caller's own Body
	failed atomic.Pointer[error] // what reading a body failed with that is not source's
}

// A noted body keeps what reading it failed with: the caller's error, which may look
// like the transport's own.
type noted struct {
	io.ReadCloser
	of *body
}

// Read reads.
func (n *noted) Read(p []byte) (int, error) {
	size, err := n.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		n.of.failed.Store(&err)
	}
	return size, err
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
	hold() // the attempt got an answer that may lead to another one
}

func (b *body) open(req *http.Request, replayCap int) {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return
	}
	if file, ok := req.Body.(*os.File); ok {
		if s, ok := openSection(file); ok {
			b.source = s
			return
		}
	}
	b.source = keep(req.Body, replayCap)
}

// next returns the body of one attempt, and its upload when it is not the
// caller's own or a copy that the caller's GetBody made. Where a repeat would do harm
// its errors are noted, so that they are not taken for those of a connection.
func (b *body) next(ctx context.Context, req *http.Request, note bool) (io.ReadCloser, upload, error) {
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
	if req.GetBody == nil {
		return req.Body, nil, nil
	}
	rc := req.Body
	if b.used.Swap(true) {
		var err error
		if rc, err = req.GetBody(); err != nil {
			return nil, nil, fmt.Errorf("httpclient: the request's GetBody: %w", err)
		}
		if rc == nil {
			return nil, nil, errors.New("httpclient: the request's GetBody returned neither a body nor an error")
		}
	}
	if note && rc != http.NoBody {
		rc = &noted{rc, b}
	}
	return rc, nil, nil
}

// again reports whether another attempt could have the body from its start.
func (b *body) again() bool { return b.source == nil || b.source.again() }

// failedWith reports whether err is that of reading the caller's Body.
func (b *body) failedWith(err error) bool {
	if failed := b.failed.Load(); failed != nil && errors.Is(err, *failed) {
		return true
	}
	if b.source == nil {
		return false
	}
	cause := b.source.cause()
	return cause != nil && errors.Is(err, cause) || errors.Is(err, errNotKept)
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
	mu    sync.Mutex
	open  int // attempts that read it, and the call itself
	err   error
}

func openSection(file *os.File) (*section, bool) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, false
	}
	return &section{file: file, start: start, open: 1}, true
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
	of     *section
	closed atomic.Bool
}

func (r *sectionReader) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, errBodyClosed
	}
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.of.mu.Lock()
		r.of.err = err
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
