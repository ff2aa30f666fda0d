package otel_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
	"github.com/holdfast-go/holdfast/retry"
)

// A lab is a Telemetry with the SDK's exporters in memory.
type lab struct {
	*holdotel.Telemetry
	spans   *tracetest.InMemoryExporter
	reader  *sdkmetric.ManualReader
	tracers *sdktrace.TracerProvider
}

func newLab(t *testing.T, o holdotel.Options) *lab {
	t.Helper()
	l := &lab{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	l.tracers = sdktrace.NewTracerProvider(sdktrace.WithSyncer(l.spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.reader))
	t.Cleanup(func() { _ = l.tracers.Shutdown(context.Background()); _ = meters.Shutdown(context.Background()) })
	o.TracerProvider, o.MeterProvider, o.Propagator = l.tracers, meters, propagation.TraceContext{}
	l.Telemetry = holdotel.New(o)
	return l
}

// tree writes the spans as a tree: names, kinds, what is asked for of their attributes,
// errors, and their events.
func (l *lab) tree(keys ...string) string {
	spans := l.spans.GetSpans()
	sort.SliceStable(spans, func(i, j int) bool { return spans[i].StartTime.Before(spans[j].StartTime) })
	var b strings.Builder
	var write func(parent trace.SpanID, depth int)
	write = func(parent trace.SpanID, depth int) {
		for _, s := range spans {
			if s.Parent.SpanID() != parent {
				continue
			}
			b.WriteString(strings.Repeat("  ", depth) + s.Name + " " + s.SpanKind.String())
			for _, key := range keys {
				for _, a := range s.Attributes {
					if string(a.Key) == key {
						b.WriteString(" " + a.Value.Emit())
					}
				}
			}
			if s.Status.Code == codes.Error {
				b.WriteString(" ERROR")
			}
			for _, e := range s.Events {
				b.WriteString(" +" + e.Name)
			}
			b.WriteString("\n")
			write(s.SpanContext.SpanID(), depth+1)
		}
	}
	write(trace.SpanID{}, 0)
	return b.String()
}

func (l *lab) want(t *testing.T, tree string, keys ...string) {
	t.Helper()
	lines := strings.Split(strings.Trim(tree, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "\t\t\t")
	}
	if got, want := l.tree(keys...), strings.Join(lines, "\n")+"\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// attributes are those of the n-th span, by when they ended.
func (l *lab) attributes(n int) map[string]string {
	all := map[string]string{}
	for _, a := range l.spans.GetSpans()[n].Attributes {
		all[string(a.Key)] = a.Value.Emit()
	}
	return all
}

// metrics are the histograms: their counts by name and attributes.
func (l *lab) metrics(t *testing.T) map[string]uint64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := l.reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	add := func(name string, attrs attribute.Set, n uint64) {
		found[name] += n
		found[name+" "+attrs.Encoded(attribute.DefaultEncoder())] += n
	}
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Count)
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Count)
				}
			}
		}
	}
	return found
}

// A web is an HTTP server that answers with the statuses in turn, the last one for
// good, and notes the traceparents that it gets.
type web struct {
	*httptest.Server
	parents []string
}

func newWeb(t *testing.T, statuses ...int) *web {
	t.Helper()
	var n atomic.Int32
	w := &web{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		w.parents = append(w.parents, r.Header.Get("Traceparent"))
		rw.WriteHeader(statuses[min(i, len(statuses)-1)])
		_, _ = fmt.Fprint(rw, "answer")
	}))
	t.Cleanup(w.Close)
	return w
}

