package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
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
			pass(time.Hour)
			if m.GetValue() == "chat" {
				if err := ss.SendMsg(m); err != nil {
					return err
				}
			}
		}
	}
	for name, limit := range map[string]holdfast.Policy{"by hand": attemptLimit(time.Second), "timeout": timeout.New(timeout.Options{Limit: time.Second})} {
		bubble(t, func(t *testing.T) {
			s, p := &service{stream: slow}, &probe{}
			s.list = func(_ int, _ string, ss grpc.ServerStream) error {
				for range rounds {
					if err := ss.SendMsg(say("x")); err != nil {
						return err
					}
					pass(time.Hour)
				}
				return nil
			}
			cc, stop := s.dial(t, through(all, timeout.New(timeout.Options{Limit: time.Minute}), again(3), p, limit)...)
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
			cc, stop := s.dial(t, through(all, again(3), p, timeout.New(timeout.Options{Limit: time.Second, Idle: time.Minute}))...)
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
