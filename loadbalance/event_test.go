package loadbalance_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// What becomes of a node is told with why, in a word and for people; OnChange is told of nodes
// alone, and Observe of the same in the same order.
func TestWhatBecomesOfANodeIsToldWithWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes, all []holdfast.Event
		var ill, up atomic.Bool
		var mu sync.Mutex
		note := func(to *[]holdfast.Event) func(context.Context, holdfast.Event) {
			return func(_ context.Context, e holdfast.Event) {
				mu.Lock()
				defer mu.Unlock()
				*to = append(*to, e)
			}
		}
		set := loadbalance.New(discovery.Static("a", "b"), loadbalance.RoundRobin, loadbalance.Options{
			OnChange: note(&changes),
			Check: loadbalance.Checks{Interval: time.Second, Probe: func(_ context.Context, e discovery.Endpoint) error {
				if ill.Load() && e.Addr == "b" {
					return errors.New("status 503")
				}
				return nil
			}},
		})
		defer set.Close()
		set.Watch(note(&all))
		w := newWorld(func(_ context.Context, addr string, _ int) holdfast.Result {
			if !up.Load() && addr == "a" {
				return bad
			}
			return good
		})
		h := holdfast.Chain(set)
		calls := func(n int) {
			for range n {
				w.call(t.Context(), h)
			}
			synctest.Wait()
		}
		calls(20)
		time.Sleep(33 * time.Second)
		calls(2) // the probe fails
		up.Store(true)
		time.Sleep(66 * time.Second)
		calls(2)
		ill.Store(true)
		time.Sleep(10 * time.Second)
		ill.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		var got []string
		for _, e := range changes {
			got = append(got, fmt.Sprintf("%v %s %s %s: %s", e.Level, e.Endpoint, e.To, e.Reason, e.Detail))
			if e.Kind != "endpoint" || e.Policy != "balance" || (e.Err != nil) != (e.To == "unhealthy") || (e.To == "ejected") != (e.Wait > 0) {
				t.Errorf("%+v", e)
			}
		}
		want := []string{
			"WARN a ejected consecutive_failures: 5 errors in a row", "INFO a probing due: its time has passed", "WARN a ejected probe: the probe failed",
			"INFO a probing due: its time has passed", "INFO a back probe: the probe succeeded", "WARN b unhealthy check: its check failed", "INFO b healthy check: ",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		all = slices.DeleteFunc(all, func(e holdfast.Event) bool { return e.Kind == "discovery" })
		if !slices.EqualFunc(all, changes, func(a, b holdfast.Event) bool { return a.LogValue().Equal(b.LogValue()) }) {
			t.Errorf("observed %+v, changes %+v", all, changes)
		}
	})
}

// An answer without endpoints, after one that had some, is an error of its own, and is told of with
// how long the set has been stale.
func TestAnEmptyAnswerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		set := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
		defer set.Close()
		var told []holdfast.Event
		set.Watch(func(_ context.Context, e holdfast.Event) { told = append(told, e) })
		source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		source.Publish(2, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		source.Publish(3)
		synctest.Wait()
		time.Sleep(7400 * time.Millisecond)
		source.Publish(4)
		synctest.Wait()
		if len(told) != 4 {
			t.Fatalf("%+v", told)
		}
		for i, want := range [][]slog.Attr{
			{slog.Int("endpoints", 2), slog.Int("added", 2), slog.Int("removed", 0)},
			{slog.Int("endpoints", 1), slog.Int("added", 0), slog.Int("removed", 1)},
			{slog.Int("endpoints", 1), slog.Duration("stale", 0)},
			{slog.Int("endpoints", 1), slog.Duration("stale", 7*time.Second)},
		} {
			e := told[i]
			if e.Kind != "discovery" || e.Policy != "balance" || e.Target != "source" || !slices.EqualFunc(e.Attrs, want, slog.Attr.Equal) {
				t.Errorf("%+v, want %v", e, want)
			}
			if bad := i > 1; bad != (e.Err != nil) || bad != (e.Reason == "empty") || bad != (e.Level == slog.LevelWarn) || e.Err != nil && e.Detail != e.Err.Error() {
				t.Errorf("%d: %+v", i, e)
			}
		}
	})
}

// What a resolver or a check says of its error is told without credentials.
func TestADetailHoldsNoCredentials(t *testing.T) {
	secret := errors.New(`Get "http://me:hunter2@consul/v1?token=s3cret": refused`)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var details []string
		hear := func(_ context.Context, e holdfast.Event) {
			mu.Lock()
			defer mu.Unlock()
			details = append(details, e.Detail)
		}
		source := discovery.Poll(func(context.Context) ([]discovery.Endpoint, error) { return nil, secret }, discovery.PollOptions{})
		s := loadbalance.New(source, nil, loadbalance.Options{})
		defer s.Close()
		defer s.Watch(hear)()
		p := loadbalance.NewPool(nil, loadbalance.Options{OnChange: hear, Check: loadbalance.Checks{Probe: func(context.Context, discovery.Endpoint) error { return secret }}})
		defer p.Close()
		p.Update([]discovery.Endpoint{{Addr: "a"}})
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(details) < 2 {
			t.Errorf("told %q", details)
		}
		for _, d := range details {
			if strings.Contains(d, "hunter2") || strings.Contains(d, "s3cret") {
				t.Errorf("told %q", d)
			}
		}
	})
}
