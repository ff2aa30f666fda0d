package observe

import (
	"context"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
	"github.com/holdfast-go/holdfast/internal/scrub"
)

// LogOptions set up what NewLog makes. The zero value is the default of every field.
type LogOptions struct {
	// Interval is how long the same thing (of the same target, with the same reason) is
	// not said again after it was said; how often it was left out is said the next
	// time. 0 means 10 s; negative: everything is said.
	Interval time.Duration
	// Error writes an error for the log, of calls and of events; nil: errors are left out, since
	// their text may hold what a log must not, and what came of a call is in its code. What it
	// returns is freed of URLs' credentials and queries as all else.
	Error func(error) string
	// Level overrules the level of an event where it returns true. nil: each has its own.
	Level func(e holdfast.Event) (level slog.Level, ok bool)
}

func (o LogOptions) filled() LogOptions {
	o.Interval = option.Of(o.Interval, 10*time.Second, option.Off)
	return o
}

// maxRepeats bounds the things that are remembered as said.
const maxRepeats = 1024

// A log is the Observer that NewLog makes.
type log struct {
	o      LogOptions
	logger *slog.Logger

	seed maphash.Seed
	mu   sync.Mutex
	said map[uint64]*said // by a hash of the thing: names may be long
}

// said is something that was said, at that time, and how often it was not since.
type said struct {
	at   time.Time
	left int
}

var _ Observer = (*log)(nil)

// NewLog makes an Observer that writes to a slog.Logger: what policies decide at the
// level of the event, calls that fail as warnings, other calls and all attempts for
// debugging. Its context goes to the handler, for trace ids and the like. It writes no
// credentials and no URL's query. It is safe for concurrent use. A nil logger means
// slog.Default.
func NewLog(logger *slog.Logger, o LogOptions) Observer {
	if logger == nil {
		logger = slog.Default()
	}
	return &log{o: o.filled(), logger: logger, seed: maphash.MakeSeed(), said: map[uint64]*said{}}
}

// Call logs a call: as a warning when it failed, else for debugging.
func (l *log) Call(ctx context.Context, r Record) {
	level := slog.LevelDebug
	if r.Class != holdfast.Success && r.Class != holdfast.Ignored {
		level = slog.LevelWarn
	}
	l.record(ctx, level, "call", r)
}

// Attempt logs an attempt, for debugging.
func (l *log) Attempt(ctx context.Context, r Record) {
	l.record(ctx, slog.LevelDebug, "attempt", r)
}

func (l *log) record(ctx context.Context, level slog.Level, what string, r Record) {
	if !l.logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("target", r.Target), slog.String("method", r.Method), slog.String("class", r.Class.String()), slog.String("code", string(r.Code)),
		slog.Duration("took", r.Took),
	}
	if what == "attempt" {
		attrs = append(attrs, slog.Int("attempt", r.Attempt), slog.Bool("hedge", r.Hedge))
		if r.Endpoint != "" {
			attrs = append(attrs, slog.String("endpoint", r.Endpoint))
		}
	} else {
		attrs = append(attrs, slog.Int("attempts", r.Attempts))
		if ledger := r.Ledger(); len(ledger.Attempts) > 0 {
			attrs = append(attrs, slog.String("ledger", ledger.String()))
		}
	}
	if r.Err != nil && l.o.Error != nil {
		attrs = append(attrs, slog.String("error", l.o.Error(r.Err)))
	}
	l.say(ctx, level, what, attrs)
}

// Event logs what a policy has decided, or what became of it.
func (l *log) Event(ctx context.Context, e holdfast.Event) {
	level := e.Level
	if l.o.Level != nil {
		if own, ok := l.o.Level(e); ok {
			level = own
		}
	}
	if !l.logger.Enabled(ctx, level) {
		return
	}
	attrs := e.LogValue().Group()
	if e.Err != nil && l.o.Error != nil {
		attrs = append(attrs, slog.String("error", l.o.Error(e.Err)))
	}
	l.say(ctx, level, e.Kind, attrs)
}

// say writes a line, unless the same was said a short while ago.
func (l *log) say(ctx context.Context, level slog.Level, what string, attrs []slog.Attr) {
	var same maphash.Hash
	same.SetSeed(l.seed)
	_, _ = same.WriteString(what)
	for i, a := range attrs {
		attrs[i] = scrub.Attr(a)
		switch a.Key {
		case "target", "method", "endpoint", "reason", "code", "class", "policy", "to":
			_ = same.WriteByte(0)
			_, _ = same.WriteString(attrs[i].Value.String())
		}
	}
	if level > slog.LevelDebug { // who debugs wants all of it
		left, ok := l.due(same.Sum64())
		if !ok {
			return
		}
		if left > 0 {
			attrs = append(attrs, slog.Int("left_out", left))
		}
	}
	l.logger.LogAttrs(ctx, level, "holdfast: "+strings.ReplaceAll(what, "_", " "), attrs...)
}

// due reports whether something is to be said, and how often it was not since the last
// time.
func (l *log) due(what uint64) (left int, ok bool) {
	if l.o.Interval < 0 {
		return 0, true
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.said[what]
	switch {
	case s == nil:
		l.makeRoom(now)
		l.said[what] = &said{at: now}
		return 0, true
	case now.Sub(s.at) < l.o.Interval:
		s.left++
		return 0, false
	}
	left = s.left
	s.at, s.left = now, 0
	return left, true
}

// makeRoom forgets what was said long ago, or when that is not enough all of it: a
// line too many is better than a table without bound. The lock is held.
func (l *log) makeRoom(now time.Time) {
	if len(l.said) < maxRepeats {
		return
	}
	for what, s := range l.said {
		if now.Sub(s.at) >= l.o.Interval {
			delete(l.said, what)
		}
	}
	if len(l.said) >= maxRepeats {
		clear(l.said)
	}
}
