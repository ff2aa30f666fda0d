package observe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/internal/scrub"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/observe"
	"github.com/holdfast-go/holdfast/retry"
)

func logged(level slog.Level, o observe.LogOptions) (observe.Observer, *bytes.Buffer) {
	var b bytes.Buffer
	return observe.NewLog(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level})), o), &b
}

// An event is said at its level, and with all that it has to say.
func TestEventsAreSaidAtTheirLevels(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		e := holdfast.Event{
			Kind: "retry_stopped", Level: level, Policy: "retry", Target: "users:80", Method: "GET", Endpoint: "10.0.0.1:80", Attempt: 2,
			Class: holdfast.Failure, Code: "503", From: "closed", To: "open", Reason: "budget", Detail: "budget empty", Wait: time.Second, Err: errDown,
			Attrs: []slog.Attr{slog.Int("endpoints", 3), slog.String("url", "http://me:sesame@users.test/")},
		}
		log, b := logged(level, observe.LogOptions{})
		log.Event(t.Context(), e)
		want := "level=" + level.String() + ` msg="holdfast: retry stopped" policy=retry target=users:80 method=GET endpoint=10.0.0.1:80 attempt=2 class=failure ` +
			`code=503 from=closed to=open reason=budget detail="budget empty" wait=1s endpoints=3 url=http://users.test/` + "\n"
		if !strings.HasSuffix(b.String(), want) {
			t.Errorf("%s, want %s", b, want)
		}
		if e.Attrs[1].Value.String() != "http://me:sesame@users.test/" {
			t.Error("the event was changed")
		}
		log, b = logged(level+1, observe.LogOptions{})
		if log.Event(t.Context(), e); b.Len() > 0 {
			t.Errorf("it is said although nobody wants it: %q", b)
		}
	}
	log, b := logged(slog.LevelError, observe.LogOptions{Level: func(holdfast.Event) (slog.Level, bool) { return slog.LevelError, true }})
	if log.Event(t.Context(), holdfast.Event{}); b.Len() == 0 {
		t.Error("one's own level counts for nothing")
	}
}

// badly is a Resolver, and a check, whose errors have a text that no log should have.
type badly struct{}

func (badly) Error() string { return `Get "http://me:sesame@registry.test/": refused; password=sesame` }
func (b badly) Watch(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		if yield([]discovery.Endpoint{{Addr: "a"}}, nil) && yield(nil, b) {
			<-ctx.Done()
		}
	}
}

// The text of an error is in no event, and in the log where it is asked for.
func TestErrorsOfEventsAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, b := logged(slog.LevelDebug, observe.LogOptions{})
		with, asked := logged(slog.LevelDebug, observe.LogOptions{Error: func(error) string { return "as I say" }})
		var plain bytes.Buffer
		set := loadbalance.New(badly{}, nil, loadbalance.Options{Check: loadbalance.Checks{Probe: func(context.Context, discovery.Endpoint) error { return badly{} }}})
		set.Watch(func(_ context.Context, e holdfast.Event) {
			slog.New(slog.NewTextHandler(&plain, nil)).Info("x", "event", e)
		})
		observe.Watch(log, observe.Watch(with, set)...)
		synctest.Wait()
		set.Close()
		for name, out := range map[string]*bytes.Buffer{"the log": b, "slog": &plain} {
			if got := out.String(); strings.Contains(got, "sesame") || !strings.Contains(got, "its check failed") || !strings.Contains(got, "the resolver returned an error") {
				t.Errorf("%s: %s", name, got)
			}
		}
		if n := strings.Count(asked.String(), `error="as I say"`); n != 2 {
			t.Errorf("%d errors are said: %s", n, asked)
		}
	})
}

