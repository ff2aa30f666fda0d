package interop_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/preset"
)

// cases are gRPC's own, of those that need no credentials of a cloud.
var cases = map[string]func(ctx context.Context, cc *grpc.ClientConn){
	"empty_unary":                 client(interop.DoEmptyUnaryCall),
	"large_unary":                 client(interop.DoLargeUnaryCall),
	"client_streaming":            client(interop.DoClientStreaming),
	"server_streaming":            client(interop.DoServerStreaming),
	"ping_pong":                   client(interop.DoPingPong),
	"empty_stream":                client(interop.DoEmptyStream),
	"timeout_on_sleeping_server":  client(interop.DoTimeoutOnSleepingServer),
	"cancel_after_begin":          client(interop.DoCancelAfterBegin),
	"cancel_after_first_response": client(interop.DoCancelAfterFirstResponse),
	"custom_metadata":             client(interop.DoCustomMetadata),
	"status_code_and_message":     client(interop.DoStatusCodeAndMessage),
	"special_status_message":      client(interop.DoSpecialStatusMessage),
	"unimplemented_service": func(ctx context.Context, cc *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(cc))
	},
	"unimplemented_method": interop.DoUnimplementedMethod,
}

func client(do func(context.Context, testpb.TestServiceClient, ...grpc.CallOption)) func(context.Context, *grpc.ClientConn) {
	return func(ctx context.Context, cc *grpc.ClientConn) { do(ctx, testpb.NewTestServiceClient(cc)) }
}

// Each case ends its process when it fails, so each has one of its own.
const (
	caseVar  = "INTEROP_CASE"
	shareVar = "INTEROP_SHARE"
)

func TestInterop(t *testing.T) {
	if len(cases) != 14 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, share := range []string{"0", "0.5", "1"} {
		for name := range cases {
			t.Run(name+"/"+share, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOneCase$", "-test.v", "-test.count=1")
				cmd.Env = append(os.Environ(), caseVar+"="+name, shareVar+"="+share)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v:\n%s", err, out)
				} else {
					t.Logf("%s", out)
				}
			})
		}
	}
}

// TestOneCase is the process of one case.
func TestOneCase(t *testing.T) {
	name := os.Getenv(caseVar)
	if name == "" {
		t.Skip("TestInterop runs it, once for each case")
	}
	share, err := strconv.ParseFloat(os.Getenv(shareVar), 64)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{share: share}
	cc, hedges := dial(t, h)
	times := 8 // each case makes few calls
	if name == "status_code_and_message" || name == "special_status_message" {
		times = 2 // all of their calls fail, and five in a row open the circuit
	}
	for range times {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cases[name](ctx, cc)
		cancel()
	}
	t.Logf("%d attempts failed and %d delayed; %d hedges", h.failed.Load(), h.delayed.Load(), hedges())
	// What is there that may be made ill, by what the cases are about.
	ill := map[string]bool{"empty_unary": true, "large_unary": true, "server_streaming": true, "custom_metadata": true, "status_code_and_message": true, "special_status_message": true}
	if share == 1 && ill[name] && (h.failed.Load()+h.delayed.Load() == 0 || times > 2 && name != "server_streaming" && (h.failed.Load() == 0 || h.delayed.Load() == 0 || hedges() == 0)) {
		t.Error("the server was to fail and to delay, and the client to hedge")
	}
}

// dial starts the server and returns a client with all of Standard, hedging too.
func dial(t *testing.T, h *hostile) (cc *grpc.ClientConn, hedges func() uint64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(h.unary), grpc.StreamInterceptor(h.stream))
	testpb.RegisterTestServiceServer(server, interop.NewTestServer())
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()

	c := preset.Standard()
	c.Retry.InitialInterval, c.Hedge.MaxHedges, c.Hedge.Delay, c.Hedge.Share = time.Millisecond, 1, 5*time.Millisecond, -1
	c.Budget.Min = 1000 // few calls, and all that may be made ill is
	stack, err := preset.NewStack(c)
	if err != nil {
		t.Fatal(err)
	}
	door := grpcclient.Wrapper{Repeatable: func(string) bool { return true }}
	cc, err = grpc.NewClient(l.Addr().String(), append(door.DialOptions(stack), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cc.Close()
		server.Stop()
		<-served
	})
	return cc, func() uint64 { return stack.Hedge().Stats(cc.Target()).Hedges }
}

// A hostile server fails or delays a share of what a client can make good: first
// attempts, of streams only those with one request, and before their first message.
type hostile struct {
	share           float64
	n               atomic.Int64
	failed, delayed atomic.Int64
}

func (h *hostile) harm(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	n := h.n.Add(1)
	if len(md["grpc-previous-rpc-attempts"]) > 0 || float64(n%2) >= 2*h.share {
		return nil
	}
	if n/2%2 == 0 {
		h.failed.Add(1)
		return status.Error(codes.Unavailable, "hostile")
	}
	h.delayed.Add(1)
	timer := time.NewTimer(30 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (h *hostile) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := h.harm(ctx); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (h *hostile) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if !info.IsClientStream && info.IsServerStream {
		if err := h.harm(ss.Context()); err != nil {
			return err
		}
	}
	return next(srv, ss)
}
