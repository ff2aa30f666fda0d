package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// hedges sends one beside each call that takes longer than d.
func hedges(d time.Duration) *hedge.Hedge {
	return hedge.New(hedge.Options{Delay: d, MinDelay: -1, Share: -1, MinAttempt: -1})
}

// tells sends who answers in header and trailer.
func tells(ctx context.Context, who string) {
	_ = grpc.SetHeader(ctx, metadata.Pairs("who", who))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("who", who))
}

// A1: reply, header, trailer and peer are one backend's, whoever wins; nothing is
// left running, and OnFinish runs once.
func TestHedgedCallsAreOneBackendsAnswer(t *testing.T) {
	for name, first := range map[string]func(ctx context.Context) error{
		"the first hangs":                hangs,
		"the first answers at last":      func(context.Context) error { time.Sleep(20 * time.Millisecond); return nil },
		"the first fails, hedge pending": func(context.Context) error { time.Sleep(15 * time.Millisecond); return unavailable },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				holdfasttest.CheckLeaks(t)
				s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
					who := fmt.Sprint(n)
					tells(ctx, who)
					if n == 1 {
						return who, first(ctx)
					}
					time.Sleep(30 * time.Millisecond)
					return who, nil
				}}
				want := "2"
				if strings.HasSuffix(name, "at last") {
					want = "1"
				}
				p := &probe{}
				cc, stop := s.dial(t, through(all, hedges(10*time.Millisecond), p)...)
				defer stop()
				var header, trailer metadata.MD
				var from peer.Peer
				finished := 0
				out := say("what was there before")
				err := cc.Invoke(t.Context(), get, say("x"), out, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from),
					grpc.OnFinish(func(error) { finished++ }))
				if err != nil || out.GetValue() != want || finished != 1 || from.Addr == nil {
					t.Errorf("%v, %q by %v, finished %d times; want %q", err, out.GetValue(), from.Addr, finished, want)
				}
				if !slices.Equal(header["who"], []string{want}) || !slices.Equal(trailer["who"], []string{want}) {
					t.Errorf("header %v, trailer %v, want those of %s", header, trailer, want)
				}
				for _, res := range p.results {
					if res.Class != holdfast.Success && res.Class != holdfast.Ignored && !strings.Contains(name, "fails") {
						t.Errorf("a lost attempt counts as %v %s", res.Class, res.Code)
					}
				}
			})
		})
	}
}

// Losers are cancelled with their cause, which is what a balancer's Done can tell
// them by.
func TestLosersAreCancelledWithTheirCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		causes := make(chan error, 2)
		invoker := func(ctx context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			if holdfast.CallFrom(ctx).Hedge {
				reply.(*message).Value = "hedge"
				return nil
			}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return status.FromContextError(ctx.Err()).Err()
		}
		out := new(message)
		if err := all.Unary(hedges(time.Millisecond))(t.Context(), get, say("x"), out, nil, invoker); err != nil || out.GetValue() != "hedge" {
			t.Errorf("%v %q", err, out.GetValue())
		}
		if got := <-causes; !errors.Is(got, holdfast.ErrSuperseded) {
			t.Errorf("the cause is %v", got)
		}
	})
}

// When all fail, header, trailer and error are of the same attempt, also where they are
// repeated.
func TestAHedgedFailureIsOneBackends(t *testing.T) {
	for _, outer := range []holdfast.Policy{nil, again(2)} {
		bubble(t, func(t *testing.T) {
			s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
				tells(ctx, fmt.Sprint(n))
				time.Sleep(time.Duration(20*n) * time.Millisecond)
				return "", status.Errorf(codes.Unavailable, "down %d", n)
			}}
			cc, stop := s.dial(t, through(all, outer, hedges(10*time.Millisecond))...)
			defer stop()
			var trailer metadata.MD
			out := new(message)
			err := cc.Invoke(t.Context(), get, say("x"), out, grpc.Trailer(&trailer))
			if want := "down " + strings.Join(trailer["who"], "|"); status.Convert(err).Message() != want || out.GetValue() != "" {
				t.Errorf("%v with the trailer %v and %q", err, trailer, out.GetValue())
			}
		})
	}
}

