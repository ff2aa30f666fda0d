package preset_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/timeout"
)

// quick is a Config under which a poll of 200 ms cannot be made.
func quick() preset.Config {
	c := preset.Standard()
	c.Timeout.Limit, c.Attempt.Limit = 150*time.Millisecond, 50*time.Millisecond
	return c
}

// polls waits as a long poll does, unless it is given up.
func polls(ctx context.Context) bool {
	timer := time.NewTimer(200 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// One line lets a long poll of a client that is quick otherwise take its time: behind a redirect,
// as a stream whose answer begins late, and hedged.
func TestOneRequestMayTakeLonger(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/poll", http.StatusFound)
			return
		}
		polls(r.Context())
	}))
	defer server.Close()
	hedged := quick()
	hedged.Hedge.MaxHedges, hedged.Hedge.Delay = 1, 10*time.Millisecond
	for name, c := range map[string]struct {
		w      httpclient.Wrapper
		config preset.Config
		path   string
	}{
		"poll": {httpclient.Wrapper{}, quick(), "/poll"}, "redirected": {httpclient.Wrapper{}, quick(), "/moved"}, "hedged": {httpclient.Wrapper{}, hedged, "/poll"},
		"stream": {httpclient.Wrapper{Stream: func(*http.Request) bool { return true }}, quick(), "/poll"},
	} {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: c.w.Wrap(nil, c.config.Policies()...)}
			defer client.CloseIdleConnections()
			for _, asks := range []bool{false, true} {
				ctx := t.Context()
				if asks {
					ctx = timeout.WithLimit(ctx, time.Minute)
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+c.path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if (err == nil) != asks {
					t.Errorf("asked for more time: %v, and %v", asks, err)
				}
				if err == nil {
					_ = resp.Body.Close()
				}
			}
		})
	}
}

// A slow is a health service that takes its time, and says what the client has given it.
type slow struct {
	grpc_health_v1.UnimplementedHealthServer
	left chan time.Duration
}

func (s *slow) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if d, ok := ctx.Deadline(); ok {
		select {
		case s.left <- time.Until(d):
		default:
		}
	}
	if !polls(ctx) {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func (s *slow) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	if !polls(stream.Context()) {
		return status.FromContextError(stream.Context().Err()).Err()
	}
	return stream.Send(&grpc_health_v1.HealthCheckResponse{})
}

// The same over gRPC, where the server learns of the call's own limit, and of a stream until its
// first message.
func TestOneRPCMayTakeLonger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, service := grpc.NewServer(), &slow{left: make(chan time.Duration, 1)}
	grpc_health_v1.RegisterHealthServer(server, service)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	door := grpcclient.Wrapper{Repeatable: func(string) bool { return true }}
	cc, err := grpc.NewClient(l.Addr().String(), append(door.DialOptions(quick().Policies()...), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	client := grpc_health_v1.NewHealthClient(cc)
	watch := func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := client.Watch(ctx, new(grpc_health_v1.HealthCheckRequest))
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	check := func(ctx context.Context) error {
		_, err := client.Check(ctx, new(grpc_health_v1.HealthCheckRequest))
		return err
	}
	more := timeout.WithLimit(t.Context(), time.Minute)
	for name, call := range map[string]func(context.Context) error{"unary": check, "stream": watch} {
		if err := call(t.Context()); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%s: %v, this checks little", name, err)
		}
		if err := call(more); err != nil {
			t.Errorf("%s: %v, though it may take a minute", name, err)
		}
	}
	for len(service.left) > 0 {
		<-service.left
	}
	if err := check(timeout.WithAttemptLimit(timeout.WithLimit(t.Context(), time.Hour), time.Minute)); err != nil {
		t.Error(err)
	}
	if left := <-service.left; left > time.Minute || left < 30*time.Second {
		t.Errorf("the server was given %v, want the attempt's minute", left)
	}
}
