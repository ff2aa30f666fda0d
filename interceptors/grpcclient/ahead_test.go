package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/timeout"
)

// undeclared is List of a service whose declaration is not linked in.
const undeclared = "/test.Undeclared/List"

// methods are List with a declaration and without.
var methods = []string{list, undeclared}

// asks opens a List stream with its request sent, as a generated client does.
func asks(t *testing.T, ctx context.Context, cc *grpc.ClientConn, method string, opts ...grpc.CallOption) grpc.ClientStream {
	t.Helper()
	s, err := cc.NewStream(ctx, listDesc, method, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.SendMsg(say("x")), s.CloseSend()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Subscribe, act, read: what happens between the subscription and the first RecvMsg is not lost,
// whatever the policies, the codec and the method.
func TestAServerStreamBeginsWithItsRequest(t *testing.T) {
	for name, c := range map[string]struct {
		w      grpcclient.Wrapper
		method string
		opts   []grpc.CallOption
	}{
		"nothing is repeated":     {grpcclient.Wrapper{}, list, nil},
		"all is":                  {all, list, nil},
		"the request is not kept": {grpcclient.Wrapper{ReplayCap: -1}, list, nil},
		"an undeclared method":    {all, undeclared, nil},
		"a codec of the caller's": {all, list, []grpc.CallOption{grpc.ForceCodec(bytesToo{})}},
		"a codec that is named":   {all, list, []grpc.CallOption{grpc.CallContentSubtype("proto")}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				var topic chan string // of the subscriber, if there is one
				s := &service{list: func(_ int, _ string, ss grpc.ServerStream) error {
					mu.Lock()
					mine := make(chan string, 8)
					topic = mine
					mu.Unlock()
					for word := range mine {
						if err := ss.SendMsg(say(word)); err != nil {
							return err
						}
					}
					return nil
				}}
				cc, stop := s.dial(t, through(c.w, again(3), timeout.New(timeout.Options{Limit: time.Minute}))...)
				defer stop()
				stream := asks(t, t.Context(), cc, c.method, c.opts...)
				synctest.Wait()
				mu.Lock()
				if topic == nil {
					mu.Unlock()
					t.Fatal("it has not begun")
				}
				topic <- "before"
				mu.Unlock()
				pass(time.Hour) // an answer that came in time, and is read late
				topic <- "after"
				close(topic)
				if got, err := read(stream); !slices.Equal(got, []string{"before", "after"}) || err != io.EOF {
					t.Errorf("%q, %v", got, err)
				}
				if s.calls.Load() != 1 {
					t.Errorf("%d calls", s.calls.Load())
				}
			})
		})
	}
}

// What fails before its first message is repeated, whether or not the caller has come, and the
// wait before the repeat is over by when the caller does.
func TestAStreamIsRepeatedWithoutItsReader(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		fails  func(ss grpc.ServerStream) error
	}{
		"at once":                     {list, func(grpc.ServerStream) error { return unavailable }},
		"at once, undeclared":         {undeclared, func(grpc.ServerStream) error { return unavailable }},
		"after its header":            {list, func(ss grpc.ServerStream) error { _ = ss.SendHeader(nil); pass(time.Second); return unavailable }},
		"at the limit of the attempt": {list, func(ss grpc.ServerStream) error { return hangs(ss.Context()) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, p := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
					if n < 3 {
						return c.fails(ss)
					}
					return ss.SendMsg(say("ok"))
				}}, &probe{}
				cc, stop := s.dial(t, through(all, again(3), p, timeout.New(timeout.Options{Limit: 10 * time.Second}))...)
				defer stop()
				stream := asks(t, t.Context(), cc, c.method)
				pass(time.Minute)
				if n := s.calls.Load(); n != 3 {
					t.Errorf("%d attempts without a reader, want 3", n)
				}
				start := time.Now()
				if got, err := read(stream); len(got) != 1 || err != io.EOF || time.Since(start) != 0 {
					t.Errorf("%q, %v after %v", got, err, time.Since(start))
				}
				for i, class := range []holdfast.Class{holdfast.Failure, holdfast.Failure, holdfast.Success} {
					if p.results[i].Class != class {
						t.Errorf("attempt %d: %+v", i+1, p.results[i])
					}
				}
			})
		})
	}
}

