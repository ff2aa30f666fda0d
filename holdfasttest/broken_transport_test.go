package holdfasttest_test

import (
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/holdfasttest"
)

func TestAToyKeepsTheContract(t *testing.T) { holdfasttest.TestTransport(t, toy{}.transport()) }

// TestTransport catches every door that breaks a sentence, and says which.
func TestBrokenTransportsAreCaught(t *testing.T) {
	for _, c := range []struct {
		name   string
		door   toy
		caught string
	}{
		{"says no Target", toy{noTarget: true}, `the Call says Target ""`},
		{"says no Method", toy{noMethod: true}, `the Call says Method ""`},
		{"says no Code", toy{noCode: true}, "has no Code"},
		{"calls a failure a success", toy{wrongClass: true}, "a call that is failed was judged success"},
		{"calls a refusal a failure", toy{refusedFails: true}, "a call that is refusing was judged failure, want refused"},
		{"gives a Reply and an error", toy{bothResult: true}, "want one of them"},
		{"runs the policies twice", toy{callTwice: true}, "policies saw 2 calls"},
		{"blames the server for a cancel", toy{ownVerdict: true}, "a call that is hanging was judged failure, want ignored"},
		{"returns late when cancelled", toy{slowCancel: true}, "returned after 1m0.02s"},
		{"sends though the context is done", toy{sendsDone: true}, "were handed on under a context that is done"},
		{"does not pass on the Call", toy{hidesCall: true}, "beneath, CallFrom finds"},
		{"does not pass on the values", toy{hidesValues: true}, "values of the caller's context are lost"},
		{"tells its reader late", toy{keepsGoing: true}, "told its reader after 1m0.02s"},
		{"runs hooks twice", toy{doneTwice: true}, "ran its hook 2 times, want once"},
		{"never runs hooks", toy{doneNever: true}, "ran its hook 0 times, want once"},
		{"runs hooks before the end", toy{doneEarly: true}, "hooks ran while the reply was being read"},
		{"runs hooks only at Close", toy{doneLate: true}, "has not run its hook before Close"},
		{"takes a truncated reply for a whole one", toy{mildTruncation: true}, "a reply that breaks off was read without an error"},
		{"tells watchers nothing", toy{silent: true}, "watchers were not told"},
		{"gives the wrong End", toy{wrongEnd: true}, "a reply that was read to its end ended as ignored"},
		{"takes an early Close for a failure", toy{closedAsFailure: true}, "a reply that was closed early ended as failure"},
		{"takes a cancel for a failure", toy{cancelAsFailure: true}, "a reply that was cancelled ended as failure"},
		{"takes a Close after a cancel for a success", toy{cancelThenWell: true}, "a reply that was closed after a cancel ended as success"},
		{"takes a time limit for a cancel", toy{limitAsIgnored: true}, "a reply that was cut by a time limit ended as ignored"},
		{"runs hooks in reverse", toy{reverseHooks: true}, "hooks ran as [7 6 5 4 3 2 1]"},
		{"stops at a hook that panics", toy{panicStops: true}, "a hook that panicked stopped the next one"},
		{"forgets late hooks", toy{lateNever: true}, "a hook that came after the end was run 0 times"},
		{"panics when discarded twice", toy{discardTwice: true}, "Discard, again panicked"},
		{"discards without ending", toy{discardSilent: true}, "a discarded reply did not run its hooks"},
		{"hands on foreign replies", toy{trustsReplies: true}, "a policy returned a Reply of its own making"},
		{"panics on foreign replies", toy{panicsOnForeign: true}, "a call panicked: interface conversion"},
		{"keeps foreign replies", toy{keepsForeign: true}, "was Discarded 0 times, want once"},
		{"hands on replies of other calls", toy{trustsStale: true}, "a policy returned the Reply of an earlier call"},
		{"takes nothing for an answer", toy{nothingIsOK: true}, "a policy returned neither a Reply nor an error"},
		{"swallows panics", toy{swallowsPanic: true}, "a policy panicked before sending, and the caller got <nil>"},
		{"runs policies elsewhere", toy{panicElsewhere: true}, "and the caller"},
		{"mixes calls", toy{mixes: true}, "64 calls at once gave 64 Calls, 1 Records"},
		{"takes our limit for a cancel", toy{limitAsCancel: true}, "a call that our limit ended was judged ignored"},
		{"sends a call but once", toy{sendsOnce: true}, "1 attempts came out beneath, want 3"},
		{"leaks", toy{leaks: true}, "a goroutine was left behind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := new(recorder)
			caught := func() bool { return strings.Contains(r.String(), c.caught) }
			holdfasttest.CheckTransport(t, r, c.door.transport(), caught)
			if !caught() {
				t.Errorf("not caught; want %q, it said %.3000s", c.caught, r)
			}
		})
	}
	r := new(recorder)
	holdfasttest.CheckTransport(t, r, holdfasttest.Transport{}, func() bool { return r.String() != "" })
	if !strings.Contains(r.String(), "no Open") {
		t.Errorf("an empty Transport: %q", r)
	}
}
