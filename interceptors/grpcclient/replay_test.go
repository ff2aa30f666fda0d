package grpcclient_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// T66: nothing is repeated once a message has been received.
func TestT66_AServerStreamIsNotRepeatedAfterItsFirstMessage(t *testing.T) {
	for _, begin := range []string{"RecvMsg", "Header"} {
		bubble(t, func(t *testing.T) {
			s, p := &service{list: sends(unavailable, "a", "b")}, &probe{}
			cc, stop := s.dial(t, through(all, again(3), p)...)
			defer stop()
			stream := lister(t, t.Context(), cc, "x")
			if begin == "Header" {
				if md, err := stream.Header(); md == nil || err != nil {
					t.Errorf("header %v, %v", md, err)
				}
			}
			got, err := read(stream)
			if !slices.Equal(got, []string{"a", "b"}) || status.Code(err) != codes.Unavailable || s.calls.Load() != 1 {
				t.Errorf("%s: got %q and %v in %d calls", begin, got, err, s.calls.Load())
			}
			end := p.over(t, 1)[0]
			if p.results[0].Class != holdfast.Success || end.Class != holdfast.Failure || end.Code != "UNAVAILABLE" || end.Err != err {
				t.Errorf("%s: result %+v, end %+v", begin, p.results[0], end)
			}
		})
	}
}

// T66: the attempt limit counts over the whole stream, and what is sent again is
// what was sent first, whatever its owner does with it.
func TestT66_TheAttemptLimitCountsOverTheWholeStream(t *testing.T) {
	for _, begin := range []string{"RecvMsg", "Header"} {
		for fails, want := range []codes.Code{codes.OK, codes.OK, codes.OK, codes.Unavailable, codes.Unavailable} {
			bubble(t, func(t *testing.T) {
				s := &service{}
				s.list = func(n int, _ string, ss grpc.ServerStream) error {
					if n <= fails {
						return unavailable
					}
					return sends(unavailable, "a", "b")(n, "", ss) // and it fails at the end
				}
				cc, stop := s.dial(t, through(all, again(3))...)
				defer stop()
				stream := lister(t, t.Context(), cc, "the question")
				if begin == "Header" {
					if md, err := stream.Header(); (md == nil) != (want != codes.OK) || err != nil {
						t.Errorf("header %v, %v", md, err)
					}
				}
				got, err := read(stream)
				calls := min(fails+1, 3)
				if int(s.calls.Load()) != calls || status.Code(err) != codes.Unavailable || (len(got) == 2) != (want == codes.OK) {
					t.Errorf("%s, %d failures: %d calls, %q, %v", begin, fails, s.calls.Load(), got, err)
				}
				for n := 1; n <= calls; n++ {
					if asked, _ := s.seen.Load(n); asked != "the question" {
						t.Errorf("attempt %d asked %q", n, asked)
					}
				}
			})
		}
	}
}

func TestServerStreamsAreRepeatedOnlyWhereThatIsAllowed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := &service{list: sends(unavailable)}, &probe{}
		cc, stop := s.dial(t, through(grpcclient.Wrapper{}, again(3), p)...)
		defer stop()
		if _, err := read(lister(t, t.Context(), cc, "x")); status.Code(err) != codes.Unavailable || s.calls.Load() != 1 {
			t.Errorf("%v in %d calls", err, s.calls.Load())
		}
		if call := p.calls[0]; call.Repeatable || !call.Stream || call.Unary || call.Method != list || call.Target != cc.Target() {
			t.Errorf("the call is %+v", call)
		}
	})
}

// A stream without a message is over when its first message is asked for.
func TestEmptyStreams(t *testing.T) {
	for _, begin := range []string{"RecvMsg", "Header"} {
		for name, list := range map[string]func(int, string, grpc.ServerStream) error{
			"trailers only": sends(nil),
			"header first":  func(_ int, _ string, s grpc.ServerStream) error { return s.SendHeader(metadata.Pairs("k", "v")) },
		} {
			bubble(t, func(t *testing.T) {
				s, p := &service{list: list}, &probe{}
				cc, stop := s.dial(t, through(all, again(3), p)...)
				defer stop()
				var finished []error
				stream := lister(t, t.Context(), cc, "x", grpc.OnFinish(func(err error) { finished = append(finished, err) }))
				if begin == "Header" {
					if md, err := stream.Header(); err != nil || (name == "header first") != (md != nil) {
						t.Errorf("%s: header %v, %v", name, md, err)
					}
				}
				for range 3 {
					if err := stream.RecvMsg(new(message)); err != io.EOF {
						t.Errorf("%s: %v, want EOF", name, err)
					}
				}
				if end := p.over(t, 1)[0]; end.Class != holdfast.Success || end.Code != "OK" || end.Err != nil {
					t.Errorf("%s: end %+v", name, end)
				}
				if len(finished) != 1 || finished[0] != nil {
					t.Errorf("%s: OnFinish %v", name, finished)
				}
			})
		}
	}
}

