package otel_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
)

// tokened is a transport that fetches a token for each request, by a client of its own.
type tokened struct {
	client *http.Client
	url    string
}

func (k *tokened) RoundTrip(r *http.Request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodHead, k.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	return http.DefaultTransport.RoundTrip(r)
}

// A call that is made within another has a span and metrics of its own, beneath it.
func TestACallWithinACallHasItsOwnSpan(t *testing.T) {
	l := newLab(t, holdotel.Options{})
	w, tokens := newWeb(t, 200), newWeb(t, 200)
	inner := &http.Client{Transport: httpclient.Wrap(nil, l.Watch()...)}
	outer := &http.Client{Transport: httpclient.Wrap(&tokened{inner, tokens.URL}, l.Watch()...)}
	if err := get(t, t.Context(), outer, w.URL); err != nil {
		t.Fatal(err)
	}
	l.want(t, "GET client\n  HEAD client\n")
	if n := l.metrics(t)["http.client.request.duration"]; n != 2 {
		t.Errorf("%d measured", n)
	}
}

// One request that passes two doors has one span.
func TestARequestThroughTwoDoorsHasOneSpan(t *testing.T) {
	l := newLab(t, holdotel.Options{})
	w := newWeb(t, 200)
	client := &http.Client{Transport: httpclient.Wrap(httpclient.Wrap(nil, l.Watch()...), l.Watch()...)}
	if err := get(t, t.Context(), client, w.URL+"/files/a%2Fb?token=sesame"); err != nil {
		t.Fatal(err)
	}
	l.want(t, "GET client\n")
	if url := l.attributes(0)["url.full"]; url != w.URL+"/files/a%2Fb" {
		t.Errorf("%s", url)
	}
}

// T89: no target brings credentials or a query into a span.
func TestT89_NoSecretsInSpans(t *testing.T) {
	for target, want := range map[string]string{
		"https://me:sesame@users.test":        "users.test",
		"https://users.test/a?token=sesame":   "users.test",
		"postgres://me:sesame@users.test:5/x": "users.test",
		"dns:///me:sesame@users.test":         "users.test",
		"dns://8.8.8.8/users.test:80":         "users.test",
		"mine:///users.test:80":               "users.test",
		"me:sesame@users.test:80":             "users.test",
		"me:sesame@users.test":                "users.test",
		"users.test":                          "users.test",
		"[::1]:80":                            "::1",
	} {
		l := newLab(t, holdotel.Options{Attempts: true})
		h := holdfast.Chain(l.Watch(quick(2))...)
		_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: target, Method: "m", Repeatable: true}, func(context.Context) (int, error) { return 0, errors.New("down") })
		for _, s := range l.spans.GetSpans() {
			attrs := append([]attribute.KeyValue(nil), s.Attributes...)
			for _, e := range s.Events {
				attrs = append(attrs, e.Attributes...)
			}
			for _, a := range attrs {
				if strings.Contains(a.Value.Emit(), "sesame") {
					t.Errorf("%s: %s is %s", target, a.Key, a.Value.Emit())
				}
				if a.Key == "server.address" && a.Value.AsString() != want {
					t.Errorf("%s: %s", target, a.Value.AsString())
				}
			}
		}
	}
}
