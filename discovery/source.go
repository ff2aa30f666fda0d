package discovery

import (
	"context"
	"iter"
	"slices"
	"sync"
)

// A Source is a Resolver that is told: by a registry's own client, a control
// plane, a test. The zero Source is ready and knows nothing yet. It is safe for
// concurrent use and must not be copied. A nil Source takes nothing and yields nothing.
type Source struct {
	mu         sync.Mutex
	changed    chan struct{} // closed at the next news; nil: nobody waits
	version    uint64
	generation uint64
	known      bool
	endpoints  []Endpoint
	err        error
}

// Publish sets the endpoints of a generation, and reports whether it took them: one
// that is older than the last is stale news and changes nothing. A registry's
// revision or index is a generation; a Source that has none gives ever greater
// numbers.
func (s *Source) Publish(generation uint64, endpoints ...Endpoint) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && generation < s.generation {
		return false
	}
	s.known, s.generation, s.endpoints, s.err = true, generation, merged(endpoints), nil
	s.news()
	return true
}

// Fail tells of an error; the endpoints stay.
func (s *Source) Fail(err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.news()
}

func (s *Source) news() {
	s.version++
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Watch yields what is published. News that come faster than they are taken are
// yielded as the last of them.
func (s *Source) Watch(ctx context.Context) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		if s == nil {
			<-ctx.Done()
			return
		}
		var seen uint64
		var generation uint64
		first := true
		for ctx.Err() == nil {
			s.mu.Lock()
			if s.version == seen {
				if s.changed == nil {
					s.changed = make(chan struct{})
				}
				changed := s.changed
				s.mu.Unlock()
				select {
				case <-changed:
				case <-ctx.Done():
				}
				continue
			}
			seen = s.version
			err, endpoints := s.err, slices.Clone(s.endpoints)
			fresh := s.known && (first || s.generation != generation || err == nil)
			generation = s.generation
			s.mu.Unlock()
			if fresh {
				first = false
				if !yield(endpoints, nil) {
					return
				}
			}
			if err != nil && !yield(nil, err) {
				return
			}
		}
	}
}

// String names it.
func (s *Source) String() string { return "source" }
