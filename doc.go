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
//			timeout.New(timeout.Options{Limit: 2 * time.Second}),        // the whole call, retries included
//			retry.New(retry.Options{MaxAttempts: 3}),                    // only what is safe to repeat
//			breaker.New(breaker.Options{}),                              // stop asking a server that is down
//			timeout.New(timeout.Options{Limit: 500 * time.Millisecond}), // each attempt
//		),
//	}
//
// # Who needs what
//
// A user of the policies needs:
//
//   - [Do] and [Chain] for plain functions, [Mark] and [Call.Classify] to tell what their
//     errors mean, and [WithoutRepeats].
//   - [Class] and [Code], which name outcomes, and [Verdict], which the Classify of the
//     transports returns.
//   - [AttemptsError], [TimeoutError], [ErrClosed], [LedgerOf] with [Ledger] and [Attempt], to see
//     what was tried.
//   - [Gate], to let calls finish at the end of a program; preset.Stack has one.
//   - [Event], for listeners, and [Pauses].
//
// The author of a policy needs besides:
//
//   - [Policy] or [PolicyFunc], [Handler], [Call] and [Result].
//   - [Call.Hold], [Call.Track], [Call.Probe], [Call.Share], [Result.OnDone] with [Hook],
//     [End] and [ProgressHook], for what lasts as long as the call.
//   - [Call.Reject], [Call.Tell] after [Call.Heard], [Observable], [NewListener] with
//     [Record.Listen], to tell and to listen.
//   - [Call.Again], [Call.MayRepeat], [Call.Replayable], [Result.Keep], [Record.Claim],
//     [Record.Log] and [Record.Stop], to repeat; [ErrSuperseded] to end the attempt that lost.
//   - [Call.Limit], [Call.TimedOut], [Call.Limits], [Call.OutOfTime] and [RanOut], to limit
//     time; [Call.Waiting] and [Call.Waited] where time goes by here.
//   - [Call.SendTo], [Call.Pin] and [Call.Tried], to choose endpoints.
//   - [Placed] with [Place], [Characterized] with [Traits], and [Group], to know where it
//     stands and to be known.
//
// The author of a transport needs besides:
//
//   - [Sender], and [Reply], which is built on an [Ending]; [Keeper] and [Replayer], where
//     it can do what they say.
//   - [VerdictOf], to judge; [Within], for calls that are made within calls.
//   - [Call.Context] and [CallFrom], [Call.Headers], [Call.Replayed], [WithLedger].
//
// The rest of this page is for authors.
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
//     call is over and not when it returns: through [Call.Hold], or by itself with
//     [Result.OnDone], which runs at the end of the Reply, or at once when there is
//     none, and in a deferred function when next panics or exits its goroutine.
//   - may be called by many goroutines at once, each with a Call of its own. It
//     passes a Call to next at most once; for another sending of the same
//     logical call it passes [Call.Again].
//   - answers a call itself whose time ends while it waits for something of this process, such
//     as a place ([Call.Reject]), or whose client is closed then ([Call.Waiting]). One that is sent all the same, when a limit has run out, is
//     judged as if its server had taken that time.
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
// A policy that gives up after several attempts returns the last Result that tells of the
// server: what came of an attempt that an open circuit, a limit or a local failure kept
// from it says less. The reason is in the ledger and, where the result is an error, found
// by errors.Is. An answer that another attempt is to follow is put by meanwhile
// ([Result.Keep]), so that it holds no connection.
//
// # Verdicts
//
// Nothing that this process did, or failed to do, counts against a server; and nothing that
// a server did is taken for the caller's doing. The Class of a Result says whose doing an
// outcome was, and policies ask it three questions: how is the server ([Class.Server]), may
// the call be sent again ([Class.Again]), and does its time tell how long the server takes
// ([Class.Sample])? They keep no lists of classes, codes or statuses of their own.
//
//	class          the server is  sent again     its time is a sample
//	Ignored        unknown        never          no
//	Success        healthy        never          yes
//	Failure        unhealthy      if repeatable  no
//	Overload       overloaded     if repeatable  no
//	Refused        unhealthy      always         no
//	Conflict       healthy        always         no
//	Relayed        healthy        if repeatable  no
//	LocalFault     unknown        never          no
//	LocalShortage  unknown        always         no
//	LocalPause     unknown        if repeatable  no
//
// Metrics and the ledger write them as [Class.String] does: local_fault. The tables of which
// outcome has which class are those of [Do], interceptors/httpclient and interceptors/grpcclient.
//
// Whatever may be sent again is sent out of the budget, after a wait. A transport gives the
// verdict ([VerdictOf] tells the ends of a context apart for all of them), and its user may
// overrule it: Classify of the transports, and of a Call for [Do].
//
// A server that was given no time is not blamed for having run out of it, and neither is
// one whose answer this process did not read because it stood still itself: it was stopped,
// its virtual machine was, or its share of the processor was used up. The timers of calls
// under way show it: one that runs 20 ms late or later has found the process not running.
// That time is not the server's. Limits are extended by it, for a second at most; the
// caller's own deadline never is. What was excused is a [LocalPause], which metrics count,
// and [Pauses] tells how often and how long the process stood still. A server that is silent
// altogether is not excused for ever: once it has been for as long as its chance while this
// process ran, running out of time is its failure.
//
// # A policy of your own
//
// Most policies do one of three things before they pass a call on, and the root has a method
// for each: [Call.Hold] sends it while something is held, [Call.Reject] answers it in the place
// of sending it, and [Call.Again] makes the Call of another attempt. A policy that must know
// where it stands in its chain is [Placed], one whose neighbours must know what it does tells its
// [Traits], and one that is made of others is a [Group] and wraps with [Place.Wrap]. What it
// knows at present it tells as a [Figure] each, where it is [Measured].
// The example of [Call.Share] is a whole policy, and examples/custompolicy is another, with its
// tests. Stand a policy that admits calls outside the retry (preset's Config.Outer: once for
// each call, before the limit of its time begins), and one that bounds attempts inside it
// (Config.Inner: inside the breaker, outside the limit of the attempt).
//
// A call can be made within a call: a client that logs in on the connection of its first command
// does so. While the outer attempt is being sent, the inner call leaves repeating to the outer
// one where that repeats, shares its place in the same limit, and passes the circuit whose probe
// the outer call is.
//
// # A transport of your own
//
// What is over when it returns needs none: [Do] is the door. A client whose answers go on fills
// in a Call for each request, with a [Record] beside it, and runs it through a Handler that it
// built once. Its [Sender] passes on [Call.Context] first and asks it whether there is time; adds
// what [Call.Headers] has; goes to the Call's Endpoint where there is one; judges what comes of it, once:
// [VerdictOf] for the ends of a context, its own table for the rest; and builds the Reply on
// an [Ending]. What the attempt holds is given back by the first hook of that, or at once where
// there is none. The door then hands out a Reply only if it is of this very request, and has
// [Within] know of an error. examples/customtransport is a whole one, and tells the traps.
//
// Package holdfasttest checks these sentences: run its TestPolicy on a policy
// and its TestTransport on a door.
package holdfast
