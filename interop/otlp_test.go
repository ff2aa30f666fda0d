package interop_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
	"github.com/holdfast-go/holdfast/retry"
)

// A sink keeps the spans that a collector's receiver has understood.
type sink struct {
	mu    sync.Mutex
	spans []string
}

func (s *sink) consume(_ context.Context, traces ptrace.Traces) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range traces.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				line := span.Name() + " " + span.Kind().String()
				if resends, ok := span.Attributes().Get("http.request.resend_count"); ok {
					line += " " + resends.AsString()
				}
				s.spans = append(s.spans, line)
			}
		}
	}
	return nil
}

// receive starts the OTLP receiver of the OpenTelemetry collector.
func receive(t *testing.T, s *sink) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	_ = l.Close()
	f := otlpreceiver.NewFactory()
	c := f.CreateDefaultConfig().(*otlpreceiver.Config)
	grpcConfig := c.GRPC.GetOrInsertDefault()
	grpcConfig.NetAddr.Endpoint = addr
	c.HTTP = configoptional.None[otlpreceiver.HTTPConfig]()
	traces, err := consumer.NewTraces(s.consume)
	if err != nil {
		t.Fatal(err)
	}
	settings := receiver.Settings{ID: component.NewID(f.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings(), BuildInfo: component.NewDefaultBuildInfo()}
	r, err := f.CreateTraces(t.Context(), settings, c, traces)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Shutdown(context.Background()) })
	return addr
}

// The spans of a call with a retry, through the collector's own receiver.
func TestSpansThroughARealReceiver(t *testing.T) {
	s := new(sink)
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(receive(t, s)), otlptracegrpc.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	telemetry := holdotel.New(holdotel.Options{TracerProvider: tracers})
	client := &http.Client{Transport: httpclient.Wrap(nil, telemetry.Watch(retry.New(retry.Options{InitialInterval: -1}))...)}
	get(t, client, server.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := tracers.Shutdown(ctx); err != nil { // sends what there is
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := fmt.Sprint(s.spans); got != "[GET Client GET Client 1]" {
		t.Errorf("received %s", got)
	}
}

func get(t *testing.T, client *http.Client, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	client.CloseIdleConnections()
}

func inMemory() (*sdktrace.TracerProvider, *tracetest.InMemoryExporter) {
	spans := tracetest.NewInMemoryExporter()
	return sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)), spans
}

// clients counts the client's spans.
func clients(spans *tracetest.InMemoryExporter) (n int) {
	for _, s := range spans.GetSpans() {
		if s.SpanKind.String() == "client" {
			n++
		}
	}
	return n
}

// otelhttp beneath the door, around it, and not there: one client's span for each
// attempt, whoever makes it.
func TestOtelhttpIsNotDoubled(t *testing.T) {
	for name, build := range map[string]func(tracers *sdktrace.TracerProvider, telemetry *holdotel.Telemetry) http.RoundTripper{
		"beneath": func(tp *sdktrace.TracerProvider, telemetry *holdotel.Telemetry) http.RoundTripper {
			return httpclient.Wrap(otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithTracerProvider(tp)), telemetry.Watch(retry.New(retry.Options{InitialInterval: -1}))...)
		},
		"around": func(tp *sdktrace.TracerProvider, telemetry *holdotel.Telemetry) http.RoundTripper {
			return otelhttp.NewTransport(httpclient.Wrap(nil, telemetry.Watch(retry.New(retry.Options{InitialInterval: -1}))...), otelhttp.WithTracerProvider(tp))
		},
		"not there": func(_ *sdktrace.TracerProvider, telemetry *holdotel.Telemetry) http.RoundTripper {
			return httpclient.Wrap(nil, telemetry.Watch(retry.New(retry.Options{InitialInterval: -1}))...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			var parents sync.Map
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				parents.Store(r.Header.Get("Traceparent"), true)
				if n.Add(1) < 3 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			defer server.Close()
			tracers, spans := inMemory()
			telemetry := holdotel.New(holdotel.Options{TracerProvider: tracers, Propagator: propagation.TraceContext{}})
			get(t, &http.Client{Transport: build(tracers, telemetry)}, server.URL)
			if got := clients(spans); got != 3 {
				t.Errorf("%d client's spans of 3 attempts", got)
			}
		})
	}
}

// otelgrpc beneath: its span of each attempt is the client's, and ours of the call is
// internal.
func TestOtelgrpcIsNotDoubled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	tracers, spans := inMemory()
	telemetry := holdotel.New(holdotel.Options{TracerProvider: tracers, Traced: true})
	cc, err := grpc.NewClient(l.Addr().String(), append(grpcclient.DialOptions(telemetry.Watch(retry.New(retry.Options{}))...),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelgrpc.WithTracerProvider(tracers))))...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	if _, err := healthpb.NewHealthClient(cc).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := clients(spans); got != 1 || len(spans.GetSpans()) != 2 {
		t.Errorf("%d client's spans of %d", got, len(spans.GetSpans()))
	}
}