// What cannot be kept is sent at once, and once, by SendMsg.
func TestRequestsThatAreNotKept(t *testing.T) {
	big := strings.Repeat("x", grpcclient.DefaultReplayCap)
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
				if sent := len(p.calls) == 1; sent == c.kept {
					t.Errorf("%s: sent by SendMsg: %v", name, sent)
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

// Header, Trailer and Peer are of the last attempt, wherever it ended.
func TestStreamMetadataIsOfTheLastAttempt(t *testing.T) {
	for fails, ok := range map[int]bool{1: true, 5: false} {
		bubble(t, func(t *testing.T) {
			s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
				_ = ss.SetHeader(metadata.Pairs("n", fmt.Sprint(n)))
				ss.SetTrailer(metadata.Pairs("n", fmt.Sprint(n)))
				if n <= fails {
					_ = ss.SendHeader(nil)
					return unavailable
				}
				return ss.SendMsg(say("ok"))
			}}
			cc, stop := s.dial(t, through(all, again(2))...)
			defer stop()
			var header, trailer metadata.MD
			var from peer.Peer
			var finished []error
			stream := lister(t, t.Context(), cc, "x", grpc.OnFinish(func(err error) { finished = append(finished, err) }),
				grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from))
			if stream.Trailer() != nil {
				t.Error("a trailer before the call")
			}
			got, err := read(stream)
			if (len(got) == 1) != ok || (err == io.EOF) != ok {
				t.Errorf("%q, %v", got, err)
			}
			two := []string{"2"}
			if !slices.Equal(header["n"], two) || !slices.Equal(trailer["n"], two) || from.Addr == nil {
				t.Errorf("options: header %v, trailer %v, peer %v", header, trailer, from.Addr)
			}
			md, herr := stream.Header()
			if !slices.Equal(md["n"], two) || herr != nil || !slices.Equal(stream.Trailer()["n"], two) {
				t.Errorf("stream: header %v, %v, trailer %v", md, herr, stream.Trailer())
			}
			want := err
			if ok {
				want = nil
			}
			if len(finished) != 1 || finished[0] != want {
				t.Errorf("OnFinish %v, want %v once", finished, want)
			}
		})
	}
}

// The context is the caller's until the stream is there, and then gRPC's, with
// the peer and the ledger.
func TestContextOfAServerStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
			if n == 1 {
				return unavailable
			}
			return ss.SendMsg(say("ok"))
		}}
		cc, stop := s.dial(t, through(all, again(2))...)
		defer stop()
		stream := lister(t, t.Context(), cc, "x")
		if stream.Context() != t.Context() {
			t.Error("not the caller's context before the call")
		}
		if err := stream.RecvMsg(new(message)); err != nil {
			t.Fatal(err)
		}
		if from, ok := peer.FromContext(stream.Context()); !ok || from.Addr == nil {
			t.Error("no peer in the stream's context")
		}
		if l := holdfast.LedgerOf(stream.Context()); len(l.Attempts) != 2 {
			t.Errorf("ledger %v, want two attempts", l)
		}
		if _, err := read(stream); err != io.EOF {
			t.Error(err)
		}
	})
}

// A limit around the attempt holds until the first message, and what it cuts off
// is repeated.
func TestAnAttemptLimitHoldsUntilTheFirstMessage(t *testing.T) {
	for _, begin := range []string{"RecvMsg", "Header"} {
		bubble(t, func(t *testing.T) {
			s, p := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
				if n < 3 {
					return hangs(ss.Context())
				}
				time.Sleep(500 * time.Millisecond)
				return ss.SendMsg(say("ok"))
			}}, &probe{}
			cc, stop := s.dial(t, through(all, again(3), p, timeout.New(time.Second))...)
			defer stop()
			stream := lister(t, t.Context(), cc, "x")
			start := time.Now()
			if begin == "Header" {
				if _, err := stream.Header(); err != nil {
					t.Error(err)
				}
			}
			got, err := read(stream)
			if took := time.Since(start); took != 2500*time.Millisecond || len(got) != 1 || err != io.EOF {
				t.Errorf("%s: %q, %v after %v", begin, got, err, took)
			}
			p.over(t, 3)
			for i, class := range []holdfast.Class{holdfast.Failure, holdfast.Failure, holdfast.Success} {
				if p.results[i].Class != class {
					t.Errorf("attempt %d: %+v", i+1, p.results[i])
				}
			}
		})
	}
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
			time.Sleep(time.Second)
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
