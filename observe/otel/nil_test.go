package otel_test

import (
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/observe/otel"
	"github.com/holdfast-go/holdfast/retry"
)

// Telemetry that New has not made traces nothing, and leaves the policies as they are.
func TestNilTelemetryIsHarmless(t *testing.T) {
	r := retry.New(retry.Options{})
	for _, telemetry := range []*otel.Telemetry{nil, {}} {
		if policies := telemetry.Watch(r); len(policies) != 1 || policies[0] != holdfast.Policy(r) {
			t.Errorf("%v", policies)
		}
	}
}
