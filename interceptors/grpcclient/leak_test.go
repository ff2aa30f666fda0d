package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/timeout"
)

// T88: whatever callers and servers do to streams, at random and all at once, each stream ends once
// for its caller and for the policies, the server is left by all, and no goroutine, place or
// connection is.
func TestT88_StreamsUnderStress(t *testing.T) {
	var serving atomic.Int64
	s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
		serving.Add(1)
		defer serving.Add(-1)
		switch n % 7 {
		case 0:
			return unavailable
		case 1:
			_ = ss.SendHeader(metadata.Pairs("k", "v"))
			return unavailable
		case 2:
			_ = ss.SendHeader(metadata.Pairs("k", "v"))
			<-ss.Context().Done()
			return ss.Context().Err()
		case 3:
			<-ss.Context().Done()
			return ss.Context().Err()
		case 4:
			return sends(unavailable, "a")(n, "", ss)
		case 5:
			return nil
		}
		return sends(nil, "a", "b", "c")(n, "", ss)
	}}
	places := limit.NewInFlight(limit.InFlightOptions{Max: 10_000})
	p := &counting{}
	cc, stop := s.dialTCP(t, through(all, places, timeout.New(timeout.Options{Limit: time.Minute}), again(3), p, timeout.New(timeout.Options{Limit: 20 * time.Millisecond}))...)
	defer stop()
	for _, method := range methods { // it is connected
		ctx, cancel := context.WithCancel(t.Context())
		_, _ = cc.NewStream(ctx, chatDesc, method)
		cancel()
	}
	before := runtime.NumGoroutine()
	var finished, begun atomic.Int64
	var wg sync.WaitGroup
	for g := range 16 {
		r := rand.New(rand.NewPCG(1, uint64(g)))
		wg.Go(func() {
			for range 60 {
				ctx, cancel := context.WithCancel(t.Context())
				begun.Add(1)
				stream := asks(t, ctx, cc, methods[r.IntN(2)], grpc.OnFinish(func(error) { finished.Add(1) }))
				var own sync.WaitGroup
				for _, do := range r.Perm(5)[:1+r.IntN(5)] {
					wait := time.Duration(r.IntN(3000)) * time.Microsecond
					own.Go(func() {
						<-time.After(wait)
						switch do {
						case 0:
							_, _ = read(stream)
						case 1:
							_, _ = stream.Header()
						case 2:
							_ = stream.CloseSend()
						case 3:
							_ = stream.Context().Err()
						case 4:
							cancel()
						}
					})
				}
				if r.IntN(2) == 0 {
					<-time.After(time.Duration(r.IntN(40)) * time.Millisecond)
				}
				cancel()
				own.Wait()
			}
		})
	}
	wg.Wait()
	eventually(t, "all is let go of", func() bool {
		return finished.Load() == begun.Load() && p.results.Load() == p.ends.Load() && serving.Load() == 0 && inFlight(places) == 0 && runtime.NumGoroutine() <= before+5
	})
	if finished.Load() != begun.Load() || p.results.Load() != p.ends.Load() {
		t.Errorf("%d of %d finished; %d results and %d ends", finished.Load(), begun.Load(), p.results.Load(), p.ends.Load())
	}
}

// A counting policy counts Results and their ends.
type counting struct{ results, ends atomic.Int64 }

func (c *counting) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := next(ctx, call)
		c.results.Add(1)
		res.OnDone(c, 0)
		return res
	}
}

func (c *counting) Done(uint64, holdfast.End) { c.ends.Add(1) }

// A callback that panics when a stream has ended frees what the stream holds all the same, and the
// panic is the reader's.
func TestAPanicOfACallbackAtTheEndOfAStream(t *testing.T) {
	for name, w := range map[string]grpcclient.Wrapper{
		"Classify":    {Classify: func(string, *status.Status) (holdfast.Verdict, bool) { panic("mine") }},
		"TrustOrigin": {TrustOrigin: func(string) bool { panic("mine") }},
	} {
		bubble(t, func(t *testing.T) {
			s := &service{list: func(_ int, _ string, ss grpc.ServerStream) error {
				ss.SetTrailer(metadata.Pairs("holdfast-origin", "billing"))
				return sends(unavailable, "a")(1, "", ss)
			}}
			p := &probe{}
			cc, stop := s.dial(t, through(w, limit.NewInFlight(limit.InFlightOptions{Max: 1}), p)...)
			defer stop()
			for range 2 { // the second one finds the only place
				func() {
					stream := asks(t, t.Context(), cc, list)
					if err := stream.RecvMsg(new(message)); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					defer func() {
						if got := recover(); got != "mine" {
							t.Errorf("%s: recovered %v", name, got)
						}
					}()
					_ = stream.RecvMsg(new(message))
				}()
			}
			for _, end := range p.over(t, 2) {
				if end.Code != holdfast.CodePanic {
					t.Errorf("%s: %+v", name, end)
				}
			}
		})
	}
}