// A limit around the attempt counts from its beginning: it is over when the caller comes late,
// and who has hung is blamed.
func TestALateReaderFindsTheLimitOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := &service{list: func(_ int, _ string, ss grpc.ServerStream) error { return hangs(ss.Context()) }}, &probe{}
		cc, stop := s.dial(t, through(grpcclient.Wrapper{}, again(3), p, timeout.New(timeout.Options{Limit: time.Second}))...)
		defer stop()
		var finished []error
		stream := asks(t, t.Context(), cc, list, grpc.OnFinish(func(err error) { finished = append(finished, err) }))
		pass(10 * time.Second)
		synctest.Wait()
		p.over(t, 1)
		if len(finished) != 1 {
			t.Errorf("OnFinish %v", finished)
		}
		start := time.Now()
		err := stream.RecvMsg(new(message))
		var limit *holdfast.TimeoutError
		if !errors.As(err, &limit) || status.Code(err) != codes.DeadlineExceeded || time.Since(start) != 0 || p.results[0].Class != holdfast.Failure {
			t.Errorf("%v after %v: %+v", err, time.Since(start), p.results[0])
		}
	})
}

// Nobody waits for a caller who does not read: a probe of the circuit is decided, and a place in
// a limit is free when a call has failed.
func TestNobodyWaitsForAReader(t *testing.T) {
	for _, method := range methods {
		bubble(t, func(t *testing.T) {
			var fails bool
			s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
				if fails {
					return unavailable
				}
				return sends(nil, "a", "b")(n, "", ss)
			}}
			b := breaker.New(breaker.Options{ConsecutiveFailures: 1, OpenDuration: time.Second})
			places := limit.NewInFlight(limit.InFlightOptions{Max: 1})
			cc, stop := s.dial(t, through(grpcclient.Wrapper{}, places, b)...)
			defer stop()
			fails = true
			asks(t, t.Context(), cc, method)
			synctest.Wait()
			if got := b.State(cc.Target()); got != breaker.Open {
				t.Fatalf("%v after a failure that nobody reads", got)
			}
			pass(10 * time.Second)
			fails = false
			probe := asks(t, t.Context(), cc, method) // it has the only place: that of the failed call is free
			synctest.Wait()
			if got := b.State(cc.Target()); got != breaker.Closed {
				t.Errorf("%v after a probe that nobody reads", got)
			}
			if got, err := read(probe); len(got) != 2 || err != io.EOF {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// A stream whose caller goes before reading ends as any other, and so does one on a connection
// that is closed; bubbles see to it that nothing is left.
func TestAStreamThatIsNeverRead(t *testing.T) {
	for name, server := range map[string]func(int, string, grpc.ServerStream) error{
		"silent":    func(_ int, _ string, ss grpc.ServerStream) error { return hangs(ss.Context()) },
		"answering": endless,
		"begun": func(_ int, _ string, ss grpc.ServerStream) error {
			_ = ss.SendHeader(nil)
			return hangs(ss.Context())
		},
	} {
		for _, closes := range []bool{false, true} {
			for _, method := range methods {
				t.Run(fmt.Sprintf("%s, closes %v, %s", name, closes, method), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						s, p := &service{list: server}, &probe{}
						cc, stop := s.dial(t, through(all, again(3), p)...)
						defer stop()
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						var finished []error
						stream := asks(t, ctx, cc, method, grpc.OnFinish(func(err error) { finished = append(finished, err) }))
						pass(time.Second)
						if closes {
							_ = cc.Close()
							if err := stream.RecvMsg(new(message)); name == "answering" && err != nil { // it was there
								t.Error(err)
							}
							if err := stream.RecvMsg(new(message)); status.Code(err) != codes.Canceled {
								t.Error(err)
							}
						} else {
							cancel()
						}
						synctest.Wait()
						if end := p.over(t, 1)[0]; end.Class != holdfast.Ignored || len(finished) != 1 || status.Code(finished[0]) != codes.Canceled || s.calls.Load() != 1 {
							t.Errorf("%+v, OnFinish %v, %d calls", end, finished, s.calls.Load())
						}
					})
				})
			}
		}
	}
}

