package grpcclient_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
)

// A message is what the service of these tests speaks in; no protoc is needed.
type message = wrapperspb.StringValue

func say(s string) *message { return wrapperspb.String(s) }

const (
	get  = "/test.Service/Get"
	list = "/test.Service/List"
	put  = "/test.Service/Put"
	chat = "/test.Service/Chat"
)

var (
	listDesc = &grpc.StreamDesc{StreamName: "List", ServerStreams: true}
	putDesc  = &grpc.StreamDesc{StreamName: "Put", ClientStreams: true}
	chatDesc = &grpc.StreamDesc{StreamName: "Chat", ServerStreams: true, ClientStreams: true}
)

// A service is a real gRPC server with four methods, one of each kind. n counts
// the calls that have come in, from 1.
type service struct {
	get    func(ctx context.Context, n int, in string) (string, error)
	list   func(n int, in string, s grpc.ServerStream) error
	stream func(n int, s grpc.ServerStream) error // Put and Chat
	native bool                                   // gRPC's own retry stays on
	calls  atomic.Int32
	seen   sync.Map // n → what was asked
}

func (s *service) sees(in string) int {
	n := int(s.calls.Add(1))
	s.seen.Store(n, in)
	return n
}

func (s *service) desc(name string) *grpc.ServiceDesc {
	stream := func(_ any, ss grpc.ServerStream) error { return s.stream(s.sees(""), ss) }
	return &grpc.ServiceDesc{
		ServiceName: name, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(message)
			if err := dec(in); err != nil {
				return nil, err
			}
			out, err := s.get(ctx, s.sees(in.GetValue()), in.GetValue())
			return say(out), err
		}}},
		Streams: []grpc.StreamDesc{
			{StreamName: "List", ServerStreams: true, Handler: func(_ any, ss grpc.ServerStream) error {
				in := new(message)
				if err := ss.RecvMsg(in); err != nil {
					return err
				}
				return s.list(s.sees(in.GetValue()), in.GetValue(), ss)
			}},
			{StreamName: "Put", ClientStreams: true, Handler: stream},
			{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: stream},
		},
	}
}

// dial serves s in memory and returns a connection to it, and what ends both.
func (s *service) dial(tb testing.TB, opts ...grpc.DialOption) (cc *grpc.ClientConn, stop func()) {
	tb.Helper()
	l := bufconn.Listen(1 << 20)
	return s.serve(tb, l, append(opts, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))...)
}

// dialTCP does so over the loopback interface.
func (s *service) dialTCP(tb testing.TB, opts ...grpc.DialOption) (cc *grpc.ClientConn, stop func()) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return s.serve(tb, l, opts...)
}

func (s *service) serve(tb testing.TB, l net.Listener, opts ...grpc.DialOption) (cc *grpc.ClientConn, stop func()) {
	tb.Helper()
	srv := grpc.NewServer()
	srv.RegisterService(s.desc("test.Service"), nil)
	srv.RegisterService(s.desc("test.Undeclared"), nil)
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...) // a test may have its own
	if !s.native {
		opts = append(opts, grpc.WithDisableRetry())
	}
	cc, err := grpc.NewClient("passthrough:///"+l.Addr().String(), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return cc, func() {
		_ = cc.Close()
		srv.Stop()
		<-served
	}
}

// bubble runs f in virtual time. A goroutine that is left behind fails the test.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// pass lets virtual time pass, in a bubble.
func pass(d time.Duration) { time.Sleep(d) }

// all makes every method repeatable.
var all = grpcclient.Wrapper{Repeatable: func(string) bool { return true }}

// through is a connection's interceptors: the door's, over the policies.
func through(w grpcclient.Wrapper, policies ...holdfast.Policy) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(w.Unary(policies...)),
		grpc.WithChainStreamInterceptor(w.Stream(policies...)),
	}
}

// again repeats at once, with no budget to run dry.
func again(attempts int) *retry.Retry {
	return retry.New(retry.Options{MaxAttempts: attempts, InitialInterval: -1, Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true})})
}

