package grpcclient_test

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

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
			"trailers only": func(_ int, _ string, s grpc.ServerStream) error {
				s.SetTrailer(metadata.Pairs("k", "v"))
				return nil
			},
			"header first": func(_ int, _ string, s grpc.ServerStream) error {
				s.SetTrailer(metadata.Pairs("k", "v"))
				return s.SendHeader(metadata.Pairs("k", "v"))
			},
		} {
			bubble(t, func(t *testing.T) {
				s, p := &service{list: list}, &probe{}
				cc, stop := s.dial(t, through(all, again(3), p)...)
				defer stop()
				var finished []error
				var trailer metadata.MD
				stream := lister(t, t.Context(), cc, "x", grpc.Trailer(&trailer), grpc.OnFinish(func(err error) {
					if finished = append(finished, err); !slices.Equal(trailer["k"], []string{"v"}) {
						t.Errorf("%s: trailer %v when it is finished", name, trailer)
					}
				}))
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
				pass(500 * time.Millisecond)
				return ss.SendMsg(say("ok"))
			}}, &probe{}
			cc, stop := s.dial(t, through(all, again(3), p, timeout.New(timeout.Options{Limit: time.Second}))...)
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
