package holdfasttest

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
)

// TestPolicy runs a policy through a policy's half of the contract, each
// sentence as a subtest in a bubble of testing/synctest, so that waits cost no
// time. policy makes a new one for each; where it has a Close method, that is
// called before what is left behind is looked for.
//
// It sends calls of every kind (repeatable or not, unary, streams) through
// scripts of every kind (answers, failures, overload, refusals, hanging, slow
// ones, answers that go on), and asserts of each what Script.Verify says, and:
//
//   - when next panics or exits its goroutine, so does the caller's, and
//     whatever was held is let go of;
//   - the policy's hooks bear every End, and Progress, at any time;
//   - a Handler returns at the moment its context is done;
//   - only what is Repeatable or was Refused is sent again, no sooner than the
//     server asked, and nothing that it forbade, that the caller switched off or
//     that an outer layer repeats already;
//   - calls made at once do not mix; the policy serves several chains, and
//     several places in one;
//   - a nil pointer of the policy's type does nothing, in Wrap too;
//   - no goroutine is left behind, and after 1,000 calls nothing keeps hold of
//     them, as a timer that was not stopped would;
//   - events, and changes of its state, are told with no lock held; each has a Kind and a
//     Policy, and its Reason, if it has one, is a word;
//   - figures of its state have names, kinds and labels that can be shown, and are told with no
//     lock held, also while calls are under way.
//
// A policy whose callbacks run with a lock held would hang here; TestCallbacks
// tells. One that waits for a lock for ever ends with the test's own time limit. Replies
// stay open until all calls that were made at once have returned, and these have no
// deadline: give a policy that has calls wait for a place a bound for that wait.
//
// What it does not check, test yourself: that a place comes back at the end of a Reply and
// not sooner, that calls within a call share it (Call.Share), and that waits are noted
// (Call.Waited). The subtest "events" runs in real time.
func TestPolicy(t *testing.T, policy func() holdfast.Policy) {
	t.Helper()
	for _, c := range policyChecks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runPolicyCheck(t, policy, c) })
		})
	}
	t.Run("events", func(t *testing.T) { runEventCheck(t, policy) })
	t.Run("figures", func(t *testing.T) { runFigureCheck(t, policy) })
}
