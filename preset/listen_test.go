package preset_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/observe"
	"github.com/holdfast-go/holdfast/preset"
)

// A hearer notes of which resolver it is told.
type hearer struct{ told []string }

func (h *hearer) Call(context.Context, observe.Record)    {}
func (h *hearer) Attempt(context.Context, observe.Record) {}
func (h *hearer) Event(_ context.Context, e holdfast.Event) {
	if e.Kind == "discovery" || e.Kind == "circuit" {
		h.told = append(h.told, e.Kind+" "+e.Target)
	}
}

// named is a Source with a name.
type named struct {
	*discovery.Source
	name string
}

func (n named) String() string { return n.name }

// Who observes a Stack hears the balancer that an Update brings, once, and until it goes; and the
// circuits all along.
func TestWhoListensHearsWhatUpdateBrings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sources, sets := map[string]named{}, map[string]*loadbalance.Set{}
		for _, name := range []string{"first", "second"} {
			sources[name] = named{new(discovery.Source), name}
			sets[name] = loadbalance.New(sources[name], nil, loadbalance.Options{})
			defer sets[name].Close()
		}
		c := preset.Standard()
		c.Inner = []holdfast.Policy{sets["first"]}
		s, err := preset.NewStack(c)
		if err != nil {
			t.Fatal(err)
		}
		h := new(hearer)
		_ = observe.Watch(h, s)
		generation := uint64(0)
		for i, step := range []struct {
			inner []holdfast.Policy
			want  string
		}{
			{[]holdfast.Policy{sets["first"]}, "[discovery first circuit t]"},
			{[]holdfast.Policy{sets["first"], sets["second"]}, "[discovery first discovery second circuit t]"},
			{[]holdfast.Policy{sets["second"]}, "[discovery first discovery second circuit t]"}, // who looked inside still hears the first
			{[]holdfast.Policy{sets["second"], sets["second"]}, "[discovery first discovery second circuit t]"},
			{nil, "[discovery first circuit t]"},
			{[]holdfast.Policy{sets["second"]}, "[discovery first discovery second circuit t]"},
		} {
			c.Inner = step.inner
			if _, err := s.Update(c); err != nil {
				t.Fatal(err)
			}
			h.told = nil
			generation++
			for _, name := range []string{"first", "second"} {
				sources[name].Publish(generation, discovery.Endpoint{Addr: fmt.Sprint("a:", i)})
				synctest.Wait()
			}
			if i%2 == 0 {
				s.Breaker().Isolate("t")
			} else {
				s.Breaker().Reset("t")
			}
			if got := fmt.Sprint(h.told); got != step.want {
				t.Errorf("step %d: told %v, want %v", i, got, step.want)
			}
		}
	})
}

// After stop nobody is told, of what has come and of what will.
func TestStopEndsTheListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := preset.NewStack(preset.Standard())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		stop := s.Watch(func(context.Context, holdfast.Event) { n++ })
		source := new(discovery.Source)
		set := loadbalance.New(source, nil, loadbalance.Options{})
		defer set.Close()
		c := preset.Standard()
		c.Inner = []holdfast.Policy{set}
		if _, err := s.Update(c); err != nil {
			t.Fatal(err)
		}
		source.Publish(1, discovery.Endpoint{Addr: "a:1"})
		synctest.Wait()
		heard := n
		stop()
		stop()
		source.Publish(2, discovery.Endpoint{Addr: "b:1"})
		synctest.Wait()
		if _, err := s.Update(c); err != nil {
			t.Fatal(err)
		}
		source.Publish(3, discovery.Endpoint{Addr: "c:1"})
		synctest.Wait()
		if heard == 0 || n != heard {
			t.Errorf("told %d times before, %d after", heard, n)
		}
	})
}
