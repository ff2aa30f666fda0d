package grpcclient_test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A stream that the other side ends with CANCEL, or with a status of that name, is its
// failure while the caller has cancelled nothing: what is repeatable is sent again.
func TestACancelOfTheOtherSideIsItsFailure(t *testing.T) {
	for name, act := range map[string]func(w *wire) error{
		"reset":            func(w *wire) error { return w.reset(http2.ErrCodeCancel) },
		"after its header": func(w *wire) error { _ = w.begin(); return w.reset(http2.ErrCodeCancel) },
		"a status":         func(w *wire) error { return w.fail("1", "I was cancelled") },
		"a status and wish": func(w *wire) error {
			_ = w.begin()
			return w.head(true, "grpc-status", "1", "grpc-retry-pushback-ms", "1")
		},
	} {
		addr, requests := wired(t, true, act)
		for kind, w := range map[string]grpcclient.Wrapper{"repeatable": all, "not": {}} {
			for _, streams := range []bool{false, true} {
				p := &probe{}
				cc := dialed(t, addr, w.DialOptions(again(3), p)...)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				requests.Store(0)
				var err error
				if streams {
					_, err = read(lister(t, ctx, cc, "x"))
				} else {
					err = cc.Invoke(ctx, get, say("x"), new(message))
				}
				cancel()
				want := map[string]int32{"repeatable": 3, "not": 1}[kind]
				if res := p.results[0]; status.Code(err) != codes.Canceled || requests.Load() != want || res.Class != holdfast.Failure || res.Code != "CANCELLED" || res.After < 0 {
					t.Errorf("%s, %s, stream %v: %v after %d requests: %+v", name, kind, streams, err, requests.Load(), res)
				}
			}
		}
	}
}

// What ends since this process has closed the connection is no failure of the server.
func TestAClosedConnectionIsNobodysFailure(t *testing.T) {
	began := make(chan struct{}, 1)
	s := &service{get: func(ctx context.Context, _ int, _ string) (string, error) { began <- struct{}{}; return "", hangs(ctx) }}
	p := &probe{}
	cc, stop := s.dialTCP(t, through(all, again(3), p)...)
	defer stop()
	over := make(chan error)
	go func() { over <- cc.Invoke(t.Context(), get, say("x"), new(message)) }()
	<-began
	_ = cc.Close()
	err := <-over
	_ = cc.Invoke(t.Context(), get, say("x"), new(message))
	if len(p.results) != 2 {
		t.Errorf("%d attempts: %v", len(p.results), err)
	}
	for _, res := range p.results {
		if res.Class != holdfast.Ignored {
			t.Errorf("%+v", res)
		}
	}
}

// Classify says class, code and wait; what it leaves out is the transport's own, or the
// server's.
func TestClassifySaysClassCodeAndWait(t *testing.T) {
	for name, c := range map[string]struct {
		said     holdfast.Verdict
		code     codes.Code
		pushback string
		want     holdfast.Verdict
	}{
		"all of it":            {holdfast.Verdict{Class: holdfast.Overload, Code: "quota", After: time.Second}, codes.Internal, "5", holdfast.Verdict{Class: holdfast.Overload, Code: "quota", After: time.Second}},
		"the class":            {holdfast.Verdict{Class: holdfast.Failure}, codes.Internal, "", holdfast.Verdict{Class: holdfast.Failure, Code: "INTERNAL"}},
		"the server's wish":    {holdfast.Verdict{Class: holdfast.Failure}, codes.Internal, "5", holdfast.Verdict{Class: holdfast.Failure, Code: "INTERNAL", After: 5 * time.Millisecond}},
		"its no":               {holdfast.Verdict{Class: holdfast.Conflict}, codes.Aborted, "-1", holdfast.Verdict{Class: holdfast.Conflict, Code: "ABORTED", After: holdfast.Never}},
		"a conflict":           {holdfast.Verdict{Class: holdfast.Conflict}, codes.Aborted, "7", holdfast.Verdict{Class: holdfast.Conflict, Code: "ABORTED", After: 7 * time.Millisecond}},
		"never":                {holdfast.Verdict{Class: holdfast.Failure, After: -1}, codes.Unavailable, "5", holdfast.Verdict{Class: holdfast.Failure, Code: "UNAVAILABLE", After: holdfast.Never}},
		"an answer is no wish": {holdfast.Verdict{Class: holdfast.Success}, codes.Unavailable, "5", holdfast.Verdict{Class: holdfast.Success, Code: "UNAVAILABLE"}},
	} {
		w := grpcclient.Wrapper{Classify: func(string, *status.Status) (holdfast.Verdict, bool) { return c.said, true }}
		p := &probe{}
		_ = w.Unary(p)(t.Context(), get, nil, nil, nil, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
			for _, o := range opts {
				if trailer, ok := o.(grpc.TrailerCallOption); ok && c.pushback != "" {
					*trailer.TrailerAddr = metadata.Pairs("grpc-retry-pushback-ms", c.pushback)
				}
			}
			return status.Error(c.code, "x")
		})
		if res := p.results[0]; (holdfast.Verdict{Class: res.Class, Code: res.Code, After: res.After}) != c.want {
			t.Errorf("%s: %+v, want %+v", name, res, c.want)
		}
	}
}

// Where it says nothing the verdict is as without it; of what could not be sent it is not
// asked.
func TestClassifyIsNotAskedOfWhatIsLocal(t *testing.T) {
	asked := 0
	w := grpcclient.Wrapper{Classify: func(string, *status.Status) (holdfast.Verdict, bool) { asked++; return holdfast.Verdict{}, false }}
	p := &probe{}
	cc, stop := (&service{}).dialTCP(t, through(w, again(2), p)...)
	_ = cc.Invoke(metadata.AppendToOutgoingContext(t.Context(), "tenant", "caf\u00e9"), get, say("x"), new(message))
	stop()
	nobody := dialed(t, cc.Target()[len("passthrough:///"):], through(w, again(2), p)...)
	if _ = nobody.Invoke(t.Context(), get, say("x"), new(message)); asked != 2 || len(p.results) != 3 || p.results[0].Class != holdfast.LocalFault || p.results[2].Class != holdfast.Refused {
		t.Errorf("asked %d times: %+v", asked, p.results)
	}
}

// What it says of a call that found no connection holds too.
func TestClassifyIsAskedOfWhatFoundNoConnection(t *testing.T) {
	cc, stop := (&service{}).dialTCP(t)
	stop()
	w := grpcclient.Wrapper{Classify: func(string, *status.Status) (holdfast.Verdict, bool) {
		return holdfast.Verdict{Class: holdfast.Failure}, true
	}}
	p := &probe{}
	nobody := dialed(t, cc.Target()[len("passthrough:///"):], through(w, again(2), p)...)
	if _ = nobody.Invoke(t.Context(), get, say("x"), new(message)); len(p.results) != 1 || p.results[0].Class != holdfast.Failure {
		t.Errorf("%+v", p.results)
	}
}
