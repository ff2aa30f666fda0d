package holdfasttest_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/holdfast-go/holdfast/holdfasttest"
)

// sleeper is a gRPC service without generated code: Wait answers after as long as
// it is asked to, and Ticks answers every second, without end.
var sleeper = grpc.ServiceDesc{
	ServiceName: "test.Sleeper",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Wait",
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var d durationpb.Duration
			if err := decode(&d); err != nil {
				return nil, err
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(d.AsDuration()):
				return new(emptypb.Empty), nil
			}
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName:    "Ticks",
		ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				select {
				case <-stream.Context().Done():
					return stream.Context().Err()
				case <-time.After(time.Second):
					if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
						return err
					}
				}
			}
		},
	}},
}

// R19, the ground of it: a real gRPC server and client run in a bubble.
func TestR19_GRPCRunsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		holdfasttest.CheckLeaks(t)
		var n holdfasttest.Network
		l, err := n.Listen("users:1")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		server.RegisterService(&sleeper, nil)
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		t.Cleanup(func() {
			server.Stop()
			if err := <-served; err != nil {
				t.Errorf("Serve = %v", err)
			}
		})
		conn, err := grpc.NewClient("passthrough:///users:1", grpc.WithContextDialer(n.Dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })

		start := time.Now()
		if err := conn.Invoke(t.Context(), "/test.Sleeper/Wait", durationpb.New(90*time.Minute), new(emptypb.Empty)); err != nil || time.Since(start) != 90*time.Minute {
			t.Errorf("Wait: %v after %v, want exactly 90 min", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		start = time.Now()
		stream, err := conn.NewStream(ctx, &sleeper.Streams[0], "/test.Sleeper/Ticks")
		if err != nil {
			t.Fatal(err)
		}
		stream.SendMsg(new(emptypb.Empty))
		stream.CloseSend()
		ticks := 0
		for err = nil; err == nil; ticks++ {
			err = stream.RecvMsg(new(emptypb.Empty))
		}
		if ticks != 4 || status.Code(err) != codes.DeadlineExceeded || err == io.EOF || time.Since(start) != 3500*time.Millisecond {
			t.Errorf("the stream gave %d messages and then %v after %v; want 3 and the deadline after exactly 3.5 s", ticks-1, err, time.Since(start))
		}
		n.Cut("users:1")
		n.Set("users:1", holdfasttest.Conditions{Refuse: true})
		synctest.Wait()
		if err := conn.Invoke(t.Context(), "/test.Sleeper/Wait", durationpb.New(0), new(emptypb.Empty)); status.Code(err) != codes.Unavailable {
			t.Errorf("a server that cannot be reached: %v", err)
		}
	})
}
