package holdfasttest

import (
	"testing"

	"github.com/holdfast-go/holdfast"
)

// CheckPolicy runs TestPolicy's checks in the bubble that it is called in, until
// enough is reported to r.
func CheckPolicy(r tb, policy func() holdfast.Policy, enough func() bool) {
	for _, c := range policyChecks {
		if !enough() {
			runPolicyCheck(r, policy, c)
		}
	}
}

// CheckTransport runs TestTransport's checks, each in a bubble of its own, until
// enough is reported to r.
func CheckTransport(t *testing.T, r tb, tr Transport, enough func() bool) {
	for _, c := range transportChecks {
		if enough() {
			return
		}
		t.Run(c.name, func(t *testing.T) {
			inTime(t, tr.Sockets, func(t *testing.T) { runTransportCheck(r, t, tr, c) })
		})
	}
}

// Hurry has a test whose checks must fail wait for less.
func Hurry(t *testing.T) {
	old := patience
	patience = old / 20
	t.Cleanup(func() { patience = old })
}

// CheckCallbacks is TestCallbacks, CheckEvents and CheckFigures those of TestPolicy, which report to r.
var (
	CheckCallbacks = runCallbackCheck
	CheckEvents    = runEventCheck
	CheckFigures   = runFigureCheck
)

// Opened is how many bodies there were, Closed how many of them were closed, and
// ClosedAgain how often one that was closed already.
func (b *Bodies) Opened() int      { return int(b.opened.Load()) }
func (b *Bodies) Closed() int      { return int(b.closed.Load()) }
func (b *Bodies) ClosedAgain() int { return int(b.twice.Load()) }