// The header is shown as soon as it is there, before or after it was asked for. It is the beginning
// then: no limit of the attempt counts any longer, and nothing is repeated.
func TestTheHeaderIsShownBeforeTheFirstMessage(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, fails := range []bool{false, true} {
			for _, method := range methods {
				t.Run(fmt.Sprintf("late %v, fails %v, %s", late, fails, method), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						s, p := &service{list: func(_ int, _ string, ss grpc.ServerStream) error {
							pass(time.Second)
							_ = ss.SendHeader(metadata.Pairs("k", "v"))
							pass(time.Hour)
							if fails {
								return unavailable
							}
							return ss.SendMsg(say("ok"))
						}}, &probe{}
						cc, stop := s.dial(t, through(all, again(3), p, timeout.New(timeout.Options{Limit: 5 * time.Second}))...)
						defer stop()
						stream := asks(t, t.Context(), cc, method)
						start := time.Now()
						if late {
							pass(2 * time.Second)
						}
						md, err := stream.Header()
						md.Set("k", "the caller's own")
						if took := time.Since(start).Truncate(time.Second); err != nil || !late && took != time.Second || late && took != 2*time.Second {
							t.Errorf("%v after %v", err, took)
						}
						if md, _ := stream.Header(); !slices.Equal(md["k"], []string{"v"}) {
							t.Errorf("header %v", md)
						}
						got, err := read(stream)
						if fails && (len(got) != 0 || status.Code(err) != codes.Unavailable) || !fails && (len(got) != 1 || err != io.EOF) || s.calls.Load() != 1 {
							t.Errorf("%q, %v in %d calls", got, err, s.calls.Load())
						}
						if res, end := p.results[0], p.over(t, 1)[0]; res.Class != holdfast.Success || (end.Class == holdfast.Failure) != fails {
							t.Errorf("%+v, %+v", res, end)
						}
					})
				})
			}
		}
	}
}

// A stream that a policy discards when its header was shown is over when the policy goes on.
func TestDiscardWaitsForWhatIsReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
			_ = ss.SendHeader(metadata.Pairs("n", fmt.Sprint(n)))
			if n == 1 {
				return hangs(ss.Context())
			}
			return ss.SendMsg(say("second"))
		}}
		picky := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				res := next(ctx, call)
				res.Discard()
				return next(ctx, call.Again())
			}
		})
		slow := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			inner, err := next(ctx, desc, cc, method, opts...)
			return writesLate{inner}, err
		}
		cc, stop := s.dial(t, append(through(all, picky), grpc.WithChainStreamInterceptor(slow))...)
		defer stop()
		stream := asks(t, t.Context(), cc, undeclared)
		go func() {
			pass(time.Second)
			_, _ = stream.Header()
		}()
		if got, err := read(stream); !slices.Equal(got, []string{"second"}) || err != io.EOF {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// A writesLate writes to the message of a receive that fails, some time later.
type writesLate struct{ grpc.ClientStream }

func (w writesLate) RecvMsg(m any) error {
	err := w.ClientStream.RecvMsg(m)
	if err != nil {
		pass(time.Second)
		m.(*message).Value = "late"
	}
	return err
}

// A panic in what runs before the caller comes is the caller's, once.
func TestPanicsReachTheReader(t *testing.T) {
	for name, come := range map[string]func(s grpc.ClientStream){
		"RecvMsg": func(s grpc.ClientStream) { _ = s.RecvMsg(new(message)) },
		"Header":  func(s grpc.ClientStream) { _, _ = s.Header() },
	} {
		bubble(t, func(t *testing.T) {
			s := &service{list: sends(nil, "a")}
			cc, stop := s.dial(t, through(all, holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
				return func(context.Context, *holdfast.Call) holdfast.Result { panic("mine") }
			}))...)
			defer stop()
			stream := asks(t, t.Context(), cc, list)
			synctest.Wait()
			func() {
				defer func() {
					if got := recover(); got != "mine" {
						t.Errorf("%s: recovered %v", name, got)
					}
				}()
				come(stream)
			}()
			if err := stream.RecvMsg(new(message)); status.Code(err) != codes.Internal {
				t.Errorf("%s: %v afterwards", name, err)
			}
		})
	}
}
