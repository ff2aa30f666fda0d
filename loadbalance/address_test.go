package loadbalance_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// An address that would be a line of its own in a protocol or a log is no endpoint, whatever
// Resolver finds it; the others are.
func TestAnAddressWithControlCharactersIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		set := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
		defer set.Close()
		var told []holdfast.Event
		set.Watch(func(_ context.Context, e holdfast.Event) { told = append(told, e) })
		source.Publish(1, discovery.Endpoint{Addr: "a:1\r\nX-Injected: 1"}, discovery.Endpoint{Addr: "b:1"}, discovery.Endpoint{Addr: "c:1\x00"}, discovery.Endpoint{})
		synctest.Wait()
		source.Publish(2, discovery.Endpoint{Addr: "a\tb:1"})
		synctest.Wait()
		if len(told) != 2 {
			t.Fatalf("%+v", told)
		}
		some, none := told[0], told[1]
		if some.Level != slog.LevelWarn || some.Err != nil || !strings.Contains(some.Detail, "it must be there") || fmt.Sprint(some.Attrs) != "[endpoints=1 added=1 removed=0 refused=3]" {
			t.Errorf("%+v", some)
		}
		if none.Err == nil || none.Reason != "empty" || !strings.Contains(fmt.Sprint(none.Attrs), "refused=1") {
			t.Errorf("%+v", none)
		}
		pool := loadbalance.NewPool(loadbalance.RoundRobin, loadbalance.Options{})
		defer pool.Close()
		pool.Update([]discovery.Endpoint{{Addr: "a:1\n"}, {Addr: "b:1"}})
		for name, p := range map[string]*loadbalance.Pool{"the Set": set.Pool, "a Pool": pool} {
			var addrs []string
			p.Each(func(s loadbalance.Stats) bool { addrs = append(addrs, s.Addr); return true })
			if fmt.Sprint(addrs) != "[b:1]" {
				t.Errorf("%s has %q", name, addrs)
			}
		}
	})
}