func TestRepliesOfEveryKindAreHedged(t *testing.T) {
	descriptor := new(message).ProtoReflect().Descriptor()
	type plain struct{ Value string }
	fill := func(reply any) {
		switch r := reply.(type) {
		case proto.Message:
			r.ProtoReflect().Set(descriptor.Fields().ByName("value"), valueOf("hedge"))
			r.ProtoReflect().SetUnknown(protowire.AppendTag(nil, 99, protowire.VarintType)[:0])
		case *plain:
			r.Value = "hedge"
		}
	}
	for name, c := range map[string]struct {
		reply any
		value func(any) string
	}{
		"a message": {say("old"), func(r any) string { return r.(*message).GetValue() }},
		"a dynamic message": {dynamicpb.NewMessage(descriptor), func(r any) string {
			m := r.(*dynamicpb.Message)
			return m.Get(descriptor.Fields().ByName("value")).String()
		}},
		"a struct": {&plain{"old"}, func(r any) string { return r.(*plain).Value }},
		"nil":      {nil, func(any) string { return "hedge" }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				invoker := func(ctx context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
					if holdfast.CallFrom(ctx).Hedge {
						if reply == c.reply && reply != nil {
							t.Error("the hedge writes to the caller's reply")
						}
						fill(reply)
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				}
				err := all.Unary(hedges(time.Millisecond))(t.Context(), get, say("x"), c.reply, nil, invoker)
				if err != nil || c.value(c.reply) != "hedge" {
					t.Errorf("%v, %q", err, c.value(c.reply))
				}
			})
		})
	}
}

// A reply that cannot be had twice is told so, and the call is as without hedging.
func TestAReplyThatIsNoPointerIsNotHedged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &probe{}
		sent := 0
		invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			sent++
			time.Sleep(50 * time.Millisecond)
			return nil
		}
		reply := map[string]string{}
		err := all.Unary(hedges(10*time.Millisecond), p)(t.Context(), get, say("x"), reply, nil, invoker)
		if err != nil || sent != 1 || len(p.results) != 2 || p.results[0].Err == nil || !strings.Contains(p.results[0].Err.Error(), "no pointer") {
			t.Errorf("%v after %d: %+v", err, sent, p.results)
		}
	})
}

// What was in the reply before, or what a loser has left in it, does not stay.
func TestAHedgesReplyReplacesTheWholeOfIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		invoker := func(ctx context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			if holdfast.CallFrom(ctx).Hedge {
				return nil // an empty message
			}
			reply.(*message).Value = "half of a loser's"
			<-ctx.Done()
			return ctx.Err()
		}
		out := say("old")
		if err := all.Unary(hedges(time.Millisecond))(t.Context(), get, say("x"), out, nil, invoker); err != nil || out.GetValue() != "" {
			t.Errorf("%v, %q", err, out.GetValue())
		}
	})
}

// T74 and the races of grpc.md: hedges of a millisecond, a reused request, every
// CallOption, from many goroutines; for the race detector.
func TestT59_HedgesOverGRPCShareNothing(t *testing.T) {
	s := &service{get: func(ctx context.Context, n int, in string) (string, error) {
		tells(ctx, in)
		switch n % 4 {
		case 0:
			<-time.After(3 * time.Millisecond)
		case 1:
			<-time.After(time.Millisecond)
		}
		if n%7 == 0 {
			return "", unavailable
		}
		return in, nil
	}}
	cc, stop := s.dialTCP(t, through(all, again(2), hedges(time.Millisecond))...)
	defer stop()
	var wg sync.WaitGroup
	var hedged atomic.Int64
	for w := range 8 {
		wg.Go(func() {
			in := new(message)
			for i := range 150 {
				in.Value = fmt.Sprintf("%d-%d", w, i) // the caller's again, once the call is over
				out := new(message)
				var header, trailer metadata.MD
				var from peer.Peer
				err := cc.Invoke(t.Context(), get, in, out, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from),
					grpc.OnFinish(func(error) { hedged.Add(1) }), grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(1<<20))
				if err != nil {
					continue
				}
				if out.GetValue() != in.GetValue() || from.Addr == nil || !slices.Equal(header["who"], trailer["who"]) || !slices.Equal(trailer["who"], []string{in.GetValue()}) {
					t.Errorf("%q is answered %q with %v and %v by %v", in.GetValue(), out.GetValue(), header, trailer, from.Addr)
				}
			}
		})
	}
	wg.Wait()
	if hedged.Load() != 8*150 {
		t.Errorf("OnFinish ran %d times for %d calls", hedged.Load(), 8*150)
	}
}

// A denied hedge costs the call nothing (go-service #2380).
func TestADeniedHedgeFailsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: func(context.Context, int, string) (string, error) {
			time.Sleep(50 * time.Millisecond)
			return "ok", nil
		}}
		var denied string
		h := hedge.New(hedge.Options{Delay: 10 * time.Millisecond, Share: -1, Budget: broke{}, OnHedge: func(_ context.Context, e holdfast.Event) { denied = e.Detail }})
		cc, stop := s.dial(t, through(all, h)...)
		defer stop()
		out := new(message)
		if err := cc.Invoke(t.Context(), get, say("x"), out); err != nil || out.GetValue() != "ok" || denied != "budget empty" || s.calls.Load() != 1 {
			t.Errorf("%v %q after %d calls, denied: %q", err, out.GetValue(), s.calls.Load(), denied)
		}
	})
}

type broke struct{}

func (broke) Withdraw(string) bool { return false }
func (broke) Refund(string)        {}