// A stream that is begun within another call, and outlives it, shares nothing with it that is not
// safe: the outer call ends while the inner one is on its way.
func TestAStreamOutlivesTheCallThatItWasBegunWithin(t *testing.T) {
	s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
		if n%2 == 0 {
			return unavailable
		}
		return sends(nil, "a")(n, "", ss)
	}}
	places := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: 10 * time.Second})
	cc, stop := s.dial(t, through(all, places, again(3))...)
	defer stop()
	for i := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		outer := holdfast.Chain(places, again(2))
		stream, err := holdfast.Do(ctx, outer, holdfast.Call{Target: cc.Target(), Method: "outer", Repeatable: true}, func(ctx context.Context) (grpc.ClientStream, error) {
			inner, err := cc.NewStream(context.WithoutCancel(ctx), listDesc, list)
			if err == nil {
				err = errors.Join(inner.SendMsg(say("x")), inner.CloseSend())
			}
			return inner, err
		})
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if got, err := read(stream); len(got) != 1 || err != io.EOF {
			if status.Code(err) != codes.Unavailable {
				t.Fatalf("%d: %q, %v", i, got, err)
			}
		}
		cancel()
	}
	eventually(t, "the place is free", func() bool { return inFlight(places) == 0 })
}

// A request is kept until it is not sent again, and not for as long as its stream lasts.
func TestTheRequestIsLetGoOf(t *testing.T) {
	s := &service{list: endless}
	cc, stop := s.dial(t, through(all, again(3))...)
	defer stop()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	long, streams := strings.Repeat("x", 200<<10), []grpc.ClientStream{}
	begin := func(n int) {
		for range n {
			stream, err := cc.NewStream(t.Context(), listDesc, list)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(stream.SendMsg(say(strings.Clone(long))), stream.CloseSend(), stream.RecvMsg(new(message))); err != nil {
				t.Fatal(err)
			}
			streams = append(streams, stream)
		}
		s.seen.Clear()
	}
	begin(10)
	before := heap()
	begin(100)
	if after := heap(); after > before+10<<20 {
		t.Errorf("%d KiB are kept", (after-before)>>10)
	}
	runtime.KeepAlive(streams)
}

func inFlight(places *limit.InFlight) (n float64) {
	for f := range places.Figures {
		if f.Name == "limit_in_flight" {
			n += f.Value
		}
	}
	return n
}

// Beneath our Balancer, where a callback is asked by gRPC with locks held, its panic leaves nothing
// behind either: neither a call of the node nor a goroutine of gRPC's stream.
func TestAPanicOfACallbackBeneathTheBalancer(t *testing.T) {
	f := newFleet(t, 1, func(int) func(context.Context, int, string) (string, error) { return failsFirst(1<<30, unavailable) })
	f.servers[0].list = sends(unavailable, "a")
	w := grpcclient.Wrapper{Classify: func(string, *status.Status) (holdfast.Verdict, bool) { panic("mine") }}
	cc := f.dial(t, discovery.Static(f.addrs...), byEWMA, w.DialOptions()...)
	call := func(method string, do func(ctx context.Context)) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		defer func() {
			if got := recover(); got != "mine" {
				t.Errorf("%s: recovered %v", method, got)
			}
		}()
		do(ctx)
	}
	unary := func(ctx context.Context) { _ = cc.Invoke(ctx, get, say("x"), new(message)) }
	stream := func(ctx context.Context) {
		s := asks(t, ctx, cc, list)
		_, _ = read(s)
	}
	call(get, unary)
	before := runtime.NumGoroutine()
	for range 20 {
		call(get, unary)
		call(list, stream)
	}
	eventually(t, "all is let go of", func() bool { return latest.Load().Nodes()[0].InFlight() == 0 && runtime.NumGoroutine() <= before+3 })
}
