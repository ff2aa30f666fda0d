// Package holdfasttest is for the tests of those who write policies and
// transports for holdfast, or who want faults in the tests of their own clients.
//
//   - TestPolicy runs a policy through the sentences of the contract in package
//     holdfast, TestCallbacks through the one about callbacks, and TestTransport
//     runs a transport through its half of them.
//   - A Script is a transport whose attempts end as a test says, and which tells
//     afterwards what a policy did with them.
//   - Faults are a policy, to stand innermost in a chain, that fails, delays,
//     hangs, loses or cuts off calls; in staging too.
//   - A Network is an in-memory network on which real HTTP and gRPC servers run
//     inside a bubble of testing/synctest, in virtual time.
//   - CheckLeaks finds goroutines that a test leaves behind, Bodies the response
//     bodies that nobody closed, and can cut them off. Contexts that were not let go of, and the timers
//     with them, are found by Script.Verify.
//
// Everything in it is safe for concurrent use unless it says otherwise, works
// inside bubbles and outside, and waits for nothing but timers and contexts.
package holdfasttest
