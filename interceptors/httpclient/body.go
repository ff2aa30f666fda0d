package httpclient

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

// A body is the caller's request body on its way through the attempts of one
// call. It is closed exactly once: by the base where the base got it, else when
// the call no longer needs it and no attempt reads it.
type body struct {
	req    *http.Request
	source source // of a body without GetBody; nil: there is none, or it has GetBody

	mu   sync.Mutex
	used bool // the base has got the caller's own Body
}

// A source gives each attempt a body of its own from a Body without GetBody.
type source interface {
	next() (io.ReadCloser, error)
	again() bool  // could another attempt have it from the start?
	cause() error // what reading the caller's Body failed with
	release()     // no further attempt will come
}

func (b *body) open(req *http.Request, replayCap int) {
	b.req = req
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return
	}
	if file, ok := req.Body.(*os.File); ok {
		if s, ok := openSection(file, req.ContentLength); ok {
			b.source = s
			return
		}
	}
	b.source = &kept{src: req.Body, limit: replayCap, held: true}
}

// next returns the body of one attempt, and whether it is the caller's own.
func (b *body) next() (rc io.ReadCloser, own bool, err error) {
	if b.source != nil {
		rc, err = b.source.next()
		return rc, false, err
	}
	if b.req.Body == nil || b.req.GetBody == nil {
		return b.req.Body, true, nil
	}
	b.mu.Lock()
	first := !b.used
	b.used = true
	b.mu.Unlock()
	if first {
		return b.req.Body, true, nil
	}
	if rc, err = b.req.GetBody(); err != nil {
		return nil, false, fmt.Errorf("httpclient: the request's GetBody: %w", err)
	}
	return rc, false, nil
}

// again reports whether another attempt could have the body from its start.
func (b *body) again() bool { return b.source == nil || b.source.again() }

// failedWith reports whether err is that of reading the caller's Body.
func (b *body) failedWith(err error) bool {
	if b.source == nil {
		return false
	}
	cause := b.source.cause()
	return cause != nil && errors.Is(err, cause)
}

// release says that no further attempt will come.
func (b *body) release() {
	if b.source != nil {
		b.source.release()
		return
	}
	b.mu.Lock()
	used := b.used
	b.used = true
	b.mu.Unlock()
	if !used && b.req.Body != nil {
		_ = b.req.Body.Close()
	}
}

// A section gives each attempt the rest of a file, from where it stood. Reading
// it moves nothing, so attempts do not disturb each other.
type section struct {
	file        *os.File
	start, size int64
	mu          sync.Mutex
	open        int // attempts that read it, and the call itself
	err         error
}

func openSection(file *os.File, size int64) (*section, bool) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, false
	}
	if size <= 0 {
		size = 1<<63 - 1 - start
	}
	return &section{file: file, start: start, size: size, open: 1}, true
}

func (s *section) next() (io.ReadCloser, error) {
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	return &sectionReader{Reader: io.NewSectionReader(s.file, s.start, s.size), of: s}, nil
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
	of   *section
	once sync.Once
}

func (r *sectionReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.of.mu.Lock()
		r.of.err = err
		r.of.mu.Unlock()
	}
	return n, err
}

func (r *sectionReader) Close() error {
	r.once.Do(r.of.release)
	return nil
}
