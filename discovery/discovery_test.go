package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
)

// seen is what a Resolver has yielded.
type seen struct {
	sets [][]discovery.Endpoint
	errs []error
}

// last is the addresses of the last set.
func (s *seen) last() string {
	if len(s.sets) == 0 {
		return "-"
	}
	return addrs(s.sets[len(s.sets)-1])
}

func addrs(endpoints []discovery.Endpoint) string {
	var list []string
	for _, e := range endpoints {
		list = append(list, e.Addr)
	}
	return strings.Join(list, " ")
}

// watch iterates in the background, in a bubble; stop ends it and waits.
func watch(t *testing.T, r discovery.Resolver) (s *seen, stop func()) {
	t.Helper()
	s = &seen{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for endpoints, err := range r.Watch(ctx) {
			if err != nil {
				s.errs = append(s.errs, err)
			} else {
				s.sets = append(s.sets, endpoints)
			}
		}
	}()
	synctest.Wait()
	return s, func() { cancel(); <-done }
}

func endpoint(addr string, weight int) discovery.Endpoint {
	return discovery.Endpoint{Addr: addr, Weight: weight}
}

func TestStaticYieldsOnceAndMergesWhatIsThereTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := watch(t, discovery.Static("a", "b", "a"))
		time.Sleep(time.Hour)
		stop()
		if len(s.sets) != 1 || s.last() != "a b" || s.sets[0][0].Weight != 2 || s.sets[0][1].Weight != 0 {
			t.Errorf("%+v", s.sets)
		}
	})
}

var errDown = errors.New("down")

func TestPollYieldsChangesAndErrorsAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks []time.Time
		answers := []any{"a b", "b a", errDown, errDown, "a b", "a c", ""}
		r := discovery.Poll(func(context.Context) ([]discovery.Endpoint, error) {
			i := min(len(looks), len(answers)-1)
			looks = append(looks, time.Now())
			if err, ok := answers[i].(error); ok {
				return nil, err
			}
			var list []discovery.Endpoint
			for addr := range strings.FieldsSeq(answers[i].(string)) {
				list = append(list, endpoint(addr, 0))
			}
			return list, nil
		}, discovery.PollOptions{})
		s, stop := watch(t, r)
		defer stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		var got []string
		for _, set := range s.sets {
			got = append(got, addrs(set))
		}
		if want := []string{"a b", "a c", ""}; !slices.Equal(got, want) || len(s.errs) != 2 {
			t.Errorf("yielded %q and %v, want %q and two errors", got, s.errs, want)
		}
		for i, want := range []time.Duration{30 * time.Second, 30 * time.Second, time.Second, 2 * time.Second, 30 * time.Second} {
			if d := looks[i+1].Sub(looks[i]); d < want*9/10 || d > want*11/10 {
				t.Errorf("look %d came after %v, want %v, a tenth more or less", i+1, d, want)
			}
		}
	})
}

// grpc-go #8154, #6642, #6562: hints within the least time make one lookup at most,
// and nothing is left when the watcher has gone.
func TestRefreshIsCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		r := discovery.Poll(func(context.Context) ([]discovery.Endpoint, error) {
			looks.Add(1)
			return []discovery.Endpoint{endpoint("a", 0)}, nil
		}, discovery.PollOptions{})
		_, stop := watch(t, r)
		refresh := r.(discovery.Refresher).Refresh
		for range 100 {
			refresh()
		}
		synctest.Wait()
		if looks.Load() != 1 {
			t.Errorf("%d looks within the least time", looks.Load())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if looks.Load() != 2 {
			t.Errorf("%d looks after it, want one more", looks.Load())
		}
		time.Sleep(10 * time.Second)
		refresh()
		synctest.Wait()
		if looks.Load() != 3 {
			t.Errorf("%d looks: what is asked after the least time is done at once", looks.Load())
		}
		stop()
	})
}

func TestALookHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovery.Poll(func(ctx context.Context) ([]discovery.Endpoint, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, discovery.PollOptions{Timeout: 3 * time.Second})
		s, stop := watch(t, r)
		defer stop()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(s.errs) != 1 || !errors.Is(s.errs[0], context.DeadlineExceeded) {
			t.Errorf("%v", s.errs)
		}
	})
}

func TestAStaleGenerationReplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(discovery.Source)
		s, stop := watch(t, r)
		defer stop()
		if !r.Publish(5, endpoint("new", 0)) || r.Publish(4, endpoint("old", 0)) {
			t.Error("generation 5 is news, and 4 after it is not")
		}
		synctest.Wait()
		r.Fail(errDown)
		synctest.Wait()
		if !r.Publish(5, endpoint("again", 0)) {
			t.Error("the same generation is taken")
		}
		synctest.Wait()
		if s.last() != "again" || len(s.errs) != 1 {
			t.Errorf("%v %v", s.last(), s.errs)
		}
		late, stopLate := watch(t, r)
		defer stopLate()
		if late.last() != "again" || len(late.errs) != 0 {
			t.Errorf("a second watcher sees %v %v", late.last(), late.errs)
		}
	})
}

func TestDecorators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := new(discovery.Source), new(discovery.Source)
		merged, stop1 := watch(t, discovery.Merge(a, b))
		some, stop3 := watch(t, discovery.Filter(a, func(e discovery.Endpoint) bool { return e.Addr != "a2" }))
		defer stop1()
		defer stop3()
		a.Publish(1, endpoint("a1", 2), endpoint("a2", 0))
		synctest.Wait()
		if merged.last() != "a1 a2" || some.last() != "a1" {
			t.Errorf("%q %q", merged.last(), some.last())
		}
		b.Publish(1, endpoint("b1", 0), endpoint("a1", 3))
		synctest.Wait()
		if merged.last() != "a1 a2 b1" || merged.sets[len(merged.sets)-1][0].Weight != 5 {
			t.Errorf("%v", merged.sets)
		}
		a.Publish(2)
		a.Fail(errDown)
		synctest.Wait()
		if merged.last() != "b1 a1" || some.last() != "" {
			t.Errorf("%q %q", merged.last(), some.last())
		}
		if len(merged.errs) != 1 {
			t.Errorf("errors: %v", merged.errs)
		}
	})
}

func TestDebounceYieldsTheLastOfWhatComesFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(discovery.Source)
		s, stop := watch(t, discovery.Debounce(r, 100*time.Millisecond))
		defer stop()
		time.Sleep(time.Millisecond)
		for i := range 20 {
			r.Publish(uint64(i), endpoint(fmt.Sprint(i), 0))
			synctest.Wait()
			if i == 0 && s.last() != "0" {
				t.Error("the first one has to wait")
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.last() != "19" || len(s.sets) < 3 || len(s.sets) > 4 {
			t.Errorf("%d sets, the last %s", len(s.sets), s.last())
		}
	})
}
