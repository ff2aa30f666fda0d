package preset_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/timeout"
)

func takesLonger(match ...string) []preset.Route {
	return []preset.Route{{Match: match, Config: preset.Config{Timeout: timeout.Options{Limit: time.Minute}, Attempt: timeout.Options{Limit: time.Minute}}}}
}

// One Stack serves net/http and gRPC: a path and a method may take longer, others of the same
// servers may not.
func TestRoutesAtBothTransports(t *testing.T) {
	polling := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { polls(r.Context()) }))
	defer polling.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, &slow{left: make(chan time.Duration, 100)})
	go func() { _ = server.Serve(l) }()
	defer server.Stop()

	c := quick()
	c.Routes = takesLonger("GET /export/{id}", "/grpc.health.v1.Health/Check")
	s := stackOf(t, c)
	client := &http.Client{Transport: httpclient.Wrap(nil, s)}
	defer client.CloseIdleConnections()
	for path, may := range map[string]bool{"/export/7": true, "/export/7/8": false, "/": false} {
		resp, err := client.Get(polling.URL + path)
		if (err == nil) != may {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	cc, err := grpc.NewClient(l.Addr().String(), append(grpcclient.DialOptions(s), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	health := grpc_health_v1.NewHealthClient(cc)
	if _, err := health.Check(t.Context(), new(grpc_health_v1.HealthCheckRequest)); err != nil {
		t.Errorf("Check: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := health.Watch(ctx, new(grpc_health_v1.HealthCheckRequest))
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("Watch: %v", err)
	}
}

// What routes share is counted once, and what they have for themselves is added.
func TestMetricsOfRoutesDoNotDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		c := preset.Standard()
		c.Routes = append(takesLonger("/s.S/Export"), attemptsOf(2, "/s.S/Get"))
		own := attemptsOf(2, "/s.S/List")
		own.Config.Limit.Max = 7
		c.Routes = append(c.Routes, own)
		h := holdfast.Chain(m.Watch("c", stackOf(t, c))...)
		for _, method := range []string{"/s.S/Export", "/s.S/Get", "/s.S/List", "/o.O/Other"} {
			for range 2 {
				(&holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errServer, Class: holdfast.Failure, Code: "UNKNOWN", After: -1, Delay: time.Second}}}).
					Do(t.Context(), h, holdfast.Call{Target: "t", Method: method})
			}
		}
		check(t, scraped(t, r), map[string]float64{
			"circuits{client=c,state=open,target=t}":           1,
			"circuit_changes_total{client=c,target=t,to=open}": 1,
			"circuit_rejected_total{client=c,target=t}":        3,
			"limit_max{client=c}":                              1000,
		})
		none := func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: errServer, Class: holdfast.Ignored}
		}
		within := -1.0
		for _, what := range []string{"GET http://a/", "/s.S/Export", "/s.S/List"} { // calls under way, one within the other, as the metrics see them
			next := none
			none = func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				within++
				check(t, scraped(t, r), map[string]float64{"limit_in_flight{client=c,target=all}": within})
				h(t.Context(), get(t, what, next))
				return holdfast.Result{Err: errServer, Class: holdfast.Ignored}
			}
		}
		none(t.Context(), nil)
	})
}