// What repeats is said once in ten seconds, and then how often it was.
func TestRepeatsAreSaidNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, b := logged(slog.LevelInfo, observe.LogOptions{})
		lines := func() int { defer b.Reset(); return strings.Count(b.String(), "\n") }
		for range 100 {
			log.Event(t.Context(), rejection("breaker", "a", "open"))
		}
		if n := lines(); n != 1 {
			t.Errorf("%d lines", n)
		}
		log.Event(t.Context(), rejection("breaker", "b", "open"))
		if n := lines(); n != 1 {
			t.Errorf("of another target: %d lines", n)
		}
		time.Sleep(11 * time.Second)
		log.Event(t.Context(), rejection("breaker", "a", "open"))
		if text := b.String(); !strings.Contains(text, "left_out=99") {
			t.Errorf("%q", text)
		}
		b.Reset()
		for i := range 5000 { // the table is bounded, and nothing is lost by it
			log.Event(t.Context(), rejection("breaker", fmt.Sprint("t", i), "open"))
		}
		if n := lines(); n != 5000 {
			t.Errorf("of 5,000 targets: %d lines", n)
		}
		if n := observe.Said(log); n > 1024 {
			t.Errorf("%d things are remembered", n)
		}
		all, b := logged(slog.LevelInfo, observe.LogOptions{Interval: -1})
		for range 3 {
			all.Event(t.Context(), rejection("", "", ""))
		}
		if n := strings.Count(b.String(), "\n"); n != 3 {
			t.Errorf("with no bound: %d lines", n)
		}
	})
}

// T89: no credentials and no query of a URL come into a log, wherever they are.
func TestT89_NoSecretsInTheLog(t *testing.T) {
	log, b := logged(slog.LevelDebug, observe.LogOptions{Interval: -1, Error: func(err error) string { return err.Error() }})
	err := &url.Error{Op: "Get", URL: "https://me:sesame@users.test/path?token=sesame#sesame", Err: errDown}
	r := observe.Record{Target: "me:sesame@users.test:80", Method: "GET", Endpoint: "me:sesame@10.0.0.1:80", Class: holdfast.Failure, Code: "503", Err: err}
	log.Call(t.Context(), r)
	log.Attempt(t.Context(), r)
	log.Event(t.Context(), holdfast.Event{Kind: "retry", Target: "http://me:sesame@users.test/?token=sesame", Err: err})
	log.Event(t.Context(), holdfast.Event{Kind: "discovery", Target: "https://me:sesame@registry.test/v1?token=sesame", Detail: fmt.Sprintf("list: %v", err), Err: err})
	log.Event(t.Context(), holdfast.Event{Kind: "rejection", Target: "me:sesame?x@host", Err: err})
	if strings.Contains(b.String(), "sesame") {
		t.Errorf("%s", b)
	}
	for _, part := range []string{"users.test:80", "10.0.0.1:80", "registry.test/v1", "code=503"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%q is missing in\n%s", part, b)
		}
	}
	log.Event(t.Context(), owned(slog.Any("error", err), slog.Group("more", slog.Any("url", &url.URL{Scheme: "http", Host: "users.test", RawQuery: "sesame"}), slog.Any("body", []byte("see http://me:sesame@users.test/"))), slog.Int("n", 7)))
	attempts := &holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: "503"}}}
	set := loadbalance.New(discovery.Static("me:sesame@10.0.0.2:80"), nil, loadbalance.Options{})
	defer set.Close()
	attempts.Do(t.Context(), holdfast.Chain(observe.Watch(log, retry.New(retry.Options{MaxAttempts: 2, InitialInterval: -1}), set)...), holdfast.Call{Target: "t", Repeatable: true})
	if strings.Contains(b.String(), "sesame") || !strings.Contains(b.String(), "@10.0.0.2:80") || !strings.Contains(b.String(), "n=7") {
		t.Errorf("%s", b)
	}
	b.Reset()
	for range 5 {
		log.Event(t.Context(), owned(slog.String("a", "b")))
	}
	if strings.Count(b.String(), "\n") != 5 {
		t.Errorf("%s", b)
	}
	quiet, b := logged(slog.LevelDebug, observe.LogOptions{})
	if quiet.Call(t.Context(), r); strings.Contains(b.String(), "down") {
		t.Errorf("an error's text is said, unasked: %s", b)
	}
}

