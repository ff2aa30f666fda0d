package loadbalance_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// grpc-go #1663: while every connection is healthy, a server that is added has its
// calls within one interval of looking.
func TestAServerThatIsAddedHasCallsWithinAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		names := func(context.Context) ([]discovery.Endpoint, error) {
			if time.Since(start) < time.Minute {
				return []discovery.Endpoint{{Addr: "a"}, {Addr: "b"}}, nil
			}
			return []discovery.Endpoint{{Addr: "a"}, {Addr: "b"}, {Addr: "c"}}, nil
		}
		s := loadbalance.New(discovery.Poll(names, discovery.PollOptions{}), loadbalance.RoundRobin)
		defer s.Close()
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, time.Millisecond) })
		w.drive(holdfast.Chain(s), 20, time.Minute+33*time.Second) // 30 s, a tenth more or less
		if w.got["c"] == 0 {
			t.Error("it has none")
		}
	})
}
