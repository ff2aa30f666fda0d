package otel

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/names"
)

// bounds are the conventions' buckets for durations, in seconds.
var bounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// meters are the instruments. One that cannot be made, since the provider has another
// of its name, is one that does nothing.
type meters struct {
	request metric.Float64Histogram // each attempt over HTTP
	rpc     metric.Float64Histogram // each call over gRPC
	retries metric.Int64Histogram   // gRFC A96, for gRPC
	hedges  metric.Int64Histogram
	delay   metric.Float64Histogram
}

func (m *meters) init(meter metric.Meter) {
	seconds := func(name, what string) metric.Float64Histogram {
		h, _ := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), metric.WithExplicitBucketBoundaries(bounds...))
		return h
	}
	m.request = seconds("http.client.request.duration", "Duration of HTTP client requests.")
	m.rpc = seconds("rpc.client.call.duration", "Measures the duration of an outgoing Remote Procedure Call (RPC).")
	m.delay = seconds("grpc.client.call.retry_delay", "Total time of delay while there is no active attempt during the client call.")
	m.retries, _ = meter.Int64Histogram("grpc.client.call.retries", metric.WithUnit("{retry}"),
		metric.WithDescription("Number of retries during the client call."), metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 5))
	m.hedges, _ = meter.Int64Histogram("grpc.client.call.hedges", metric.WithUnit("{hedge}"),
		metric.WithDescription("Number of hedges during the client call."), metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 5))
}

// A tally is what happened during a call.
type tally struct {
	retries, hedges, wait atomic.Int64
}

type tallyKey struct{}

// seen counts the events of a call in its tally.
type seen struct{ t *Telemetry }

func (s *seen) event(ctx context.Context, e holdfast.Event) {
	sum, ok := ctx.Value(tallyKey{}).(*tally)
	if !ok {
		return
	}
	switch e.Kind {
	case "retry":
		sum.retries.Add(1)
		sum.wait.Add(int64(e.Wait))
	case "hedge":
		sum.hedges.Add(1)
	}
}

// measure takes in what has ended.
func (o *over) measure(end holdfast.End) {
	took := time.Since(o.began).Seconds()
	t, ctx := o.t, o.ctx
	switch {
	case o.theirs: // who traces it measures it
	case o.protocol == "http" && !o.whole && o.call.Sent():
		host, port := o.server()
		attrs := append(make([]attribute.KeyValue, 0, 6), semconv.HTTPRequestMethodKey.String(methodLabel(o.method)), semconv.ServerAddress(host))
		if port != 0 {
			attrs = append(attrs, semconv.ServerPort(port))
		}
		if status, err := strconv.Atoi(string(o.code)); err == nil && len(o.code) == 3 {
			attrs = append(attrs, semconv.HTTPResponseStatusCode(registered(status)))
		}
		if failed(o.protocol, end) {
			code := string(end.Code)
			if status, err := strconv.Atoi(code); err == nil {
				code = strconv.Itoa(registered(status))
			}
			attrs = append(attrs, semconv.ErrorTypeKey.String(code))
		}
		t.meters.request.Record(ctx, took, metric.WithAttributes(attrs...))
	case o.protocol == "grpc" && o.whole:
		host, port := o.server()
		method := t.methods.Of(o.method)
		if method == names.Other {
			method = "_OTHER"
		} else {
			method = strings.TrimPrefix(method, "/")
		}
		attrs := append(make([]attribute.KeyValue, 0, 6), semconv.RPCSystemNameGRPC, semconv.RPCMethod(method), semconv.ServerAddress(host))
		if port != 0 {
			attrs = append(attrs, semconv.ServerPort(port))
		}
		attrs = append(attrs, semconv.RPCResponseStatusCode(o.status(end)))
		if failed(o.protocol, end) {
			attrs = append(attrs, semconv.ErrorTypeKey.String(string(end.Code)))
		}
		t.meters.rpc.Record(ctx, took, metric.WithAttributes(attrs...))
		own := metric.WithAttributes(attribute.String("grpc.method", method), attribute.String("grpc.target", t.targets.Of(o.target)))
		if n := o.tally.retries.Load(); n > 0 { // A96: not recorded where there were none
			t.meters.retries.Record(ctx, n, own)
			t.meters.delay.Record(ctx, time.Duration(o.tally.wait.Load()).Seconds(), own)
		}
		if n := o.tally.hedges.Load(); n > 0 {
			t.meters.hedges.Record(ctx, n, own)
		}
	}
}

// registered is a status as metrics have it: one that is not registered counts as the first of its
// class, as RFC 9110 has clients treat it, so that no server fills the metrics with what it makes up.
func registered(status int) int {
	if http.StatusText(status) == "" {
		return status / 100 * 100
	}
	return status
}

// server is whom metrics name.
func (o *over) server() (host string, port int) {
	if o.t.targets.Of(o.target) == names.Other {
		return names.Other, 0
	}
	host, port, _ = hostPort(o.target)
	return host, port
}

// methodLabel is a method as metrics have it.
func methodLabel(method string) string {
	if httpMethod(method) == method {
		return method
	}
	return "_OTHER"
}
