package holdfast_test

import (
	"testing"

	"github.com/holdfast-go/holdfast"
)

// What may be sent again whatever the call is may be sent again when it is repeatable.
func TestAgainIsMonotonous(t *testing.T) {
	for c := range holdfast.LocalPause + 1 {
		if c.Again(false) && !c.Again(true) {
			t.Errorf("%v may be sent again only when that does harm", c)
		}
		if c.Sample() && c.Server() != holdfast.Healthy {
			t.Errorf("%v is a sample of a server that is %v", c, c.Server())
		}
	}
}

// A value that is no Class harms nobody.
func TestAnUnknownClassSaysNothing(t *testing.T) {
	if next := holdfast.LocalPause + 1; next.String() != "unknown" {
		t.Errorf("%v is the last Class: the tests that go through all of them must have it", next)
	}
	c := holdfast.Class(99)
	if c.Server() != holdfast.Unknown || c.Again(true) || c.Sample() || c.String() != "unknown" || holdfast.Health(99).String() != "unknown" {
		t.Errorf("%v: %v, %v, %v", c, c.Server(), c.Again(true), c.Sample())
	}
}

// The principle: what this process did, or failed to do, tells nothing of a server.
func TestLocalClassesBlameNobody(t *testing.T) {
	for _, c := range []holdfast.Class{holdfast.Ignored, holdfast.LocalFault, holdfast.LocalShortage, holdfast.LocalPause} {
		if c.Server() != holdfast.Unknown {
			t.Errorf("%v says that the server is %v", c, c.Server())
		}
	}
}
