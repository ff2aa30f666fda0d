package otel_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
)

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
		client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch(breaker.New(breaker.Options{ConsecutiveFailures: 1, OpenDuration: time.Hour}))...)}
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

// What statuses a server makes up, of each class there is one in the metrics.
func TestMadeUpStatusesAreOneOfTheirClass(t *testing.T) {
	var made []int
	for status := 520; status < 600; status++ {
		made = append(made, status)
	}
	l, w := newLab(t, holdotel.Options{}), newWeb(t, append(made, 503)...)
	client := &http.Client{Transport: httpclient.Wrap(nil, l.Watch()...)}
	defer client.CloseIdleConnections()
	for range len(made) + 1 {
		if err := get(t, t.Context(), client, w.URL); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := net.SplitHostPort(w.Listener.Addr().String())
	m, series := l.metrics(t), 0
	for name := range m {
		if strings.HasPrefix(name, "http.client.request.duration ") {
			series++
		}
	}
	for status, n := range map[string]float64{"500": float64(len(made)), "503": 1} {
		name := "http.client.request.duration error.type=" + status + ",http.request.method=GET,http.response.status_code=" + status + ",server.address=" + host + ",server.port=" + port
		if float64(m[name]) != n || series != 2 {
			t.Errorf("%s: %v, want %v; in all %v", name, m[name], n, m)
		}
	}
}
