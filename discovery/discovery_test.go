package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
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
		kept, stop2 := watch(t, discovery.KeepLast(a))
		some, stop3 := watch(t, discovery.Filter(a, func(e discovery.Endpoint) bool { return e.Addr != "a2" }))
		defer stop1()
		defer stop2()
		defer stop3()
		a.Publish(1, endpoint("a1", 2), endpoint("a2", 0))
		synctest.Wait()
		if merged.last() != "a1 a2" || kept.last() != "a1 a2" || some.last() != "a1" {
			t.Errorf("%q %q %q", merged.last(), kept.last(), some.last())
		}
		b.Publish(1, endpoint("b1", 0), endpoint("a1", 3))
		synctest.Wait()
		if merged.last() != "a1 a2 b1" || merged.sets[len(merged.sets)-1][0].Weight != 5 {
			t.Errorf("%v", merged.sets)
		}
		a.Publish(2)
		a.Fail(errDown)
		synctest.Wait()
		if merged.last() != "b1 a1" || kept.last() != "a1 a2" || some.last() != "" {
			t.Errorf("%q %q %q", merged.last(), kept.last(), some.last())
		}
		if len(kept.errs) != 1 && len(kept.errs) != 2 || len(merged.errs) != 1 {
			t.Errorf("errors: %v, %v", kept.errs, merged.errs)
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

func many(n int) (list []discovery.Endpoint) {
	for i := range n {
		list = append(list, endpoint(fmt.Sprintf("10.0.%d.%d:80", i/256, i%256), 0))
	}
	return list
}

// set returns the first set that a resolver yields.
func set(t *testing.T, r discovery.Resolver) []discovery.Endpoint {
	t.Helper()
	for endpoints, err := range r.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		return endpoints
	}
	return nil
}

// grpc-go #6370, proposal #383: a client opens k connections at most, and one change
// of the servers changes at most one of them.
func TestSubsetChangesByOne(t *testing.T) {
	all := many(100)
	for seed := range uint64(20) {
		before := set(t, discovery.Subset(discovery.Endpoints(all...), 10, seed))
		if len(before) != 10 {
			t.Fatalf("%d of 10", len(before))
		}
		for i := range all {
			after := set(t, discovery.Subset(discovery.Endpoints(slices.Delete(slices.Clone(all), i, i+1)...), 10, seed))
			gone := 0
			for _, e := range before {
				if !slices.ContainsFunc(after, e.Equal) {
					gone++
				}
			}
			if gone > 1 {
				t.Fatalf("without %d, %d of the subset are others", i, gone)
			}
		}
	}
}

// E21: with balanced subsets each server has as many clients as any other.
func TestBalancedSubsetsAreBalanced(t *testing.T) {
	for _, c := range []struct{ servers, clients, k int }{{300, 300, 30}, {100, 77, 20}, {10, 1000, 3}, {7, 50, 5}} {
		load := map[string]int{}
		for i := range c.clients {
			subset := set(t, discovery.BalancedSubset(discovery.Endpoints(many(c.servers)...), c.k, i))
			distinct := map[string]bool{}
			for _, e := range subset {
				load[e.Addr]++
				distinct[e.Addr] = true
			}
			if len(subset) != c.k || len(distinct) != c.k {
				t.Fatalf("client %d has %d endpoints, %d of them distinct, want %d", i, len(subset), len(distinct), c.k)
			}
		}
		mean := float64(c.clients*c.k) / float64(c.servers)
		variance := 0.0
		for _, e := range many(c.servers) {
			variance += math.Pow(float64(load[e.Addr])-mean, 2) / float64(c.servers)
		}
		if sd := math.Sqrt(variance); sd > 1 {
			t.Errorf("%+v: %.1f clients for each server, standard deviation %.2f, want at most 1", c, mean, sd)
		}
	}
}

func TestFileIsReadInBothForms(t *testing.T) {
	want := []discovery.Endpoint{
		{Addr: "10.0.0.1:8080"}, {Addr: "10.0.0.2:8080", Weight: 3, Zone: "eu-1a", Priority: 1, Key: "b"},
	}
	withMeta := slices.Clone(want)
	withMeta[1].Metadata = map[string]string{"rack": "7"}
	for text, want := range map[string][]discovery.Endpoint{
		"# all\n10.0.0.1:8080\n\n 10.0.0.2:8080 weight=3 zone=eu-1a\tpriority=1 key=b # big\n":                                             want,
		`["10.0.0.1:8080", {"addr": "10.0.0.2:8080", "weight": 3, "zone": "eu-1a", "priority": 1, "key": "b", "metadata": {"rack": "7"}}]`: withMeta,
		`{"endpoints": [{"addr": "10.0.0.1:8080"}, {"addr": "10.0.0.2:8080", "weight": 3, "zone": "eu-1a", "priority": 1, "key": "b"}]}`:   want,
		"": {},
	} {
		path := filepath.Join(t.TempDir(), "endpoints")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := set(t, discovery.File(path, 0)); !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"a:1\nb:2 weight=many":           "line 2: weight: \"many\" is no number",
		"a:1 wait=3":                     `line 1: "wait" is no field: use weight`,
		"a:1 weight":                     "write name=value",
		"a:1 priority=-1":                "line 1: priority: -1 is below 0",
		`[{"addr": ""}]`:                 "[0].addr: it must be there",
		`[{"adr": "a:1"}]`:               `unknown field "adr"`,
		`{"endpoint": []}`:               `unknown field "endpoint"`,
		`[`:                              "unexpected end",
		`[{"addr": "a", "weight": "3"}]`: "weight",
	} {
		path := filepath.Join(t.TempDir(), "endpoints")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, err := range discovery.File(path, 0).Watch(t.Context()) {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%q: %v, want %q", text, err, want)
			}
			break
		}
	}
}

func TestAFileThatIsReplacedIsReadAgain(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "endpoints")
	synctest.Test(t, func(t *testing.T) {
		n := 0
		put := func(text string) { // as kubernetes does
			n++
			file := fmt.Sprintf("%s.%d", path, n)
			for _, err := range []error{os.WriteFile(file, []byte(text), 0o600), os.Symlink(file, path+".new"), os.Rename(path+".new", path)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		s, stop := watch(t, discovery.File(path, time.Second))
		defer stop()
		put("a:1\nb:1")
		put("a:1\nb:1 weight=x")
		put("c:1")
		if len(s.sets) != 2 || s.last() != "c:1" || len(s.errs) < 2 {
			t.Errorf("%v %v", s.sets, s.errs)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add("a:1 weight=3 zone=x")
	f.Add(`[{"addr": "a:1"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "endpoints")
		if os.WriteFile(path, []byte(text), 0o600) != nil {
			t.Skip()
		}
		for endpoints := range discovery.File(path, 0).Watch(t.Context()) {
			for _, e := range endpoints {
				if e.Addr == "" || e.Priority < 0 {
					t.Errorf("%q yields %+v", text, e)
				}
			}
			break
		}
	})
}
