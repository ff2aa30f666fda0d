package main

import (
	"context"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
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
