package verdicts_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

const method = "/test.Service/Get"

// A site is a real gRPC server that answers by the status whose number it is asked for. One
// that is negative comes with the word of when to come back.
type site struct {
	*testing.T
	network holdfasttest.Network
}

func (s *site) serve() {
	l, err := s.network.Listen("users:1")
	if err != nil {
		s.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err != nil {
			return err
		}
		n, err := strconv.Atoi(in.GetValue())
		if err != nil || n == 0 {
			return stream.SendMsg(in)
		}
		stream.SetTrailer(metadata.Pairs("holdfast-origin", "stock"))
		answer := status.New(codes.Code(max(n, -n)), "x")
		if n < 0 {
			if answer, err = answer.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(7e9)}); err != nil {
				return err
			}
		}
		return answer.Err()
	}))
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	s.Cleanup(func() { server.Stop(); <-served })
}

// refuse starts what refuses every stream.
func (s *site) refuse(addr string) {
	l, err := s.network.Listen(addr)
	if err != nil {
		s.Fatal(err)
	}
	var served sync.WaitGroup
	s.Cleanup(func() { _ = l.Close(); served.Wait() })
	served.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			served.Go(func() { refusing(c) })
		}
	})
}

func refusing(c net.Conn) {
	defer func() { _ = c.Close() }()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(c, c)
	err := framer.WriteSettings()
	for err == nil {
		var f http2.Frame
		if f, err = framer.ReadFrame(); err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			err = framer.WriteRSTStream(f.StreamID, http2.ErrCodeRefusedStream)
		}
	}
}

// call is a call under a door, in the place of a caller's.
type call struct {
	ask  string
	md   string
	door grpcclient.Wrapper
	dial []grpc.DialOption
	opts []grpc.CallOption
	over bool // the connection is closed before
}

// ask is what policies see of it.
func (s *site) ask(c call) holdfast.Result {
	s.Helper()
	return seen(s.T, func(policies ...holdfast.Policy) {
		opts := append([]grpc.DialOption{
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(s.network.Dial),
		}, c.door.DialOptions(policies...)...)
		cc, err := grpc.NewClient("passthrough:///users:1", append(opts, c.dial...)...)
		if err != nil {
			s.Fatal(err)
		}
		defer func() { _ = cc.Close() }()
		if c.over {
			_ = cc.Close()
		}
		ctx := context.Background()
		if c.md != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "key", c.md)
		}
		_ = cc.Invoke(ctx, method, wrapperspb.String(c.ask), new(wrapperspb.StringValue), c.opts...)
	})
}

func (s *site) all(calls ...call) (results []holdfast.Result) {
	for _, c := range calls {
		results = append(results, s.ask(c))
	}
	return results
}

// A noToken is credentials that cannot be had.
type noToken struct{}

func (noToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, errors.New("no token")
}
func (noToken) RequireTransportSecurity() bool { return false }

// codesOf puts those that are judged alike together, in the order of their numbers.
func codesOf(s *site) (rows []row) {
	for n, name := range rpccode.Names() {
		r := s.ask(call{ask: strconv.Itoa(n)})
		if r.Code != holdfast.Code(name) {
			s.Errorf("%s has the code %q", name, r.Code)
		}
		r.Code = "the status"
		at := slices.IndexFunc(rows, func(o row) bool { return o.seen[0].Class == r.Class && again(o.seen[0]) == again(r) })
		if at < 0 {
			rows = append(rows, row{seen: []holdfast.Result{r}})
			at = len(rows) - 1
		}
		rows[at].outcome = strings.TrimSpace(rows[at].outcome + " " + name)
	}
	return rows
}

// TestTheTableOfCodes asks a real server for each status, and brings about what comes to none.
func TestTheTableOfCodes(t *testing.T) {
	s := &site{T: t}
	s.serve()
	s.refuse("refuses:1")
	dialer := func(err error) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return nil, err })}
	}
	dial := func(err error) error { return &net.OpError{Op: "dial", Err: err} }
	named := func(rows []holdfast.Result) []holdfast.Result {
		for i := range rows {
			rows[i].Code = "the status"
		}
		return rows
	}
	long := strings.Repeat("x", 100)
	trusts := grpcclient.Wrapper{TrustOrigin: func(string) bool { return true }}
	rows := append(codesOf(s),
		row{"RESOURCE_EXHAUSTED that says when to come back", named(s.all(call{ask: "-8"}))},
		row{"UNAVAILABLE of another service, by holdfast-origin", named(s.all(call{ask: "14", door: trusts}))},
		row{"UNAVAILABLE, and there was no connection", named(s.all(call{dial: dialer(dial(syscall.ECONNREFUSED))}))},
		row{"UNAVAILABLE, and its stream was refused", named(s.all(call{dial: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.network.Dial(ctx, "refuses:1") }),
			grpcclient.WireAttempts(nil), // by which it is known what came on a stream
		}}))},
		row{"no port, no file descriptor", s.all(
			call{dial: dialer(dial(os.NewSyscallError("socket", syscall.EMFILE)))}, call{dial: dialer(dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)))})},
		row{"no credentials to be had", s.all(call{opts: []grpc.CallOption{grpc.PerRPCCredentials(noToken{})}}, call{dial: []grpc.DialOption{grpc.WithPerRPCCredentials(noToken{})}})},
		row{"illegal metadata; what cannot be marshalled", s.all(call{md: "caf\u00e9"}, call{ask: "\xff"})},
		row{"a message over this client's own limit, sent or received", s.all(
			call{ask: long, opts: []grpc.CallOption{grpc.MaxCallSendMsgSize(50)}}, call{ask: long, opts: []grpc.CallOption{grpc.MaxCallRecvMsgSize(50)}})},
		row{"a codec or compressor that gRPC does not know", s.all(
			call{opts: []grpc.CallOption{grpc.UseCompressor("none")}}, call{opts: []grpc.CallOption{grpc.CallContentSubtype("none")}})},
		row{"on a connection that this process has closed", s.all(call{over: true})},
	)
	rows = append(rows, ends(t, func(waits func(context.Context), policies ...holdfast.Policy) {
		_ = grpcclient.Wrapper{}.Unary(policies...)(context.Background(), method, nil, nil, nil,
			func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				waits(ctx)
				return status.FromContextError(ctx.Err()).Err()
			})
	})...)
	documented(t, "interceptors/grpcclient/doc.go", "status", rows)
}
