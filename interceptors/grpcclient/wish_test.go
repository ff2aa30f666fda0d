package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
)

// withInfo is a status with a RetryInfo.
func withInfo(code codes.Code, after time.Duration) error {
	s, err := status.New(code, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

// A wish is what a server says of a second attempt, and what comes of it.
type wish struct {
	err      error
	pushback []string
	calls    int32
	wait     time.Duration // at least, and a tenth more at most
}

var wishes = map[string]wish{
	"none":                                {unavailable, nil, 2, 0},
	"to wait":                             {unavailable, []string{"3000"}, 2, 3 * time.Second},
	"at once":                             {unavailable, []string{"0"}, 2, 0},
	"never":                               {unavailable, []string{"-1"}, 1, 0},
	"unreadable":                          {unavailable, []string{"soon"}, 1, 0},
	"two":                                 {unavailable, []string{"10", "20"}, 1, 0},
	"too long":                            {unavailable, []string{"99999999999999"}, 1, 0},
	"RetryInfo":                           {withInfo(codes.Unavailable, 2*time.Second), nil, 2, 2 * time.Second},
	"both, the longer":                    {withInfo(codes.Unavailable, 2*time.Second), []string{"5000"}, 2, 5 * time.Second},
	"RetryInfo and never":                 {withInfo(codes.Unavailable, 2*time.Second), []string{"-1"}, 1, 0},
	"overload without a word":             {status.Error(codes.ResourceExhausted, "full"), nil, 1, 0},
	"overload with a pushback":            {status.Error(codes.ResourceExhausted, "full"), []string{"4000"}, 2, 4 * time.Second},
	"overload with RetryInfo":             {withInfo(codes.ResourceExhausted, 4*time.Second), nil, 2, 4 * time.Second},
	"a RetryInfo below zero":              {withInfo(codes.Unavailable, -time.Second), nil, 2, 0},
	"an answer is an answer":              {withInfo(codes.NotFound, time.Second), []string{"10"}, 1, 0},
	"what may be a bug is left as it is":  {withInfo(codes.Internal, time.Second), []string{"10"}, 1, 0},
	"an answer with a pushback it is not": {status.Error(codes.NotFound, "no"), []string{"-1"}, 1, 0},
}

func TestT68_R10_TheServersWishesAreObeyed(t *testing.T) {
	for name, w := range wishes {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				fails := func(ctx context.Context, n int) error {
					if n > 1 {
						return nil
					}
					for _, v := range w.pushback {
						_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", v))
					}
					return w.err
				}
				s := &service{
					get:  func(ctx context.Context, n int, _ string) (string, error) { return "ok", fails(ctx, n) },
					list: func(n int, _ string, ss grpc.ServerStream) error { return fails(ss.Context(), n) },
				}
				r := retry.New(retry.Options{InitialInterval: -1})
				cc, stop := s.dial(t, through(all, r)...)
				defer stop()
				for kind, call := range map[string]func() error{
					"unary": func() error { return cc.Invoke(t.Context(), get, say("x"), new(message)) },
					"stream": func() error {
						_, err := read(lister(t, t.Context(), cc, "x"))
						if err.Error() == "EOF" {
							return nil
						}
						return err
					},
				} {
					s.calls.Store(0)
					start := time.Now()
					err := call()
					took := time.Since(start)
					if s.calls.Load() != w.calls || (err == nil) != (w.calls == 2) || took < w.wait || took > w.wait+w.wait/10+time.Millisecond {
						t.Errorf("%s: %d calls after %v: %v; want %d after %v", kind, s.calls.Load(), took, err, w.calls, w.wait)
					}
				}
			})
		})
	}
}

