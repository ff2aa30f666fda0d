package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/observe"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// An observer is something that watches the calls of an HTTP client that retries, and
// what it has seen of them.
type observer struct {
	who  string
	make func(base http.RoundTripper) (do doer, seen func() float64)
}

// The buckets of all histograms here, as holdfast's.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

func durations(name string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Buckets: buckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}, []string{"method"})
}

// total is the sum of all counters and of the observations of a registry.
func total(r *prometheus.Registry, name string) float64 {
	families, err := r.Gather()
	if err != nil {
		panic(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func unobserved(base http.RoundTripper) (doer, func() float64) {
	return ours(base, idle.retry()), func() float64 { return 0 }
}

// silent has an observer that nobody has asked for anything.
func silent(base http.RoundTripper) (doer, func() float64) {
	return ours(base, observe.New(observe.Options{}), idle.retry()), func() float64 { return 0 }
}

func ourPrometheus(base http.RoundTripper) (doer, func() float64) {
	r := prometheus.NewRegistry()
	m, err := holdprom.Register(r, holdprom.Options{})
	if err != nil {
		panic(err)
	}
	return httpclient.Wrap(base, m.Watch("bench", idle.retry())...).RoundTrip, func() float64 { return total(r, "holdfast_attempts_total") }
}

// floorPrometheus is the same by hand: two counters and two histograms, of which the
// series are at hand, and three looks at the clock.
func floorPrometheus(base http.RoundTripper) (doer, func() float64) {
	r := prometheus.NewRegistry()
	count := func(name string) prometheus.Counter {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name}, []string{"method", "code"})
		r.MustRegister(v)
		return v.WithLabelValues("GET", "200")
	}
	calls, attempts := count("calls_total"), count("attempts_total")
	callTimes, attemptTimes := durations("call_seconds"), durations("attempt_seconds")
	r.MustRegister(callTimes, attemptTimes)
	callTime, attemptTime := callTimes.WithLabelValues("GET"), attemptTimes.WithLabelValues("GET")
	inner := ours(base, holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			start := time.Now()
			res := next(ctx, call)
			attempts.Inc()
			attemptTime.Observe(time.Since(start).Seconds())
			calls.Inc()
			callTime.Observe(time.Since(start).Seconds())
			return res
		}
	}), idle.retry())
	return inner, func() float64 { return total(r, "attempts_total") }
}

// promhttpAlone is client_golang's own, around the transport: it sees attempts alone.
func promhttpAlone(base http.RoundTripper) (doer, func() float64) {
	r := prometheus.NewRegistry()
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "attempts_total"}, []string{"method", "code"})
	times := durations("attempt_seconds")
	r.MustRegister(count, times)
	instrumented := promhttp.InstrumentRoundTripperCounter(count, promhttp.InstrumentRoundTripperDuration(times, base))
	return ours(instrumented, idle.retry()), func() float64 { return total(r, "attempts_total") }
}

// spans counts the spans that end.
type spans struct{ n float64 }

func (s *spans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (s *spans) OnEnd(sdktrace.ReadOnlySpan)                     { s.n++ }
func (s *spans) Shutdown(context.Context) error                  { return nil }
func (s *spans) ForceFlush(context.Context) error                { return nil }

func ourSpans(base http.RoundTripper) (doer, func() float64) {
	s := new(spans)
	t := holdotel.New(holdotel.Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s))})
	return httpclient.Wrap(base, t.Watch(idle.retry())...).RoundTrip, func() float64 { return s.n }
}

func otelhttpSpans(base http.RoundTripper) (doer, func() float64) {
	s := new(spans)
	instrumented := otelhttp.NewTransport(base, otelhttp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s))))
	return ours(instrumented, idle.retry()), func() float64 { return s.n }
}

func observers() map[string][]observer {
	return map[string][]observer{
		"nobody listens": {{"bare", unobserved}, {"holdfast", silent}},
		"Prometheus":     {{"bare", unobserved}, {"floor", floorPrometheus}, {"holdfast", ourPrometheus}, {"promhttp", promhttpAlone}},
		"spans":          {{"bare", unobserved}, {"holdfast", ourSpans}, {"otelhttp", otelhttpSpans}},
	}
}

func observedRows() []row {
	var rows []row
	for _, c := range []struct {
		name string
		goal goal
	}{{"nobody listens", goal{times: 1.05, of: "bare", allocs: -1}}, {"Prometheus", goal{more: 250, allocs: -1}}, {"spans", goal{}}} {
		rows = append(rows, row{"Observed, retry over an instant HTTP transport (bare: unobserved)", c.name, func() []subject {
			var subjects []subject
			for _, o := range observers()[c.name] {
				do, _ := o.make(instant{})
				subjects = append(subjects, subject{o.who, calls(do, false)})
			}
			return subjects
		}, c.goal, false})
	}
	return append(rows, row{"Observed, retry of a plain function (bare: unobserved)", "Prometheus", func() []subject {
		m, err := holdprom.Register(prometheus.NewRegistry(), holdprom.Options{})
		if err != nil {
			panic(err)
		}
		f := func(context.Context) (int, error) { return 1, nil }
		subjects := []subject{{who: "bare"}, {who: "holdfast"}}
		for i, run := range []runner{ourFunction(idle.retry()), ourFunction(m.Watch("bench", idle.retry())...)} {
			subjects[i].do = func() {
				if _, err := run(context.Background(), f); err != nil {
					panic(err)
				}
			}
		}
		return subjects
	}, goal{more: 250, allocs: -1}, false})
}
