package otel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
	"github.com/holdfast-go/holdfast/retry"
)

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
