package loadbalance_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

func told(p holdfast.Measured) map[string]float64 {
	values := map[string]float64{}
	for f := range p.Figures {
		values[f.Name+" "+f.Labels["set"]+" "+f.Labels["health"]+f.Labels["endpoint"]] = f.Value
	}
	return values
}

func want(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if g, there := got[name]; !there || g != v {
			t.Errorf("%s is %v (there: %v), want %v", name, g, there, v)
		}
	}
}

// A Set tells of its endpoints, and how old what discovery said is.
func TestASetIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
		defer s.Close()
		synctest.Wait()
		time.Sleep(time.Second)
		want(t, told(s), map[string]float64{"discovery_age_seconds source ": 1, "discovery_stale_seconds source ": 0, "discovery_endpoints source ": 0})
		source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b", Weight: -1})
		synctest.Wait()
		if picked, ok := s.Pick(loadbalance.PickInfo{}); ok {
			picked.Done(holdfast.Success)
		}
		time.Sleep(2 * time.Second)
		source.Fail(errors.New("down"))
		synctest.Wait()
		time.Sleep(3 * time.Second)
		got := told(s)
		want(t, got, map[string]float64{
			"endpoints source ready": 1, "endpoints source drained": 1, "endpoints source ejected": 0, "endpoints source probing": 0,
			"endpoints source unhealthy": 0, "endpoints source unready": 0, "endpoint_picks_total source a": 1, "endpoint_picks_total source b": 0, "panic_picks_total source ": 0,
			"discovery_age_seconds source ": 5, "discovery_stale_seconds source ": 3, "discovery_endpoints source ": 2,
		})
		if len(got) != 12 {
			t.Errorf("%v", got)
		}
		kinds := map[string]holdfast.FigureKind{"endpoint_picks_total": holdfast.Counter, "panic_picks_total": holdfast.Counter, "discovery_age_seconds": holdfast.Most, "discovery_stale_seconds": holdfast.Most}
		for f := range s.Figures {
			if f.Kind != kinds[f.Name] {
				t.Errorf("%+v", f)
			}
		}
		want(t, told(s.Pool), map[string]float64{"endpoints pool ready": 1, "endpoint_picks_total pool a": 1})
		if len(told((*loadbalance.Set)(nil))) != 0 {
			t.Error("nobody has endpoints")
		}
	})
}

// Discovery that has never had an endpoint is stale from the beginning, once it has said so.
func TestDiscoveryThatNeverHadAnEndpointIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, say := range map[string]func(*discovery.Source){
			"an error":     func(s *discovery.Source) { s.Fail(errors.New("down")) },
			"no endpoints": func(s *discovery.Source) { s.Publish(1) },
		} {
			source := new(discovery.Source)
			s := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
			time.Sleep(time.Second)
			say(source)
			synctest.Wait()
			time.Sleep(time.Second)
			if got := told(s)["discovery_stale_seconds source "]; got != 2 {
				t.Errorf("%s: %v s", name, got)
			}
			source.Publish(2, discovery.Endpoint{Addr: "a"})
			synctest.Wait()
			time.Sleep(time.Second)
			if got := told(s)["discovery_stale_seconds source "]; got != 0 {
				t.Errorf("%s, and then one: %v s", name, got)
			}
			s.Close()
		}
	})
}

// Whoever has seen enough is told no more.
func TestEndpointsAreToldUntilSomebodyHasSeenEnough(t *testing.T) {
	in(t, 3, loadbalance.RoundRobin, loadbalance.Options{}, func(t *testing.T, s *loadbalance.Set, _ holdfast.Handler) {
		for p, all := range map[holdfast.Measured]int{s: 13, s.Pool: 10} {
			for enough := 1; enough <= all; enough++ {
				n := 0
				p.Figures(func(holdfast.Figure) bool { n++; return n < enough })
				if n != enough {
					t.Errorf("%T: %d figures were told, and %d were enough", p, n, enough)
				}
			}
		}
	})
}
