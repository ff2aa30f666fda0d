package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// attemptLimit is a limit as one writes it by hand: it gives the attempt d until
// its Result, and lets go of its context at the end.
type attemptLimit time.Duration

func (d attemptLimit) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		ctx, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(time.Duration(d), func() {
			cancel(&holdfast.TimeoutError{Limit: time.Duration(d), Scope: "attempt"})
		})
		res := next(ctx, call)
		timer.Stop()
		res.OnDone(letGo(func() { cancel(nil) }), 0)
		return res
	}
}

type letGo func()

func (f letGo) Done(uint64, holdfast.End) { f() }

// T67: a limit around the attempt never ends an established stream, of any kind.
func TestT67_AnAttemptLimitNeverEndsAnEstablishedStream(t *testing.T) {
	const rounds = 24
	slow := func(_ int, ss grpc.ServerStream) error {
		if _, ok := ss.Context().Deadline(); ok {
			t.Error("there is a deadline on the wire")
		}
		for {
			m := new(message)
			if err := ss.RecvMsg(m); err == io.EOF {
				return ss.SendMsg(say("end"))
			} else if err != nil {
				return err
			}
			time.Sleep(time.Hour)
			if m.GetValue() == "chat" {
				if err := ss.SendMsg(m); err != nil {
					return err
				}
			}
		}
	}
	for name, limit := range map[string]holdfast.Policy{"by hand": attemptLimit(time.Second), "timeout": timeout.New(time.Second)} {
		bubble(t, func(t *testing.T) {
			s, p := &service{stream: slow}, &probe{}
			s.list = func(_ int, _ string, ss grpc.ServerStream) error {
				for range rounds {
					if err := ss.SendMsg(say("x")); err != nil {
						return err
					}
					time.Sleep(time.Hour)
				}
				return nil
			}
			cc, stop := s.dial(t, through(all, timeout.New(time.Minute), again(3), p, limit)...)
			defer stop()
			start := time.Now()
			if got, err := read(lister(t, t.Context(), cc, "x")); len(got) != rounds || err != io.EOF {
				t.Errorf("%s, server stream: %d messages, %v", name, len(got), err)
			}
			bidi, err := cc.NewStream(t.Context(), chatDesc, chat)
			if err != nil {
				t.Fatal(err)
			}
			for range rounds {
				if err := errors.Join(bidi.SendMsg(say("chat")), bidi.RecvMsg(new(message))); err != nil {
					t.Fatalf("%s, bidi: %v", name, err)
				}
			}
			_ = bidi.CloseSend()
			if got, err := read(bidi); len(got) != 1 || err != io.EOF {
				t.Errorf("%s, bidi: %q, %v", name, got, err)
			}
			up, err := cc.NewStream(t.Context(), putDesc, put)
			if err != nil {
				t.Fatal(err)
			}
			for range rounds {
				if err := up.SendMsg(say("part")); err != nil {
					t.Fatalf("%s, client stream: %v", name, err)
				}
			}
			if err := errors.Join(up.CloseSend(), up.RecvMsg(new(message))); err != nil {
				t.Errorf("%s, client stream: %v", name, err)
			}
			if took := time.Since(start); took != 3*rounds*time.Hour {
				t.Errorf("%s took %v", name, took)
			}
			for _, end := range p.over(t, 3) {
				if end.Class != holdfast.Success || end.Err != nil {
					t.Errorf("%s: end %+v", name, end)
				}
			}
		})
	}
}

// An idle limit ends a stream that stalls, while somebody waits for it.
func TestAnIdleLimitEndsAStalledStream(t *testing.T) {
	for _, wait := range []string{"RecvMsg", "Header"} {
		bubble(t, func(t *testing.T) {
			s, p := &service{stream: func(_ int, ss grpc.ServerStream) error { return hangs(ss.Context()) }}, &probe{}
			cc, stop := s.dial(t, through(all, again(3), p, timeout.With(timeout.Options{Limit: time.Second, Idle: time.Minute}))...)
			defer stop()
			stream, err := cc.NewStream(t.Context(), chatDesc, chat)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if wait == "Header" {
				if md, err := stream.Header(); md != nil || err != nil {
					t.Errorf("header %v, %v", md, err)
				}
			}
			err = stream.RecvMsg(new(message))
			var limit *holdfast.TimeoutError
			if time.Since(start) != time.Minute || status.Code(err) != codes.DeadlineExceeded || !errors.As(err, &limit) || limit.Scope != "idle" {
				t.Errorf("%s: %v after %v", wait, err, time.Since(start))
			}
			if end := p.over(t, 1)[0]; end.Class != holdfast.Failure || end.Code != "timeout" {
				t.Errorf("%s: end %+v", wait, end)
			}
		})
	}
}

