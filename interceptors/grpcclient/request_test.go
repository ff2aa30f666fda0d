package grpcclient_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// What cannot be kept is sent at once, and once, by SendMsg.
func TestRequestsThatAreNotKept(t *testing.T) {
	big := strings.Repeat("x", 256<<10)
	for name, c := range map[string]struct {
		cap  int
		ask  any
		kept bool
	}{
		"over the cap":             {0, say(big), false},
		"under the cap":            {0, say(big[:len(big)-10]), true},
		"over a cap of one's own":  {10, say("nine byte"), false},
		"under a cap of one's own": {11, say("nine byte"), true},
		"never":                    {-1, say("x"), false},
		"nothing is kept at -5":    {-5, say(""), false},
		"old protobuf":             {0, protoadapt.MessageV1Of(say("x")), true},
		"no protobuf":              {0, &[]byte{10, 1, 'x'}, false},
		"nil":                      {0, (*message)(nil), false},
	} {
		for _, fails := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
					if fails && n == 1 {
						return unavailable
					}
					return ss.SendMsg(say("ok"))
				}}
				w := all
				w.ReplayCap = c.cap
				p := &probe{}
				cc, stop := s.dial(t, append(through(w, again(3), p), grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesToo{})))...)
				defer stop()
				stream, err := cc.NewStream(t.Context(), listDesc, list)
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.SendMsg(c.ask); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if !c.kept && len(p.calls) != 1 { // one that is kept is sent by a goroutine of its own
					t.Errorf("%s: SendMsg has made %d calls", name, len(p.calls))
				}
				_ = stream.CloseSend()
				if err := stream.SendMsg(c.ask); status.Code(err) != codes.Internal {
					t.Errorf("%s: a second request: %v", name, err)
				}
				got, err := read(stream)
				ok := c.kept || !fails
				if ok && (err != io.EOF || len(got) != 1) || !ok && (status.Code(err) != codes.Unavailable || s.calls.Load() != 1) {
					t.Errorf("%s: %q, %v in %d calls", name, got, err, s.calls.Load())
				}
				p.over(t, len(p.calls))
			})
		}
	}
}

func TestALocalErrorOfSendingIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: sends(nil)}
		for _, cap := range []int{0, -1} {
			p := &probe{}
			cc, stop := s.dial(t, through(grpcclient.Wrapper{ReplayCap: cap}, p)...)
			defer stop()
			stream, err := cc.NewStream(t.Context(), listDesc, list, grpc.MaxCallSendMsgSize(3))
			if err != nil {
				t.Fatal(err)
			}
			err = stream.SendMsg(say("far too long"))
			if got := stream.RecvMsg(new(message)); cap < 0 && err != got || status.Code(got) != codes.ResourceExhausted {
				t.Errorf("cap %d: SendMsg %v, RecvMsg %v", cap, err, got)
			}
			p.over(t, 1)
		}
	})
}

// Receiving may begin on another goroutine before anything is sent.
func TestReceivingWaitsForTheRequest(t *testing.T) {
	for name, cap := range map[string]int{"kept": 0, "not kept": -1} {
		bubble(t, func(t *testing.T) {
			w := all
			w.ReplayCap = cap
			s := &service{list: func(_ int, in string, ss grpc.ServerStream) error { return ss.SendMsg(say("to " + in)) }}
			cc, stop := s.dial(t, through(w, again(3))...)
			defer stop()
			stream, err := cc.NewStream(t.Context(), listDesc, list)
			if err != nil {
				t.Fatal(err)
			}
			type outcome struct {
				got []string
				err error
			}
			read1, header := make(chan outcome, 1), make(chan error, 1)
			go func() {
				got, err := read(stream)
				read1 <- outcome{got, err}
			}()
			go func() {
				_, err := stream.Header()
				header <- err
			}()
			pass(time.Second)
			if s.calls.Load() != 0 {
				t.Error("sent without a request")
			}
			if err := stream.SendMsg(say("x")); err != nil {
				t.Error(err)
			}
			if got := <-read1; got.err != io.EOF || !slices.Equal(got.got, []string{"to x"}) {
				t.Errorf("%s: %+v", name, got)
			}
			if err := <-header; err != nil {
				t.Errorf("%s: header: %v", name, err)
			}
		})
	}
	bubble(t, func(t *testing.T) { // and no longer than the context lasts
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := &service{}
		cc, stop := s.dial(t, through(all, again(3))...)
		defer stop()
		stream, err := cc.NewStream(ctx, listDesc, list)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := stream.RecvMsg(new(message)); status.Code(err) != codes.DeadlineExceeded || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if s.calls.Load() != 0 {
			t.Error("something was sent")
		}
		if err := stream.SendMsg(&[]byte{}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("sending afterwards: %v", err)
		}
	})
}

// A call closed without a request is the server's to judge.
func TestCloseSendWithoutARequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: sends(nil)}
		cc, stop := s.dial(t, through(all, again(3))...)
		defer stop()
		stream, err := cc.NewStream(t.Context(), listDesc, list)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := stream.CloseSend(); err != nil {
				t.Error(err)
			}
		}
		if _, err := read(stream); status.Code(err) != codes.Internal && status.Code(err) != codes.Unknown {
			t.Errorf("got %v", err)
		}
		if err := stream.SendMsg(say("late")); status.Code(err) != codes.Internal {
			t.Errorf("sending after CloseSend: %v", err)
		}
	})
}

// bytesToo is the codec of gRPC that takes raw bytes too, as proxies do.
type bytesToo struct{}

func (bytesToo) Name() string { return "proto" }
func (bytesToo) Marshal(v any) ([]byte, error) {
	if b, ok := v.(*[]byte); ok {
		return *b, nil
	}
	return protoCodec.Marshal(v)
}
func (bytesToo) Unmarshal(b []byte, v any) error { return protoCodec.Unmarshal(b, v) }
