package main

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// The kit checks a policy of one's own by every sentence of the contract.
func TestTheBulkheadKeepsTheContract(t *testing.T) {
	holdfasttest.TestPolicy(t, func() holdfast.Policy {
		return &Bulkhead{Max: 4, Of: func(context.Context) string { return "a" }}
	})
}

func TestOneTenantDoesNotTakeThePlacesOfAnother(t *testing.T) {
	b := &Bulkhead{Max: 5, Of: func(ctx context.Context) string { name, _ := ctx.Value(tenantKey{}).(string); return name }}
	served, rejected := run(holdfast.Chain(b), map[string]int{"greedy": 20, "modest": 1})
	if served["greedy"] != 5 || rejected["greedy"] != 15 || served["modest"] != 1 {
		t.Errorf("served %v, rejected %v", served, rejected)
	}
	if len(b.tenants) != 0 {
		t.Errorf("%d tenants are left", len(b.tenants))
	}
}

// What a policy tells of its state is in the metrics, which do not know it.
func TestTheBulkheadIsInTheMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	metrics, err := holdprom.Register(r, holdprom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := holdfast.Chain(metrics.Watch("users", &Bulkhead{Max: 5, Of: func(context.Context) string { return "a" }})...)
	_, err = holdfast.Do(t.Context(), h, holdfast.Call{Target: "database"}, func(context.Context) (int, error) {
		return 1, testutil.GatherAndCompare(r, strings.NewReader(`
			# HELP holdfast_bulkhead_in_flight Calls of a tenant that are under way.
			# TYPE holdfast_bulkhead_in_flight gauge
			holdfast_bulkhead_in_flight{client="users",tenant="a"} 1
		`), "holdfast_bulkhead_in_flight")
	})
	if err != nil {
		t.Error(err)
	}
}
