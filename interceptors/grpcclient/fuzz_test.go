package grpcclient_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A model is what a server-streaming call is to its caller, said naively.
type model struct {
	scripts   []string // one for each attempt, the last again and again
	attempts  int
	keeps     bool
	asked     bool   // there is something to be sent
	once      bool   // it cannot be sent again
	begun     bool   // the attempts are through
	cancelled bool   // the caller has
	made      int    // attempts that reached gRPC
	script    string // what is left to be read
	ahead     bool   // its first message was read already
	ended     error
}

// begin makes attempts until one answers. untilSent: to have sent it is answer enough.
func (m *model) begin(untilSent bool) {
	if m.begun {
		return
	}
	m.begun = true
	if m.cancelled {
		m.ended = status.Error(codes.Canceled, "")
		return
	}
	attempts := m.attempts
	if m.once {
		attempts = 1
	}
	for n := range attempts {
		m.made++
		m.script = m.scripts[min(n, len(m.scripts)-1)]
		if m.script == "x" || !untilSent && strings.HasPrefix(m.script, "e") {
			m.ended = unavailable
			continue
		}
		m.ended = nil
		if m.ahead = !untilSent && strings.HasPrefix(m.script, "m"); m.ahead {
			m.script = m.script[1:]
		}
		if !untilSent && !m.ahead {
			m.ended = io.EOF
		}
		return
	}
}

// recv is what the next RecvMsg comes to: nil is a message.
func (m *model) recv() error {
	m.begin(false)
	switch {
	case m.ahead:
		m.ahead = false
		return nil
	case m.ended != nil:
	case m.cancelled:
		m.ended = status.Error(codes.Canceled, "")
	case strings.HasPrefix(m.script, "m"):
		m.script = m.script[1:]
	case strings.HasPrefix(m.script, "e"):
		m.ended = unavailable
	default:
		m.ended = io.EOF
	}
	return m.ended
}

// FuzzServerStream has a caller do what it likes, in any order, to a call whose
// attempts do what they like, and compares with the model.
func FuzzServerStream(f *testing.F) {
	for _, seed := range []struct{ scripts, ops string }{
		{"mm", "scrrr"}, {"e/e/m", "scrr"}, {"e/e/e/m", "scrr"}, {"x/me", "shrrr"}, {"", "schr"}, {"e", "schrr"},
		{"m", "rs"}, {"mm", "cqr"}, {"mmm", "srqrr"}, {"e/m", "kscrr"}, {"x", "ksr"}, {"m/e", "sotrhot"}, {"x/x/", "scrtsr"}, {"", "shqrr"}, {"m", "sshqh"}, {"e", "kcr"}, {"", "rss"},
	} {
		f.Add(seed.scripts, seed.ops)
	}
	f.Fuzz(func(t *testing.T, scripts, ops string) {
		bubble(t, func(t *testing.T) { serverStream(t, scripts, ops) })
	})
}

func serverStream(t *testing.T, scripts, ops string) {
	scripts = strings.ReplaceAll(scripts, "w", "") // nothing here waits
	m := &model{scripts: strings.Split(scripts, "/"), attempts: 3, keeps: !strings.HasPrefix(ops, "k")}
	w := all
	if !m.keeps {
		w.ReplayCap = -1
	}
	var made []*scripted
	p := &probe{}
	finished := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := w.Stream(again(m.attempts), p)(ctx, listDesc, nil, list, below(nil, &made, m.scripts...), grpc.OnFinish(func(error) { finished++ }))
	if err != nil {
		t.Fatal(err)
	}
	for i, op := range ops {
		if (op == 'r' || op == 'h') && !m.asked { // it would wait for the request
			m.cancelled = true
			cancel()
		}
		switch op {
		case 's':
			err := s.SendMsg(say("x"))
			again := m.asked
			m.asked = true
			m.once = m.once || !again && !m.keeps
			switch {
			case again:
				if status.Code(err) != codes.Internal {
					t.Fatalf("%d: a second request: %v", i, err)
				}
			case m.keeps:
				if m.begin(false); err != nil {
					t.Fatalf("%d: keeping the request: %v", i, err)
				}
			default:
				before := m.begun
				if m.begin(true); status.Code(err) != status.Code(m.ended) && !before {
					t.Fatalf("%d: sending the request: %v, want %v", i, err, m.ended)
				}
			}
		case 'c':
			m.asked = true
			if m.begin(false); s.CloseSend() != nil {
				t.Fatalf("%d: CloseSend", i)
			}
		case 'r':
			into := new(message)
			got, want := s.RecvMsg(into), m.recv()
			if status.Code(got) != status.Code(want) || (got == io.EOF) != (want == io.EOF) || (got == nil) != (into.GetValue() == "message") {
				t.Fatalf("%d: received %q, %v; want %v", i, into.GetValue(), got, want)
			}
		case 'h':
			if _, err := s.Header(); err != nil {
				t.Fatalf("%d: Header: %v", i, err)
			}
			m.begin(false)
		case 't':
			s.Trailer()
		case 'o':
			if s.Context() == nil {
				t.Fatalf("%d: no context", i)
			}
		case 'q':
			m.cancelled = true
			cancel()
		}
		synctest.Wait() // what goes on by itself has come as far as it does
	}
	if len(made) != m.made {
		t.Fatalf("%d attempts, want %d", len(made), m.made)
	}
	for i, a := range made {
		if (i < len(made)-1 || m.ended != nil) && a.ctx.Err() == nil {
			t.Errorf("attempt %d of %d is not let go of", i+1, len(made))
		}
		if want := []string{"x"}; len(a.sent) > 1 || len(a.sent) == 1 && !slices.Equal(a.sent, want) {
			t.Errorf("attempt %d sent %q", i+1, a.sent)
		}
	}
	if m.ended != nil && !m.cancelled && (finished != 1 || len(p.ends) != len(p.results)) {
		t.Errorf("OnFinish ran %d times; %d ends of %d results", finished, len(p.ends), len(p.results))
	}
}

// FuzzStatusIn takes any status through the door: it comes out as it came, and its
// verdict is one that the policies know.
func FuzzStatusIn(f *testing.F) {
	f.Add(uint32(0), "fine", false)
	f.Add(uint32(14), "down", true)
	f.Add(uint32(1), "gone", true)
	f.Add(uint32(1<<31), "\xff", false)
	f.Fuzz(func(t *testing.T, code uint32, text string, repeatable bool) {
		want := status.Error(codes.Code(code), text)
		p := &probe{}
		w := grpcclient.Wrapper{Repeatable: func(string) bool { return repeatable }}
		n := 0
		got := w.Unary(again(2), p)(t.Context(), get, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			n++
			return want
		})
		if status.Code(got) != codes.Code(code) || got != nil && status.Convert(got).Message() != text {
			t.Errorf("%v became %v", want, got)
		}
		// CANCELLED is the server's doing, since nobody here has cancelled anything.
		if again := codes.Code(code) == codes.Unavailable || codes.Code(code) == codes.Canceled; (n == 2) != (repeatable && again) {
			t.Errorf("%v: %d attempts", want, n)
		}
		res := p.results[0]
		if res.Code == "" || (res.Reply == nil) != (want != nil) || res.Class.String() == "unknown" {
			t.Errorf("%v: %+v", want, res)
		}
	})
}