// A probe is a policy that notes Results and the ends of Replies.
type probe struct {
	mu       sync.Mutex
	calls    []holdfast.Call
	results  []holdfast.Result
	ends     []holdfast.End
	progress []bool
}

func (p *probe) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		seen := holdfast.Call{Target: call.Target, Method: call.Method, Repeatable: call.Repeatable, Stream: call.Stream, Unary: call.Unary, Attempt: call.Attempt}
		res := next(ctx, call)
		p.mu.Lock()
		p.calls, p.results = append(p.calls, seen), append(p.results, res)
		p.mu.Unlock()
		res.OnDone(p, 0)
		return res
	}
}

func (p *probe) Done(_ uint64, end holdfast.End) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = append(p.ends, end)
}

func (p *probe) Progress(_ uint64, waiting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress = append(p.progress, waiting)
}

// over returns the ends so far, of which there shall be n.
func (p *probe) over(t *testing.T, n int) []holdfast.End {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ends) != n || len(p.results) != n {
		t.Fatalf("%d results and %d ends, want %d: %+v", len(p.results), len(p.ends), n, p.ends)
	}
	return p.ends
}

// answering is a policy that answers without sending anything.
func answering(res holdfast.Result) holdfast.Policy {
	return holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result { return res }
	})
}

// lister opens a List stream with its request sent.
func lister(t *testing.T, ctx context.Context, cc *grpc.ClientConn, ask string, opts ...grpc.CallOption) grpc.ClientStream {
	t.Helper()
	s, err := cc.NewStream(ctx, listDesc, list, opts...)
	if err != nil {
		t.Fatalf("creating the stream: %v", err)
	}
	in := say(ask)
	if err := s.SendMsg(in); err != nil {
		t.Fatalf("sending: %v", err)
	}
	in.Value = "changed by its owner"
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads a stream to its end: the messages, and what ended it.
func read(s grpc.ClientStream) (got []string, err error) {
	for {
		m := new(message)
		if err := s.RecvMsg(m); err != nil {
			return got, err
		}
		got = append(got, m.GetValue())
	}
}

// sends makes a List method that sends the words and ends with err.
func sends(err error, words ...string) func(int, string, grpc.ServerStream) error {
	return func(_ int, _ string, s grpc.ServerStream) error {
		for _, w := range words {
			if err := s.SendMsg(say(w)); err != nil {
				return err
			}
		}
		return err
	}
}

// echoes is a Chat method that answers each message; a Put method too, at the end.
func echoes(_ int, s grpc.ServerStream) error {
	last := ""
	for {
		m := new(message)
		switch err := s.RecvMsg(m); {
		case err == io.EOF:
			return s.SendMsg(say("end after " + last))
		case err != nil:
			return err
		}
		last = m.GetValue()
		if last == "fail" {
			return unavailable
		}
		if last == "chat" {
			if err := s.SendMsg(m); err != nil {
				return err
			}
		}
	}
}

var unavailable = status.Error(codes.Unavailable, "down")

// failsFirst answers n calls with err and then with "ok".
func failsFirst(n int, err error) func(context.Context, int, string) (string, error) {
	return func(_ context.Context, call int, _ string) (string, error) {
		if call <= n {
			return "", err
		}
		return "ok", nil
	}
}

// hangs answers when its client has gone, at the latest in a day.
func hangs(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(24 * time.Hour):
	}
	return ctx.Err()
}

// protoCodec is gRPC's codec for protocol buffers, in the form that can be forced.
var protoCodec = flatCodec{}

type flatCodec struct{}

func (flatCodec) Marshal(v any) ([]byte, error) {
	out, err := encoding.GetCodecV2("proto").Marshal(v)
	if err != nil {
		return nil, err
	}
	defer out.Free()
	return out.Materialize(), nil
}

func (flatCodec) Unmarshal(b []byte, v any) error {
	return encoding.GetCodecV2("proto").Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, v)
}

// loud stands for a test where there is none, in an Example.
type loud struct{ testing.TB }

func (loud) Helper()           {}
func (loud) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
