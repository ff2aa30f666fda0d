// Package holdfast keeps the calls between services standing: retries,
// timeouts and their kin as small policies that fit any transport.
//
// The whole of it rests on one sentence: a [Policy] wraps a [Handler]; a
// Handler sends a [Call] and reports a [Result]. Policies know nothing of
// HTTP or gRPC. A door (package interceptors/httpclient or
// interceptors/grpcclient, and [Do] for plain functions) turns a request into
// a Call, supplies the [Sender] that makes one attempt, and judges the outcome
// once, so that every policy reads the same verdict.
//
// Most programs never use this package directly: they hand policies to a door.
//
//	client := &http.Client{
//		Transport: httpclient.Wrap(http.DefaultTransport,
//			timeout.New(2*time.Second),            // the whole call, retries included
//			retry.New(retry.Options{Attempts: 3}), // only what is safe to repeat
//			breaker.New(breaker.Options{}),        // stop asking a server that is down
//			timeout.New(500*time.Millisecond),     // each attempt
//		),
//	}
//
// What follows is for those who write a policy or a transport of their own.
//
// # The contract
//
// A Handler:
//
//   - returns exactly one of the Results that it received from next, or one of
//     its own making with Err set and no Reply, and calls [Result.Discard] on
//     every other, once. Only the package that made the Sender makes Replies: a
//     door that is handed a foreign one answers with an error.
//   - lets go of what it holds (a context, a slot, an in-flight count) when the
//     call is over and not when it returns: through [Result.OnDone], which runs
//     at the end of the Reply, or at once when there is none; and in a deferred
//     function when next panics or exits its goroutine.
//   - may be called by many goroutines at once, each with a Call of its own. It
//     passes a Call to next at most once; for another sending of the same
//     logical call it passes [Call.Again].
//   - touches nothing that belongs to the caller (request, header, body, reply
//     message, slice) and returns promptly once its context is done.
//   - runs what it was given by a user (callbacks, listeners) with no lock held,
//     in order, exactly once.
//   - stops every goroutine and timer that it started, and waits for them. A
//     panic in a goroutine of its own surfaces on the caller's.
//
// A policy that gives up returns the last Result as it came: a 503 stays a
// response, a status stays a status, a single attempt's error stays ==. After
// several attempts the error is an [*AttemptsError], which carries the [Ledger]
// and unwraps to the last attempt's error. For a response, [LedgerOf] finds the
// ledger through the context of the response's request.
//
// Package holdfasttest checks these sentences: run its TestPolicy on a policy
// and its TestTransport on a door.
package holdfast
