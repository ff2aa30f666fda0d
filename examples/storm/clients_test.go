package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast"
)

func TestRoundRobinTakesTurns(t *testing.T) {
	r := &roundRobin{nodes: []string{"a", "b", "c"}}
	none := func(string) bool { return false }
	got := map[string]int{}
	for range 9 {
		got[r.pick(none)]++
	}
	if got["a"] != 3 || got["b"] != 3 || got["c"] != 3 {
		t.Errorf("nine turns: %v", got)
	}
	for range 3 {
		if node := r.pick(func(n string) bool { return n != "b" }); node != "b" {
			t.Errorf("%q was tried already", node)
		}
	}
	for range 3 {
		if node := r.pick(func(string) bool { return true }); !slices.Contains(r.nodes, node) {
			t.Errorf("with all tried it picks %q", node)
		}
	}
}

// Every attempt of a call goes to another node.
func TestRoundRobinAsAPolicy(t *testing.T) {
	var to []string
	send := func(_ context.Context, call *holdfast.Call) holdfast.Result {
		to = append(to, call.Endpoint)
		return holdfast.Result{Err: errors.New("no"), Class: holdfast.Refused, Code: "dial"}
	}
	handler := (&roundRobin{nodes: []string{"a", "b", "c"}}).Wrap(send)
	for range 2 {
		to = nil
		call := &holdfast.Call{Record: new(holdfast.Record)}
		for range 3 {
			handler(t.Context(), call)
			call = call.Again()
		}
		slices.Sort(to)
		if !slices.Equal(to, []string{"a", "b", "c"}) {
			t.Errorf("three attempts went to %q", to)
		}
	}
}

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