// T89: a text may hold several URLs, quoted or not, with marks within them.
func TestT89_NoSecretsInText(t *testing.T) {
	for text, want := range map[string]string{
		`Get "https://users.test/a?token=sesame": EOF`:               `Get "https://users.test/a": EOF`,
		`Get "https://users.test/a?token=open sesame": EOF`:          `Get "https://users.test/a": EOF`,
		`Get "https://users.test/a?token=\"open sesame\"": EOF`:      `Get "https://users.test/a\"": EOF`,
		`see https://users.test/a?name='sesame', or ask`:             `see https://users.test/a', or ask`,
		`(http://me:sesame@users.test/) and <http://b.test/?sesame>`: `(http://users.test/) and <http://b.test/>`,
		`http://me:se"same@users.test/a.`:                            `http://users.test/a.`,
		`http://me:x/sesame?y@users.test failed`:                     `http://redacted failed`,
		`http://users.test:80/a?mail=sesame@users.test failed`:       `http://users.test:80/a failed`,
		`http://[::1]:80/a?mail=sesame@users.test failed`:            `http://[::1]:80/a failed`,
		`dns:///users.test:80, and no more`:                          `dns:///users.test:80, and no more`,
		`"http://a.test/?token=\`:                                    `"http://a.test/\`,
		`//me:sesame@users.test/a?sesame`:                            `//users.test/a`,
		`none`:                                                       `none`,
	} {
		if left := scrub.Text(text); left != want || strings.Contains(left, "sesame") {
			t.Errorf("%s leaves\n%s, want\n%s", text, left, want)
		}
	}
}

func TestCallsThatFailAreWarnings(t *testing.T) {
	log, b := logged(slog.LevelInfo, observe.LogOptions{})
	log.Call(t.Context(), observe.Record{Class: holdfast.Success})
	log.Call(t.Context(), observe.Record{Class: holdfast.Ignored, Code: "cancelled"})
	if b.Len() > 0 {
		t.Errorf("%s", b)
	}
	log.Call(t.Context(), observe.Record{Class: holdfast.Failure, Code: "503", Attempts: 3})
	if text := b.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "attempts=3") || !strings.Contains(text, "code=503") {
		t.Errorf("%s", text)
	}
}

// FuzzScrub: what a URL hides is not in what is left of it.
func FuzzScrub(f *testing.F) {
	f.Add("https", "users.test", "/a", "sesame")
	f.Add("http", "[::1]:80", "", "s@s?s/s")
	f.Add("A", "0\"", "/00", "0") // no one has such a host, but a URL may
	f.Fuzz(func(t *testing.T, scheme, host, path, secret string) {
		secret = "hush" + url.QueryEscape(secret) + "hush"
		u := url.URL{Scheme: scheme, Host: host, Path: path, User: url.UserPassword("me", secret), RawQuery: "token=" + secret}
		again, err := url.Parse(u.String())
		if err != nil || again.User == nil || strings.Contains(host+path+scheme, "hush") {
			return // no URL
		}
		if left := scrub.Name(u.String()); strings.Contains(left, "hush") {
			t.Errorf("%q leaves %q", u.String(), left)
		}
		log, b := logged(slog.LevelDebug, observe.LogOptions{Error: func(err error) string { return err.Error() }})
		log.Call(context.Background(), observe.Record{Target: u.String(), Err: errors.New("asked " + u.String() + " in vain")})
		if strings.Contains(b.String(), "hush") {
			t.Errorf("%q: %s", u.String(), b)
		}
	})
}

// owned is an event of a user's own.
func owned(attrs ...slog.Attr) holdfast.Event { return holdfast.Event{Kind: "owned", Attrs: attrs} }

func rejection(policy, target, reason string) holdfast.Event {
	return holdfast.Event{Kind: "rejection", Level: slog.LevelWarn, Policy: policy, Target: target, Reason: reason}
}

// What is remembered as said takes as little memory for a long name as for a short one.
func TestALogKeepsNoNames(t *testing.T) {
	noisy := observe.NewLog(slog.New(slog.NewTextHandler(io.Discard, nil)), observe.LogOptions{})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, long := heap(), strings.Repeat("x", 64<<10)
	for i := range 1000 {
		noisy.Event(t.Context(), rejection("breaker", fmt.Sprint(long, i), "open"))
	}
	if after := heap(); after > before+4<<20 {
		t.Errorf("%d KiB are kept", (after-before)>>10)
	}
	if n := observe.Said(noisy); n != 1000 {
		t.Errorf("%d things are remembered, want 1000", n)
	}
}