// A stream ends once for the policies, on every path, with the class of its end.
func TestStreamsEndOnce(t *testing.T) {
	type ending struct {
		class holdfast.Class
		code  string
	}
	cause := func(err error) func(grpc.ClientStream, context.CancelCauseFunc) error {
		return func(s grpc.ClientStream, cancel context.CancelCauseFunc) error {
			cancel(err)
			for range 2 { // and what is there already may still be read
				for {
					if err := s.RecvMsg(new(message)); err != nil {
						return err
					}
				}
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		list func(int, string, grpc.ServerStream) error
		end  func(grpc.ClientStream, context.CancelCauseFunc) error
		want ending
		code codes.Code
	}{
		"read to its end": {sends(nil, "a", "b"), nil, ending{holdfast.Success, "OK"}, codes.OK},
		"broke off":       {sends(unavailable, "a", "b"), nil, ending{holdfast.Failure, "UNAVAILABLE"}, codes.Unavailable},
		"not found":       {sends(status.Error(codes.NotFound, "no more"), "a"), nil, ending{holdfast.Success, "NOT_FOUND"}, codes.NotFound},
		"asked for less":  {sends(status.Error(codes.ResourceExhausted, "quota"), "a"), nil, ending{holdfast.Overload, "RESOURCE_EXHAUSTED"}, codes.ResourceExhausted},
		"cancelled":       {endless, cause(nil), ending{holdfast.Ignored, "cancelled"}, codes.Canceled},
		"superseded":      {endless, cause(holdfast.ErrSuperseded), ending{holdfast.Ignored, "superseded"}, codes.Canceled},
		"cancelled and abandoned": {endless, func(_ grpc.ClientStream, cancel context.CancelCauseFunc) error {
			cancel(nil)
			return status.Error(codes.Canceled, "")
		}, ending{holdfast.Ignored, "cancelled"}, codes.Canceled},
		"abandoned until the deadline": {endless, func(grpc.ClientStream, context.CancelCauseFunc) error {
			time.Sleep(time.Hour)
			return status.Error(codes.DeadlineExceeded, "")
		}, ending{holdfast.Failure, "deadline"}, codes.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, open := range map[string]func(ctx context.Context, cc *grpc.ClientConn, o grpc.CallOption) grpc.ClientStream{
				"server stream": func(ctx context.Context, cc *grpc.ClientConn, o grpc.CallOption) grpc.ClientStream {
					return lister(t, ctx, cc, "x", o)
				},
				"bidi": func(ctx context.Context, cc *grpc.ClientConn, o grpc.CallOption) grpc.ClientStream {
					s, err := cc.NewStream(ctx, chatDesc, chat, o)
					if err != nil {
						t.Fatal(err)
					}
					return s
				},
			} {
				bubble(t, func(t *testing.T) {
					s, p := &service{list: c.list}, &probe{}
					s.stream = func(n int, ss grpc.ServerStream) error { return c.list(n, "", ss) }
					cc, stop := s.dial(t, through(all, again(3), p)...)
					defer stop()
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					ctx, stop2 := context.WithTimeout(ctx, time.Hour)
					defer stop2()
					finished := 0
					stream := open(ctx, cc, grpc.OnFinish(func(err error) {
						if finished++; status.Code(err) != c.code {
							t.Errorf("%s: OnFinish %v, want %v", kind, err, c.code)
						}
					}))
					if err := stream.RecvMsg(new(message)); err != nil {
						t.Fatal(err)
					}
					var err error
					if c.end != nil {
						err = c.end(stream, cancel)
					} else {
						_, err = read(stream)
					}
					if err != io.EOF && status.Code(err) != c.code {
						t.Errorf("%s ended with %v, want %v", kind, err, c.code)
					}
					synctest.Wait()
					_ = stream.RecvMsg(new(message)) // the end stays the end
					if end := p.over(t, 1)[0]; (ending{end.Class, end.Code}) != c.want || (end.Err == nil) != (c.code == codes.OK) {
						t.Errorf("%s: end %+v, want %v", kind, end, c.want)
					}
					if finished != 1 {
						t.Errorf("%s: OnFinish ran %d times", kind, finished)
					}
				})
			}
		})
	}
}

// endless sends one message and then a word an hour.
func endless(_ int, _ string, s grpc.ServerStream) error {
	for {
		if err := s.SendMsg(say("x")); err != nil {
			return err
		}
		select {
		case <-s.Context().Done():
			return s.Context().Err()
		case <-time.After(time.Hour):
		}
	}
}

// Streams that cannot be repeated are passed through, guarded, and never fail
// for it.
func TestOtherStreamsPassThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := &service{stream: echoes}, &probe{}
		cc, stop := s.dial(t, through(all, again(3), p)...)
		defer stop()
		var header metadata.MD
		up, err := cc.NewStream(t.Context(), putDesc, put, grpc.Header(&header))
		if err != nil {
			t.Fatal(err)
		}
		answer := new(message)
		if err := errors.Join(up.SendMsg(say("a")), up.SendMsg(say("b")), up.CloseSend(), up.RecvMsg(answer)); err != nil || answer.GetValue() != "end after b" {
			t.Errorf("client stream: %q, %v", answer.GetValue(), err)
		}
		if end := p.over(t, 1)[0]; end.Class != holdfast.Success || end.Code != "OK" { // one answer is the end
			t.Errorf("client stream: end %+v", end)
		}
		if header["content-type"] == nil {
			t.Errorf("header %v", header)
		}
		failed, err := cc.NewStream(t.Context(), putDesc, put)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(failed.SendMsg(say("fail")), failed.CloseSend()); err != nil {
			t.Error(err)
		}
		if err := failed.RecvMsg(new(message)); status.Code(err) != codes.Unavailable {
			t.Error(err)
		}
		both, err := cc.NewStream(t.Context(), chatDesc, chat)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(both.SendMsg(say("chat")), both.RecvMsg(answer), both.CloseSend()); err != nil || answer.GetValue() != "chat" {
			t.Errorf("bidi: %q, %v", answer.GetValue(), err)
		}
		if both.Context().Err() != nil {
			t.Error("the context of a living stream is over")
		}
		if got, err := read(both); len(got) != 1 || err != io.EOF {
			t.Errorf("bidi: %q, %v", got, err)
		}
		p.over(t, 3)
		if s.calls.Load() != 3 {
			t.Errorf("%d calls, want 3", s.calls.Load())
		}
		for _, call := range p.calls {
			if call.Repeatable || !call.Stream || call.Unary {
				t.Errorf("the call is %+v", call)
			}
		}
	})
}

