package otel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

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
	return retry.New(retry.Options{MaxAttempts: attempts, InitialInterval: -1, OverloadInterval: -1})
}