func get(t *testing.T, ctx context.Context, client *http.Client, url string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func quick(attempts int) *retry.Retry {
	return retry.New(retry.Options{Attempts: attempts, Base: -1, OverloadBase: -1})
}

// T90 over HTTP: a span for each attempt, with resend_count on resends alone, and each
// server is told its own span.
func TestT90_HTTPHasASpanForEachAttempt(t *testing.T) {
	l, w := newLab(t, holdotel.Options{}), newWeb(t, 503, 503, 200)
	client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch(quick(3))...)}
	defer client.CloseIdleConnections()
	ctx, user := l.tracers.Tracer("user").Start(t.Context(), "user's")
	if err := get(t, ctx, client, strings.Replace(w.URL, "http://", "http://me:sesame@", 1)+"/path?token=sesame"); err != nil {
		t.Fatal(err)
	}
	user.End()
	l.want(t, `
			user's internal +holdfast.retry +holdfast.retry
			  GET client GET 503 503 ERROR
			  GET client GET 503 503 1 ERROR
			  GET client GET 200 2
`, "http.request.method", "http.response.status_code", "error.type", "http.request.resend_count")
	for i, s := range l.spans.GetSpans()[:3] {
		if parent := w.parents[i]; !strings.Contains(parent, s.SpanContext.SpanID().String()) {
			t.Errorf("attempt %d tells %q", i+1, parent)
		}
		if s.SpanContext.TraceID() != user.SpanContext().TraceID() {
			t.Error("another trace")
		}
	}
	a := l.attributes(0)
	host, port, _ := net.SplitHostPort(w.Listener.Addr().String())
	if a["server.address"] != host || a["server.port"] != port || a["url.full"] != w.URL+"/path" {
		t.Errorf("%v", a)
	}
	for _, s := range l.spans.GetSpans() {
		if strings.Contains(fmt.Sprint(s), "sesame") {
			t.Errorf("a secret: %v", s)
		}
	}
	m := l.metrics(t)
	if m["http.client.request.duration"] != 3 || m["http.client.request.duration http.request.method=GET,http.response.status_code=200,server.address="+host+",server.port="+port] != 1 {
		t.Errorf("%v", m)
	}
}

func TestHTTPSpansOfHedgesBreakersAndStreams(t *testing.T) {
	t.Run("a hedge that wins", func(t *testing.T) {
		var n atomic.Int32
		w := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				<-r.Context().Done()
			}
		}))
		defer w.Close()
		l := newLab(t, holdotel.Options{})
		client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch(hedge.New(hedge.Options{Delay: 20 * time.Millisecond, Share: -1}))...)}
		defer client.CloseIdleConnections()
		ctx, user := l.tracers.Tracer("user").Start(t.Context(), "user's")
		if err := get(t, ctx, client, w.URL); err != nil {
			t.Fatal(err)
		}
		user.End()
		l.want(t, `
			user's internal +holdfast.hedge +holdfast.hedge_won
			  GET client true
			  GET client 200 1 true
`, "http.response.status_code", "http.request.resend_count", "holdfast.superseded", "holdfast.hedge")
	})
	t.Run("a circuit that is open", func(t *testing.T) {
		l, w := newLab(t, holdotel.Options{}), newWeb(t, 503)
		client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch(breaker.New(breaker.Options{Row: 1, Open: time.Hour}))...)}
		defer client.CloseIdleConnections()
		_ = get(t, t.Context(), client, w.URL)
		l.spans.Reset()
		ctx, user := l.tracers.Tracer("user").Start(t.Context(), "user's")
		if err := get(t, ctx, client, w.URL); !errors.Is(err, breaker.ErrOpen) {
			t.Fatal(err)
		}
		user.End()
		l.want(t, `
			user's internal +holdfast.rejection
`)
	})
	t.Run("a stream", func(t *testing.T) {
		w := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = fmt.Fprintln(rw, "data: x")
				_ = http.NewResponseController(rw).Flush()
				<-time.After(20 * time.Millisecond)
			}
		}))
		defer w.Close()
		l := newLab(t, holdotel.Options{})
		client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch(quick(3))...)}
		defer client.CloseIdleConnections()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL, http.NoBody)
		req.Header.Set("Accept", "text/event-stream")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.spans.GetSpans()) != 0 {
			t.Error("its span has ended before it")
		}
		b := make([]byte, 100)
		for err == nil {
			_, err = resp.Body.Read(b)
		}
		_ = resp.Body.Close()
		l.want(t, `
			GET client 200
`, "http.response.status_code")
		if s := l.spans.GetSpans()[0]; s.EndTime.Sub(s.StartTime) < 50*time.Millisecond {
			t.Errorf("it took %v", s.EndTime.Sub(s.StartTime))
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l := newLab(t, holdotel.Options{})
		client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch()...)}
		if err := get(t, t.Context(), client, "http://127.0.0.1:1/"); err == nil {
			t.Fatal("somebody is there")
		}
		l.want(t, `
			GET client dial ERROR
`, "error.type")
	})
}

