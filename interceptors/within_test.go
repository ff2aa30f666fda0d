package interceptors_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// A function that calls a service by a client with policies of its own is not to blame, nor is
// the target that it is named by, when those policies reject the call: nobody was asked.
func TestARejectionWithinBlamesNoOuterTarget(t *testing.T) {
	inner := breaker.New(breaker.Options{})
	inner.Isolate("inner")
	client := &http.Client{Transport: httpclient.Wrap(failing{errors.New("x")}, inner)}
	outer := breaker.New(breaker.Options{})
	h := holdfast.Chain(outer)
	for range 50 {
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "outer"}, func(ctx context.Context) (int, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://inner/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			return 0, err
		})
		if !errors.Is(err, breaker.ErrOpen) {
			t.Fatal(err)
		}
	}
	if s := outer.Status("outer"); s.State != breaker.Closed || s.Failures > 0 {
		t.Errorf("%+v", s)
	}
}