// What gRPC says it had no connection for is harmless to repeat, whatever the
// method; what was on a connection is not.
func TestWhatWasNeverSentIsRefused(t *testing.T) {
	p := &probe{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close() // nobody listens there any more
	cc, err := grpc.NewClient("passthrough:///"+nobody, append(through(grpcclient.Wrapper{}, again(3), p),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for kind, call := range map[string]func() error{
		"unary":  func() error { return cc.Invoke(ctx, get, say("x"), new(message)) },
		"stream": func() error { _, err := read(lister(t, ctx, cc, "x")); return err },
		"chat":   func() error { _, err := cc.NewStream(ctx, chatDesc, chat); return err },
	} {
		p.results = nil
		if err := call(); status.Code(err) != codes.Unavailable || len(p.results) != 3 {
			t.Errorf("%s: %v after %d attempts", kind, err, len(p.results))
		}
		for _, res := range p.results {
			if res.Class != holdfast.Refused || res.Code != "UNAVAILABLE" {
				t.Errorf("%s: %v %s", kind, res.Class, res.Code)
			}
		}
	}
	// The same words from a server, or from an interceptor further in, are none of gRPC's.
	liar := status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing"`)
	bubble(t, func(t *testing.T) {
		s := &service{get: failsFirst(9, liar)}
		cc, stop := s.dial(t, through(grpcclient.Wrapper{}, again(3))...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err == nil || s.calls.Load() != 1 {
			t.Errorf("a server's own words: %v after %d calls", err, s.calls.Load())
		}
	})
	n := 0
	plain := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		n++
		return unavailable
	}
	if err := (grpcclient.Wrapper{}).Unary(again(3))(t.Context(), get, say("x"), new(message), nil, plain); err == nil || n != 1 {
		t.Errorf("an invoker that says nothing of a peer: %v after %d", err, n)
	}
}

func TestAServerLearnsHowOftenACallWasSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen []string
		note := func(ctx context.Context) {
			md, _ := metadata.FromIncomingContext(ctx)
			seen = append(seen, strings.Join(md["grpc-previous-rpc-attempts"], "|")+" "+strings.Join(md["own"], "|"))
		}
		s := &service{
			get: func(ctx context.Context, n int, _ string) (string, error) {
				note(ctx)
				return failsFirst(2, unavailable)(ctx, n, "")
			},
			list: func(n int, _ string, ss grpc.ServerStream) error {
				note(ss.Context())
				_, err := failsFirst(2, unavailable)(ss.Context(), n, "")
				return err
			},
		}
		cc, stop := s.dial(t, through(all, again(3))...)
		defer stop()
		// A caller that hands on what it got itself.
		ctx := metadata.AppendToOutgoingContext(t.Context(), "own", "a", "grpc-previous-rpc-attempts", "7")
		want := []string{"7 a", "1 a", "2 a"}
		if err := cc.Invoke(ctx, get, say("x"), new(message)); err != nil || !slices.Equal(seen, want) {
			t.Errorf("unary: %v, %q, want %q", err, seen, want)
		}
		seen, want = nil, []string{" ", "1 ", "2 "}
		s.calls.Store(0)
		if _, err := read(lister(t, t.Context(), cc, "x")); err.Error() != "EOF" || !slices.Equal(seen, want) {
			t.Errorf("stream: %v, %q, want %q", err, seen, want)
		}
		md, _ := metadata.FromOutgoingContext(ctx)
		if got := md["grpc-previous-rpc-attempts"]; !slices.Equal(got, []string{"7"}) {
			t.Errorf("the caller's own metadata are %q", got)
		}
	})
}

// With LedgerInStatus the error of several attempts carries the ledger as a detail, after
// those of the server, and names the backend of each attempt. Without it nothing of that
// is in the status, which a handler may pass on, and the ledger is found all the same.
func TestTheLedgerIsADetailOfTheStatus(t *testing.T) {
	for _, with := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			s := &service{get: func(context.Context, int, string) (string, error) { return "", withInfo(codes.Unavailable, 0) }}
			w := all
			w.LedgerInStatus = with
			cc, stop := s.dial(t, through(w, again(2))...)
			defer stop()
			err := cc.Invoke(t.Context(), get, say("x"), new(message))
			details := status.Convert(err).Details()
			want := 1
			if with {
				want = 2
			}
			if len(details) != want || status.Convert(err).Message() != "later" {
				t.Fatalf("%v with %v", err, details)
			}
			if _, ok := details[0].(*errdetails.RetryInfo); !ok {
				t.Errorf("the server's own detail is %v", details[0])
			}
			var attempts *holdfast.AttemptsError
			if !errors.As(err, &attempts) || len(attempts.Ledger.Attempts) != 2 {
				t.Errorf("the ledger of %v is %+v", err, attempts)
			}
			if !with {
				return
			}
			info, ok := details[1].(*errdetails.DebugInfo)
			if !ok || len(info.GetStackEntries()) != 2 || !strings.HasPrefix(info.GetStackEntries()[1], "2: UNAVAILABLE in") ||
				!strings.Contains(info.GetStackEntries()[0], "@bufconn") || info.GetDetail() != "holdfast: stopped: 2 attempts made" {
				t.Errorf("the ledger is %v", details[1])
			}
		})
	}
}

func TestASingleAttemptsStatusIsUntouched(t *testing.T) {
	bubble(t, func(t *testing.T) {
		want := withInfo(codes.Unavailable, time.Second)
		s := &service{get: failsFirst(9, want)}
		cc, stop := s.dial(t, through(grpcclient.Wrapper{}, again(3))...)
		defer stop()
		err := cc.Invoke(t.Context(), get, say("x"), new(message))
		if fmt.Sprint(status.Convert(err).Proto()) != fmt.Sprint(status.Convert(want).Proto()) {
			t.Errorf("%v, want %v", status.Convert(err).Proto(), status.Convert(want).Proto())
		}
	})
}