// A client's span that is there already is not doubled: it is the first attempt's.
func TestTheUsersOwnSpansAreNotDoubled(t *testing.T) {
	l, w := newLab(t, holdotel.Options{}), newWeb(t, 503, 200)
	client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch(quick(3))...)}
	defer client.CloseIdleConnections()
	ctx, own := l.tracers.Tracer("user").Start(t.Context(), "own", trace.WithSpanKind(trace.SpanKindClient))
	if err := get(t, ctx, client, w.URL); err != nil {
		t.Fatal(err)
	}
	own.End()
	l.want(t, `
			own client +holdfast.retry
			  GET client 1
`, "http.request.resend_count")
	if !strings.Contains(w.parents[0], own.SpanContext().SpanID().String()) {
		t.Errorf("the first attempt tells %q", w.parents[0])
	}
	if n := l.metrics(t)["http.client.request.duration"]; n != 1 {
		t.Errorf("%d requests measured, want the second alone", n)
	}

	l = newLab(t, holdotel.Options{Traced: true})
	client = &http.Client{Transport: httpclient.Wrap(nil, l.Watch(quick(3))...)}
	defer client.CloseIdleConnections()
	if err := get(t, t.Context(), client, w.URL); err != nil || len(l.spans.GetSpans()) != 0 {
		t.Errorf("%v, %s", err, l.tree())
	}
}

// A health is gRPC's health server, which fails so many times first.
type health struct {
	healthpb.UnimplementedHealthServer
	fails   atomic.Int32
	hang    atomic.Int32
	parents atomic.Value
}

func (h *health) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	old, _ := h.parents.Load().([]string)
	h.parents.Store(append(slices.Clone(old), md.Get("traceparent")...))
	if h.hang.Add(-1) >= 0 {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if h.fails.Add(-1) >= 0 {
		return nil, status.Error(grpccodes.Unavailable, "not now")
	}
	return &healthpb.HealthCheckResponse{}, nil
}

func (h *health) Watch(_ *healthpb.HealthCheckRequest, s grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	for range 3 {
		if err := s.Send(&healthpb.HealthCheckResponse{}); err != nil {
			return err
		}
	}
	return nil
}

