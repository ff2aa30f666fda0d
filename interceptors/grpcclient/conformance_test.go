package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A kind is how one sort of call describes itself to the conformance kit. The
// service is asked for the outcome by name.
type kind struct {
	method  string
	without []holdfasttest.Outcome
	call    func(ctx context.Context, cc *grpc.ClientConn, o holdfasttest.Outcome) (io.Reader, error)
}

var kinds = map[string]kind{
	// A reply is over when it is there, and no code says that a server did nothing.
	"unary": {get, []holdfasttest.Outcome{holdfasttest.Stalling, holdfasttest.Truncated, holdfasttest.Refusing},
		func(ctx context.Context, cc *grpc.ClientConn, o holdfasttest.Outcome) (io.Reader, error) {
			return nil, cc.Invoke(ctx, get, say(string(o)), new(message))
		}},
	"server stream": {list, []holdfasttest.Outcome{holdfasttest.Refusing},
		func(ctx context.Context, cc *grpc.ClientConn, o holdfasttest.Outcome) (io.Reader, error) {
			s, err := cc.NewStream(ctx, listDesc, list)
			if err != nil {
				return nil, err
			}
			first := new(message)
			if err := errors.Join(s.SendMsg(say(string(o))), s.CloseSend()); err != nil {
				return nil, err
			}
			if err := s.RecvMsg(first); err != nil {
				return nil, err
			}
			return &words{s, first.GetValue()}, nil
		}},
	// It is there before the server has said anything.
	"bidi": {chat, []holdfasttest.Outcome{holdfasttest.Failed, holdfasttest.Hanging, holdfasttest.Refusing},
		func(ctx context.Context, cc *grpc.ClientConn, o holdfasttest.Outcome) (io.Reader, error) {
			s, err := cc.NewStream(ctx, chatDesc, chat)
			if err != nil {
				return nil, err
			}
			return &words{s, ""}, s.SendMsg(say(string(o)))
		}},
}

// The door keeps a transport's half of the contract, for each kind of call.
func TestTheDoorKeepsTheContract(t *testing.T) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			holdfasttest.TestTransport(t, holdfasttest.Transport{
				Method: k.method, Without: k.without, CloseCancels: true,
				Open: k.open,
			})
		})
	}
}

func (k kind) open(t testing.TB, setup holdfasttest.Setup) holdfasttest.Client {
	s := &service{
		get:  func(ctx context.Context, _ int, in string) (string, error) { return in, outcome(ctx, in, nil) },
		list: func(_ int, in string, ss grpc.ServerStream) error { return outcome(ss.Context(), in, ss) },
		stream: func(_ int, ss grpc.ServerStream) error {
			m := new(message)
			if err := ss.RecvMsg(m); err != nil {
				return err
			}
			return outcome(ss.Context(), m.GetValue(), ss)
		},
	}
	var network holdfasttest.Network
	l, err := network.Listen("users:1")
	if err != nil {
		t.Fatal(err)
	}
	cc, stop := s.serve(t, l, grpc.WithContextDialer(network.Dial),
		grpc.WithChainUnaryInterceptor(grpcclient.Wrapper{}.Unary(setup.Policies...), func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			setup.Beneath(ctx)
			return next(ctx, method, req, reply, cc, opts...)
		}),
		grpc.WithChainStreamInterceptor(grpcclient.Wrapper{}.Stream(setup.Policies...), func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			setup.Beneath(ctx)
			return next(ctx, desc, cc, method, opts...)
		}))
	t.Cleanup(stop)
	return func(ctx context.Context, o holdfasttest.Outcome) (io.ReadCloser, error) {
		ctx, cancel := context.WithCancel(ctx)
		kept := false
		defer func() {
			if !kept {
				cancel()
			}
		}()
		r, err := k.call(ctx, cc, o)
		if err != nil || r == nil {
			return nil, err
		}
		if o == holdfasttest.Truncated {
			r = io.MultiReader(io.LimitReader(r, 1), cut(func() { network.Cut("users:1") }), r)
		}
		kept = true
		return closing{r, cancel}, nil
	}
}

// outcome does on the server what was asked for; ss is nil for a unary call.
func outcome(ctx context.Context, o string, ss grpc.ServerStream) error {
	switch holdfasttest.Outcome(o) {
	case holdfasttest.Failed:
		return unavailable
	case holdfasttest.Hanging:
		return hangs(ctx)
	case holdfasttest.Stalling, holdfasttest.Truncated:
		if err := ss.SendMsg(say(o)); err != nil {
			return err
		}
		return hangs(ctx)
	}
	if ss == nil {
		return nil
	}
	return errors.Join(ss.SendMsg(say("some")), ss.SendMsg(say("more")))
}

// A words is a stream as a Reader.
type words struct {
	s    grpc.ClientStream
	left string
}

func (w *words) Read(p []byte) (int, error) {
	for w.left == "" {
		m := new(message)
		if err := w.s.RecvMsg(m); err != nil {
			return 0, err
		}
		w.left = m.GetValue()
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	return n, nil
}

// A cut does something in the midst of reading.
type cut func()

func (f cut) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

type closing struct {
	io.Reader
	cancel context.CancelFunc
}

func (c closing) Close() error {
	c.cancel()
	return nil
}
