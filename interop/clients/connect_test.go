package clients

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast/timeout"
)

// Streams of a server in the protocols that Connect speaks over HTTP/1, with pauses longer than any
// limit. Where the first message comes late, and with it the header, the call asks for the time.
func TestConnectServerStreams(t *testing.T) {
	const every = 10 * time.Minute
	const procedure = "/clients.Counter/Count"
	count := connect.NewServerStreamHandler(procedure, func(ctx context.Context, in *connect.Request[emptypb.Empty], out *connect.ServerStream[wrapperspb.Int64Value]) error {
		wait := time.Duration(0)
		if in.Header().Get("Late") != "" {
			wait = every
		}
		for i := range int64(5) {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return ctx.Err()
			}
			wait = every
			if err := out.Send(wrapperspb.Int64(i)); err != nil {
				return err
			}
		}
		return nil
	})
	for name, protocol := range map[string]connect.ClientOption{"connect": connect.WithSendGzip(), "json": connect.WithProtoJSON(), "gRPC-Web": connect.WithGRPCWeb()} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %v", name, late), func(t *testing.T) {
				with(t, count, func(t *testing.T, through http.RoundTripper) {
					c := connect.NewClient[emptypb.Empty, wrapperspb.Int64Value](&http.Client{Transport: through}, "http://counter.test"+procedure, protocol)
					ctx, req, waits := t.Context(), connect.NewRequest(new(emptypb.Empty)), 4
					if late {
						req.Header().Set("Late", "yes")
						ctx, waits = timeout.WithLimit(ctx, -1), 5
					}
					began := time.Now()
					stream, err := c.CallServerStream(ctx, req)
					if err != nil {
						t.Fatal(err)
					}
					n := int64(0)
					for ; stream.Receive(); n++ {
						if got := stream.Msg().GetValue(); got != n {
							t.Errorf("%d, want %d", got, n)
						}
					}
					if err := stream.Err(); err != nil || n != 5 || time.Since(began) != time.Duration(waits)*every {
						t.Errorf("%d messages in %v: %v", n, time.Since(began), err)
					}
					_ = stream.Close()
				})
			})
		}
	}
}
