package grpcclient_test

import (
	"context"
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
)

// A stream ends once for the policies, on every path, with the class of its end.
func TestStreamsEndOnce(t *testing.T) {
	type ending struct {
		class holdfast.Class
		code  holdfast.Code
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
			pass(time.Hour)
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
					p.over(t, 1)
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

// Hooks of progress learn when the reader waits and when something has come.
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
