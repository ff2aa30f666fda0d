package holdfast_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A witness is a policy that counts what passes it, for each transport alike.
type witness struct {
	mu    sync.Mutex
	calls []holdfast.Call
	ends  []holdfast.End
	codes []string
}

func (w *witness) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := next(ctx, call)
		w.mu.Lock()
		w.calls, w.codes = append(w.calls, *call), append(w.codes, res.Class.String())
		w.mu.Unlock()
		res.OnDone(w, 1)
		return res
	}
}

func (w *witness) Done(_ uint64, end holdfast.End) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = append(w.ends, end)
}

// A backend fails every first attempt and answers every second one, over HTTP and
// over gRPC.
type backend struct {
	healthpb.UnimplementedHealthServer
	n atomic.Int32
}

func (b *backend) first() bool { return b.n.Add(1)%2 == 1 }

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	_ = c.EnableFullDuplex()
	if b.first() {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
	_ = c.Flush()
	_, _ = io.Copy(w, r.Body) // streams in both directions
}

func (b *backend) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if b.first() {
		return nil, status.Error(codes.Unavailable, "not yet")
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func (b *backend) Watch(_ *healthpb.HealthCheckRequest, s grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	if b.first() {
		return status.Error(codes.Unavailable, "not yet")
	}
	for range 3 {
		if err := s.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}); err != nil {
			return err
		}
	}
	return nil
}

// The waist holds on every transport: one list of policies, built once, serves
// HTTP with bodies that stream both ways, unary gRPC, a gRPC server stream and a
// plain function, and sees the same of each.
func TestOneListOfPoliciesServesEveryTransport(t *testing.T) {
	b := new(backend)
	web := httptest.NewServer(b)
	defer web.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, b)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()

	calls, attempts := new(witness), new(witness)
	policies := []holdfast.Policy{
		calls,
		timeout.New(timeout.Options{Limit: 20 * time.Second}),
		retry.New(retry.Options{InitialInterval: time.Millisecond}),
		attempts,
		timeout.New(timeout.Options{Limit: 10 * time.Second}),
	}
	client := &http.Client{Transport: httpclient.Wrap(nil, policies...)}
	door := grpcclient.Wrapper{Repeatable: func(string) bool { return true }}
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithChainUnaryInterceptor(door.Unary(policies...)), grpc.WithChainStreamInterceptor(door.Stream(policies...)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	health := healthpb.NewHealthClient(conn)
	plain := holdfast.Chain(policies...)

	for name, use := range map[string]func() error{
		"HTTP": func() error {
			r, w := io.Pipe() // what is written goes out as it comes, on both attempts
			go func() {
				_, _ = io.WriteString(w, "streamed ")
				_, _ = io.WriteString(w, "both ways")
				_ = w.Close()
			}()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, web.URL, r)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); string(got) != "streamed both ways" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			return nil
		},
		"gRPC unary": func() error {
			resp, err := health.Check(t.Context(), new(healthpb.HealthCheckRequest))
			if err == nil && resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("got %v", resp)
			}
			return err
		},
		"gRPC stream": func() error {
			s, err := health.Watch(t.Context(), new(healthpb.HealthCheckRequest))
			if err != nil {
				return err
			}
			n := 0
			for ; ; n++ {
				if _, err = s.Recv(); err != nil {
					break
				}
			}
			if n != 3 {
				t.Errorf("%d messages, want 3", n)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		},
		"function": func() error {
			v, err := holdfast.Do(t.Context(), plain, holdfast.Call{Target: "f", Method: "call", Repeatable: true}, func(context.Context) (string, error) {
				if b.first() {
					return "", errors.New("not yet")
				}
				return "value", nil
			})
			if err == nil && v != "value" {
				t.Errorf("got %q", v)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			*calls, *attempts = witness{}, witness{}
			if err := use(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(calls.codes, " "); got != "success" {
				t.Errorf("around the call: %s, want one success", got)
			}
			if got := strings.Join(attempts.codes, " "); got != "failure success" {
				t.Errorf("around the attempts: %s, want a failure and a success", got)
			}
			if len(calls.ends) != 1 || len(attempts.ends) != 2 || calls.ends[0].Class != holdfast.Success {
				t.Errorf("ends %+v and %+v, want one of the call and one of each attempt", calls.ends, attempts.ends)
			}
			for i, c := range attempts.calls {
				if c.Attempt != i+1 || c.Target == "" || c.Method == "" || c.Record != attempts.calls[0].Record {
					t.Errorf("attempt %d is %+v", i+1, c)
				}
			}
		})
	}
}

// R11 across transports: a layer beneath another one that
// repeats the call does not repeat it too.
func TestR11_LayersOfDifferentTransportsDoNotMultiply(t *testing.T) {
	var sends atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sends.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer web.Close()
	four := func() holdfast.Policy {
		return retry.New(retry.Options{MaxAttempts: 4, InitialInterval: time.Millisecond})
	}
	inner := &http.Client{Transport: httpclient.Wrap(httpclient.Wrap(nil, four()), four())}
	_, _ = holdfast.Do(t.Context(), holdfast.Chain(four()), holdfast.Call{Target: "t", Repeatable: true}, func(ctx context.Context) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL, nil)
		if err != nil {
			return 0, err
		}
		resp, err := inner.Do(req)
		if err != nil {
			return 0, err
		}
		_ = resp.Body.Close()
		return 0, errors.New(resp.Status)
	})
	if n := sends.Load(); n != 4 {
		t.Errorf("%d sends, want 4", n)
	}
}
