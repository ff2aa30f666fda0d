// Package timeout limits how long a call, or one attempt of it, may take.
//
// Where the limit stands says what it limits. Outside the policies that may send a call
// more than once (a retry, a hedge, a balancer) it is around the whole call, repeats and
// waits included; inside one of them it is around each attempt. Without such a policy
// every limit is around the whole call.
//
//	timeout.New(timeout.Options{Limit: 2 * time.Second}),        // the whole call, retries included
//	retry.New(retry.Options{MaxAttempts: 3}),
//	timeout.New(timeout.Options{Limit: 500 * time.Millisecond}), // each attempt
//
// A limit never gives more time than the deadline of the caller's context
// leaves, and an attempt for which next to nothing is left is not sent.
//
// # What a limit covers
//
// Around the whole call it covers the answer to its end: when it runs out, a
// body that is still being read breaks off.
//
// Around an attempt it covers the time until the answer begins (the headers,
// the first message), and becomes an idle limit then: a large body that keeps
// coming is read to its end, one that stalls is cut. The idle limit counts only
// while the reader waits for the server. A reader that takes its time between
// two reads has ten times as long, and a minute at least. When the reader has not
// begun to read for the idle limit, a transport that can takes what there is of the
// answer into memory: an answer that was forgotten gives its connection back, and a
// first read that comes late finds it. Where the transport cannot, the answer is cut.
//
// A call that goes on after its first message (Call.Stream) is limited until
// that message by a limit around the attempt, and not at all by one around the
// whole call unless Options.Streams says so; only then is a deadline put on the wire
// for it. An idle limit holds on a stream where it was asked for by name, while the
// reader waits for a message. An answer that only shows itself to be a stream when it
// begins (Result.Stream) is one from then on.
//
// # One call
//
// A call that takes longer than others, such as a long poll, asks for its own limit by its
// context: [WithLimit], and [WithAttemptLimit] for each attempt alone.
//
// # What comes back
//
// When a limit runs out it ends the context of the call, with a
// *holdfast.TimeoutError as its cause, and the transport's own Result comes
// back: its error is the transport's, its class what holdfast.VerdictOf says. The
// policy starts no goroutine to leave behind, so a Sender that ignores its
// context is not cut short.
//
// A context that is derived from it ends with it, and a moment after the caller's where the
// call is over with its Result: microseconds, since a goroutine passes that on.
//
// The Err of that context is context.DeadlineExceeded. One that a transport
// derives from it can say context.Canceled where the limit moves (around a call
// or attempt whose answer goes on), as the limit is no fixed deadline there; its
// context.Cause is the *holdfast.TimeoutError all the same, and is what to ask.
package timeout