// What fails before there is a stream is repeated when the server did none of the
// work, and fails as gRPC fails otherwise.
func TestOtherStreamsThatCannotBeCreated(t *testing.T) {
	for _, refused := range []bool{true, false} {
		w := grpcclient.Wrapper{Classify: func(string, *status.Status) (holdfast.Class, bool) { return holdfast.Refused, refused }}
		tries := 0
		streamer := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			tries++
			return nil, unavailable
		}
		stream, err := w.Stream(again(3))(t.Context(), chatDesc, nil, chat, streamer)
		if stream != nil || status.Code(err) != codes.Unavailable || refused != (tries == 3) || !refused && err != unavailable {
			t.Errorf("refused %v: %d tries, %v, %v", refused, tries, stream, err)
		}
	}
	nothing := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, nil
	}
	if _, err := grpcclient.Stream()(t.Context(), chatDesc, nil, chat, nothing); status.Code(err) != codes.Internal {
		t.Errorf("neither a stream nor an error: %v", err)
	}
	if _, err := grpcclient.Stream()(nil, chatDesc, nil, chat, nothing); status.Code(err) != codes.Internal {
		t.Errorf("nil context: %v", err)
	}
}

// Watchers learn when the reader waits and when something has come.
func TestProgressIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := &service{list: sends(nil, "a", "b")}, &probe{}
		cc, stop := s.dial(t, through(all, p)...)
		defer stop()
		if _, err := read(lister(t, t.Context(), cc, "x")); err != io.EOF {
			t.Error(err)
		}
		if want := []bool{true, false, true}; !slices.Equal(p.progress, want) { // "a" came with the Result
			t.Errorf("progress %v, want %v", p.progress, want)
		}
	})
}

// A stream that a policy lets go of ends, and what it held is free.
func TestDiscardEndsTheStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gone := make(chan time.Time, 3)
		s, p := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
			if n == 3 {
				return sends(nil, "third")(n, "", ss)
			}
			defer func() { gone <- time.Now() }()
			return endless(n, "", ss)
		}}, &probe{}
		picky := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				for range 2 {
					res := next(ctx, call)
					res.Discard()
					res.Discard()
					call = call.Again()
				}
				return next(ctx, call)
			}
		})
		cc, stop := s.dial(t, through(all, picky, p)...)
		defer stop()
		var trailer metadata.MD
		start := time.Now()
		got, err := read(lister(t, t.Context(), cc, "x", grpc.Trailer(&trailer)))
		if !slices.Equal(got, []string{"third"}) || err != io.EOF {
			t.Errorf("%q, %v", got, err)
		}
		for range 2 {
			if at := <-gone; at != start {
				t.Errorf("a discarded stream was held for %v", at.Sub(start))
			}
		}
		for _, end := range p.over(t, 3) {
			if end.Class != holdfast.Success {
				t.Errorf("end %+v", end)
			}
		}
	})
}
