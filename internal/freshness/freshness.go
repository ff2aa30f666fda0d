// Package freshness knows how old the answers of a source of endpoints are.
package freshness

import (
	"fmt"
	"sync"
	"time"
)

// A Source is what is known of one. It is safe for concurrent use.
type Source struct {
	made time.Time

	mu  sync.Mutex
	now Status
}

// A Status is how a source stands.
type Status struct {
	Known     bool      // there was an answer
	Endpoints int       // in the last one that counts
	Since     time.Time // of that, or when the Source was made
	Stale     time.Time // since when there were only errors, or answers without endpoints; zero: it is not
	Err       error     // the last of these
}

// New returns a Source that has not answered yet.
func New() *Source {
	now := time.Now()
	return &Source{made: now, now: Status{Since: now}}
}

// Answered takes an answer in: how many endpoints it has, or its error. An answer without
// endpoints after one that had some does not count: it is an error too.
func (s *Source) Answered(name string, endpoints int, err error) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && endpoints == 0 && s.now.Endpoints > 0 {
		err = fmt.Errorf("loadbalance: %s has no endpoints any more: the last ones are kept", name)
	}
	if err == nil {
		s.now = Status{Known: true, Endpoints: endpoints, Since: time.Now()}
		return s.now, nil
	}
	s.now.Err = err
	if s.now.Stale.IsZero() && s.now.Known {
		s.now.Stale = time.Now()
	}
	return s.now, err
}

// Status returns how the source stands.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// A Figure is a number of it, for metrics.
type Figure struct {
	Name, Help string
	Sum        bool // several are added up, else the greatest counts
	Value      float64
}

// Figures are its numbers now.
func (s *Source) Figures() []Figure {
	now, stale := s.Status(), 0.0
	switch {
	case now.Endpoints == 0 && (now.Known || now.Err != nil): // it has never had one
		stale = time.Since(s.made).Seconds()
	case !now.Stale.IsZero():
		stale = time.Since(now.Stale).Seconds()
	}
	return []Figure{
		{Name: "discovery_age_seconds", Help: "Time since the last answer of discovery that counts, or since the beginning.", Value: time.Since(now.Since).Seconds()},
		{Name: "discovery_stale_seconds", Help: "Time for which there have been errors, or answers without endpoints, alone; 0: the last one was good.", Value: stale},
		{Name: "discovery_endpoints", Help: "Endpoints in the last answer of discovery that counts.", Sum: true, Value: float64(now.Endpoints)},
	}
}
