package main

import (
	"net/http"
	"slices"
	"testing"
)

// Both clients address the service by its logical name, and leave the caller's
// request alone.
func TestRotatingSendsACopy(t *testing.T) {
	var hosts []string
	next := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if r.Host != target {
			t.Errorf("sent for %q", r.Host)
		}
		hosts = append(hosts, r.URL.Host)
		return respond(r, http.StatusOK, nil), nil
	})
	r := &rotating{nodes: []string{"a", "b"}, next: next}
	req, _, err := request(arrival{id: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		resp, err := r.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if !slices.Equal(hosts, []string{"b", "a", "b", "a"}) || req.URL.Host != target {
		t.Errorf("sent to %q, and the caller's request says %q", hosts, req.URL.Host)
	}
}

func TestPostsCarryAnIdempotencyKey(t *testing.T) {
	get, payload, err := request(arrival{id: 1})
	if err != nil || payload != nil || get.Header.Get("Idempotency-Key") != "" || get.Method != http.MethodGet {
		t.Errorf("GET: %v %q, %v", get.Header, payload, err)
	}
	post, payload, err := request(arrival{id: 2, post: true})
	if err != nil || string(payload) != "order 2" || post.Header.Get("Idempotency-Key") != `"storm-2"` || post.GetBody == nil {
		t.Errorf("POST: %v %q, %v", post.Header, payload, err)
	}
}