func dial(t *testing.T, h *health, policies ...holdfast.Policy) healthpb.HealthClient {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, h)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	w := grpcclient.Wrapper{Repeatable: func(string) bool { return true }}
	cc, err := grpc.NewClient("passthrough:///health:80", append(w.DialOptions(policies...), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return healthpb.NewHealthClient(cc)
}

// T90 over gRPC: one client's span for the call, its attempts beneath on wish, and who
// is told what.
func TestT90_GRPCHasASpanForEachCall(t *testing.T) {
	for _, attempts := range []bool{false, true} {
		l, h := newLab(t, holdotel.Options{Attempts: attempts}), new(health)
		h.fails.Store(2)
		client := dial(t, h, l.Watch(quick(3))...)
		if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		tree := `
			grpc.health.v1.Health/Check client grpc OK 3 +holdfast.retry +holdfast.retry
`
		if attempts {
			tree += `			  Attempt.grpc.health.v1.Health/Check internal grpc UNAVAILABLE ERROR
			  Attempt.grpc.health.v1.Health/Check internal grpc UNAVAILABLE 1 ERROR
			  Attempt.grpc.health.v1.Health/Check internal grpc OK 2
`
		}
		l.want(t, tree, "rpc.system.name", "rpc.response.status_code", "grpc.previous-rpc-attempts", "holdfast.attempts")
		spans := l.spans.GetSpans()
		told, _ := h.parents.Load().([]string)
		for i := range told {
			want := spans[0].SpanContext.SpanID()
			if attempts {
				want = spans[i].SpanContext.SpanID()
			}
			if !strings.Contains(told[i], want.String()) {
				t.Errorf("attempt %d tells %q", i+1, told[i])
			}
		}
		a := l.attributes(len(spans) - 1)
		if len(told) != 3 || a["server.address"] != "health" || a["server.port"] != "80" || a["rpc.method"] != "grpc.health.v1.Health/Check" {
			t.Errorf("%d, %v", len(told), a)
		}
		m := l.metrics(t)
		if m["rpc.client.call.duration"] != 1 || m["grpc.client.call.retries"] != 1 || m["grpc.client.call.retry_delay"] != 1 || m["grpc.client.call.hedges"] != 0 ||
			m["rpc.client.call.duration rpc.method=grpc.health.v1.Health/Check,rpc.response.status_code=OK,rpc.system.name=grpc,server.address=health,server.port=80"] != 1 {
			t.Errorf("%v", m)
		}
	}
}

func TestGRPCSpansOfHedgesBreakersAndStreams(t *testing.T) {
	t.Run("a hedge that wins", func(t *testing.T) {
		l, h := newLab(t, holdotel.Options{Attempts: true}), new(health)
		h.hang.Store(1)
		client := dial(t, h, l.Watch(hedge.New(hedge.Options{Delay: 20 * time.Millisecond, Share: -1}))...)
		if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		l.want(t, `
			grpc.health.v1.Health/Check client OK +holdfast.hedge +holdfast.hedge_won
			  Attempt.grpc.health.v1.Health/Check internal CANCELLED true
			  Attempt.grpc.health.v1.Health/Check internal OK 1 true
`, "rpc.response.status_code", "grpc.previous-rpc-attempts", "holdfast.superseded", "holdfast.hedge")
		if m := l.metrics(t); m["grpc.client.call.hedges"] != 1 {
			t.Errorf("%v", m)
		}
	})
	t.Run("a circuit that is open", func(t *testing.T) {
		l, h := newLab(t, holdotel.Options{Attempts: true}), new(health)
		h.fails.Store(1)
		client := dial(t, h, l.Watch(breaker.New(breaker.Options{Row: 1, Open: time.Hour}))...)
		_, _ = client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		l.spans.Reset()
		_, _ = client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		l.want(t, `
			grpc.health.v1.Health/Check client UNAVAILABLE circuit_open ERROR +holdfast.rejection
`, "rpc.response.status_code", "error.type")
	})
	t.Run("a stream", func(t *testing.T) {
		l, h := newLab(t, holdotel.Options{Attempts: true}), new(health)
		client := dial(t, h, l.Watch(quick(3))...)
		s, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
		for err == nil {
			_, err = s.Recv()
		}
		l.want(t, `
			grpc.health.v1.Health/Watch client OK
			  Attempt.grpc.health.v1.Health/Watch internal OK
`, "rpc.response.status_code")
	})
}

// A plain function has a span of its own kind; a call under a client's span has none.
func TestFunctionsHaveSpans(t *testing.T) {
	l := newLab(t, holdotel.Options{Attempts: true})
	h := holdfast.Chain(l.Watch(quick(2))...)
	n := 0
	_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "db", Method: "select", Repeatable: true}, func(ctx context.Context) (int, error) {
		if !trace.SpanContextFromContext(ctx).IsValid() || holdotel.TraceID(ctx)["trace_id"] == "" {
			t.Error("it is in no trace")
		}
		if n++; n < 2 {
			return 0, errors.New("down")
		}
		return 1, nil
	})
	l.want(t, `
			select internal db +holdfast.retry
			  Attempt.select internal db error ERROR
			  Attempt.select internal db 1
`, "server.address", "error.type", "holdfast.previous_attempts")
	func() {
		defer func() { _ = recover() }()
		_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "db", Method: "select"}, func(context.Context) (int, error) { panic("x") })
	}()
	if n := len(l.spans.GetSpans()); n != 5 {
		t.Errorf("%d spans, a panic's ones among them", n)
	}
	if holdotel.TraceID(context.Background()) != nil {
		t.Error("a trace where there is none")
	}
}

// T89: targets and methods past their bounds are one.
func TestT89_LabelsAreBounded(t *testing.T) {
	l := newLab(t, holdotel.Options{})
	rt := httpclient.Wrap(answering{}, l.Watch()...)
	for i := range 5000 {
		req, _ := http.NewRequestWithContext(t.Context(), fmt.Sprint("M", i), fmt.Sprintf("http://host%d/", i), http.NoBody)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if m := l.metrics(t); len(m) > 110 || m["http.client.request.duration"] != 5000 {
		t.Errorf("%d series of %d requests", len(m), m["http.client.request.duration"])
	}
	if s := l.spans.GetSpans()[0]; s.Name != "HTTP" {
		t.Errorf("a method that nobody knows: %s", s.Name)
	}
}

type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

func ExampleNew() {
	telemetry := holdotel.New(holdotel.Options{})
	client := &http.Client{Transport: httpclient.Wrap(nil, telemetry.Watch(retry.New(retry.Options{}))...)}
	fmt.Printf("%T\n", client.Transport)
	// Output: *httpclient.door
}
