package holdfasttest

import (
	"context"
	"io"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// An Outcome is what TestTransport asks a server for.
type Outcome string

// The outcomes.
const (
	// Answered: a complete answer of at least one byte.
	Answered Outcome = "answered"
	// Failed: a failure that the server reports, such as 502 or Internal: with
	// an answer or with an error, as the transport has it. Its Class is Failure.
	Failed Outcome = "failed"
	// Hanging: no answer, until the caller has gone.
	Hanging Outcome = "hanging"
	// Stalling: an answer that begins, with at least one byte, and does not go on
	// until the caller has gone.
	Stalling Outcome = "stalling"
	// Truncated: an answer that begins, with at least one byte, and breaks off
	// without its end, as when the server's process dies.
	Truncated Outcome = "truncated"
	// Refusing: nobody is there. Its Class is Refused. A transport that cannot
	// tell this from other failures does not have it.
	Refusing Outcome = "refusing"
)

// A Transport describes a door to TestTransport: how to make a client whose
// calls pass through policies.
type Transport struct {
	// Open makes a client of the door, and whatever answers it. What it starts
	// it stops in t.Cleanup. It is called for each check anew.
	Open func(t testing.TB, s Setup) Client

	// Target and Method are what the Call must say. Empty: anything but empty.
	Target, Method string

	// Without names the outcomes that this transport does not have. One whose
	// replies are over when they are there has no Stalling and no Truncated, and
	// a plain function is never Refusing.
	Without []Outcome

	// CloseCancels says that a reply is closed early by cancelling it, as a gRPC
	// stream is, so that its End is Ignored and not the Class of its Result.
	CloseCancels bool

	// Sockets says that Open uses real sockets: the checks then run in real time.
	// Otherwise each runs in a bubble of testing/synctest, for which a Network
	// serves, and times are exact.
	Sockets bool
}

// A Setup is what a client is made with.
type Setup struct {
	// Policies stand around every call of the client, the first one outermost.
	Policies []holdfast.Policy
	// Beneath is to be called with the context of every attempt that the door
	// hands on to what is beneath it: by a RoundTripper around the base with the
	// context of its request, by the last interceptor of a gRPC connection. A transport
	// that has nothing of the kind, since it keeps connections, calls it where it would
	// begin to send; a dial is not made for every attempt.
	Beneath func(ctx context.Context)
}

// A Client makes one call whose outcome is o. It returns the call's error; or
// its reply, whose Read gives what arrives and whose Close closes it early; or
// neither, when the reply is over and there is nothing more to read. Calls that
// are Failed return either.
type Client func(ctx context.Context, o Outcome) (io.ReadCloser, error)

// TestTransport runs the door that tr describes through a transport's half of
// the contract, each sentence as a subtest:
//
//   - policies see one call with its Target and Method, and its outcome with the
//     right Class and a Code;
//   - hooks run in order, each once, one that panics stops no other, late ones at
//     once: for a reply that was read to its end, closed early, cancelled, closed
//     after a cancel, truncated, or over when it was there, with the End that says so;
//   - Discard may be called twice, and ends the reply;
//   - a Result without Reply and error, and one with a Reply that the door did
//     not make, give the caller an error and no panic;
//   - a context that is done sends nothing, one that is cancelled returns the
//     call at once;
//   - what is beneath finds the Call in its context;
//   - a Call sent again is another attempt;
//   - calls made at once do not mix;
//   - a panic in a policy reaches the caller;
//   - nothing is left running.
//
// What it cannot see, since each transport has its own way, needs tests of its own: that an
// attempt goes to the Call's Endpoint and takes Call.Headers along; that what is not Repeatable is
// executed once, wherever its connection breaks; that a connection is closed whose reply
// nobody reads, and used again otherwise; and that an error is told to holdfast.Within.
func TestTransport(t *testing.T, tr Transport) {
	t.Helper()
	for _, c := range transportChecks {
		t.Run(c.name, func(t *testing.T) {
			inTime(t, tr.Sockets, func(t *testing.T) { runTransportCheck(t, t, tr, c) })
		})
	}
}
