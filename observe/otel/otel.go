package otel

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/names"
	"github.com/holdfast-go/holdfast/internal/option"
	"github.com/holdfast-go/holdfast/internal/scrub"
)

// scope names what makes these spans and metrics.
const scope = "github.com/holdfast-go/holdfast/observe/otel"

// Options set up a Telemetry. The zero value is the default of every field.
type Options struct {
	// TracerProvider, MeterProvider and Propagator: nil means OpenTelemetry's global
	// ones. Its noop ones switch off.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	Propagator     propagation.TextMapPropagator
	// Attempts has a span for each attempt of a gRPC call or a plain function too,
	// beneath that of the call. Over HTTP there always is.
	Attempts bool
	// Traced says that what is beneath traces each attempt by itself, such as otelgrpc's
	// stats.Handler: no attempt has a span of ours then, and that of a call is internal,
	// since the client's spans are those. An otelhttp.Transport that is the base of
	// the HTTP door is noticed without it; so is a client's span that is around the call:
	// its first attempt is that span, and the others have their own.
	Traced bool
	// MaxTargets and MaxMethods are how many of each have metrics of their own: 0 and
	// negative mean 100; the rest is "other".
	MaxTargets, MaxMethods int
}

// A Telemetry makes spans and metrics. It is safe for concurrent use.
type Telemetry struct {
	o       Options
	tracer  trace.Tracer
	meters  meters
	targets names.Table
	methods names.Table
}

func (o Options) filled() Options {
	o.MaxTargets, o.MaxMethods = option.Of(o.MaxTargets, 100, 100), option.Of(o.MaxMethods, 100, 100)
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.Propagator == nil {
		o.Propagator = otel.GetTextMapPropagator()
	}
	return o
}

// New makes a Telemetry.
func New(o Options) *Telemetry {
	o = o.filled()
	t := &Telemetry{o: o, tracer: o.TracerProvider.Tracer(scope)}
	t.targets.Most, t.targets.Clean, t.methods.Most = o.MaxTargets, scrub.Name, o.MaxMethods
	t.meters.init(o.MeterProvider.Meter(scope))
	return t
}

// Watch puts the tracing around the policies of a client: outside them all what is of
// calls, inside them all what is of attempts. Put it outside of other observers, so
// that they see the spans in their contexts.
func (t *Telemetry) Watch(policies ...holdfast.Policy) []holdfast.Policy {
	if t == nil || t.tracer == nil { // New has not made it
		return policies
	}
	all := append([]holdfast.Policy{holdfast.PolicyFunc(t.calls)}, policies...)
	return append(all, holdfast.PolicyFunc(t.attempts))
}

// TraceID returns the IDs of the trace and the span that ctx is in, where they are
// sampled, for an exemplar (observe/prometheus) or a log; nil: there is none.
func TraceID(ctx context.Context) map[string]string {
	s := trace.SpanContextFromContext(ctx)
	if !s.IsSampled() || !s.IsValid() {
		return nil
	}
	return map[string]string{"trace_id": s.TraceID().String(), "span_id": s.SpanID().String()}
}

// What a Sender may tell of itself; our doors do.
type (
	protocol interface{ Protocol() string }
	request  interface{ Request() *http.Request }
	based    interface{ Base() http.RoundTripper }
)

// protocolOf returns "http", "grpc" or, for plain functions, "".
func protocolOf(call *holdfast.Call) string {
	if p, ok := call.Sender.(protocol); ok {
		return p.Protocol()
	}
	return ""
}

// traced reports whether what is beneath the call traces its attempts.
func (t *Telemetry) traced(call *holdfast.Call) bool {
	if t.o.Traced {
		return true
	}
	b, ok := call.Sender.(based)
	if !ok {
		return false
	}
	return strings.HasSuffix(fmt.Sprintf("%T", b.Base()), "otelhttp.Transport")
}

// within reports whether the call is made under a client's span that is its own:
// somebody else's, or ours of a door around this one that the same request came
// through. Another would double it. Beneath a span of ours for another request, as one
// that fetches a token for it, the call has its own.
func within(ctx context.Context, call *holdfast.Call) bool {
	span := trace.SpanFromContext(ctx)
	is, ok := span.(interface{ SpanKind() trace.SpanKind })
	if !ok || is.SpanKind() != trace.SpanKindClient {
		return false
	}
	if ours, _ := ctx.Value(oursKey{}).(trace.SpanID); ours != span.SpanContext().SpanID() {
		return true
	}
	outer := holdfast.CallFrom(ctx)
	return outer != nil && outer.Target == call.Target && outer.Method == call.Method
}

// oursKey finds the ID of the span that we began last.
type oursKey struct{}

// start begins a span.
func (t *Telemetry) start(ctx context.Context, o *over, kind trace.SpanKind) {
	ctx, o.span = t.tracer.Start(ctx, o.name(), trace.WithSpanKind(kind), trace.WithAttributes(o.attributes()...))
	o.ctx = context.WithValue(ctx, oursKey{}, o.span.SpanContext().SpanID())
}

// A carrier puts what propagates on an attempt.
type carrier struct {
	ctx  context.Context
	call *holdfast.Call
}

func (c *carrier) Get(string) string     { return "" }
func (c *carrier) Set(key, value string) { c.ctx = c.call.WithHeader(c.ctx, key, value) }
func (c *carrier) Keys() []string        { return nil }

// propagated returns a context under which the attempt tells its server the trace.
func (t *Telemetry) propagated(ctx context.Context, call *holdfast.Call) context.Context {
	c := &carrier{ctx, call}
	t.o.Propagator.Inject(ctx, c)
	return c.ctx
}

// event puts what a policy decided on the span that it was decided under.
func event(ctx context.Context, e holdfast.Event) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	var attrs []attribute.KeyValue
	for _, a := range e.LogValue().Group() {
		key := "holdfast." + a.Key
		v := a.Value.Resolve()
		if a.Key == "target" || a.Key == "endpoint" {
			v = slog.StringValue(scrub.Name(v.String()))
		}
		switch v.Kind().String() {
		case "Int64":
			attrs = append(attrs, attribute.Int64(key, v.Int64()))
		case "Bool":
			attrs = append(attrs, attribute.Bool(key, v.Bool()))
		case "Duration":
			attrs = append(attrs, attribute.Float64(key+"_seconds", v.Duration().Seconds()))
		default:
			attrs = append(attrs, attribute.String(key, scrub.Text(v.String())))
		}
	}
	span.AddEvent("holdfast."+e.Kind, trace.WithAttributes(attrs...))
}
