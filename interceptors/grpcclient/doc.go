// Package grpcclient is the gRPC door of Holdfast: policies become client
// interceptors.
//
//	door := grpcclient.Wrapper{Repeatable: grpcclient.ByIdempotencyLevel} // as the .proto files declare it
//	opts := door.DialOptions(
//		timeout.New(timeout.Options{Limit: 2 * time.Second}),        // the whole call, retries included
//		retry.New(retry.Options{MaxAttempts: 3}),                    // only what is safe to repeat
//		timeout.New(timeout.Options{Limit: 500 * time.Millisecond}), // each attempt
//	)
//	conn, err := grpc.NewClient("dns:///users.internal:443", append(opts, grpc.WithTransportCredentials(creds))...)
//
// Interceptors that stand after these in a chain run once for each attempt,
// those before them once for each call.
//
// # What is repeated
//
// Nothing is, unless Wrapper.Repeatable, or the CallOption Repeatable, says that
// sending the method twice does no harm. Even then only these outcomes are
// repeated: UNAVAILABLE, a CANCELLED of the other side, RESOURCE_EXHAUSTED with a word
// from the server, and a time limit of ours that ran out while the caller still has
// time. What was on no connection, or was refused by a server, is repeated whatever the
// method, and so is what this process lacked something for: credentials, a port, a file
// descriptor. A server's grpc-retry-pushback-ms (gRFC A6) and google.rpc.RetryInfo are
// obeyed.
//
// A call that is not repeatable is executed at most once. Refused means that the server
// sent nothing else on the stream, and "no connection" that there was none: the words of
// a status prove neither, since a server may pass on those of a client of its own. Of a
// unary call it is known whether something came where Balancer or WireAttempts is in use;
// elsewhere the first refusal of a call that is not repeatable is not believed, and from
// then on, for a minute, the header is asked for, which shows it. What gRPC itself does
// beneath is left to it: it makes a stream once more that was refused, or that a GOAWAY has
// let go, even when the server had begun to answer on it, unless Balancer picks, or
// grpc.MaxRetryRPCBufferSize(0) forbids it; and what came on the first of the two is known
// only where Balancer or WireAttempts is in use.
//
// What could not be sent, or not taken, is this process's own doing and counts against no
// server: metadata that is illegal, a message that cannot be marshalled or is over this
// client's own limit.
//
// A unary call has the caller's own reply message and options for each of its
// attempts, one after the other. A hedge has its own, and they become the caller's
// when it has won and all others are over.
//
// gRPC's own retry, where a retryPolicy in the service config has it on, is left
// alone: such a method is neither repeated nor hedged here, so that attempts never
// multiply. DialOptions switches it off.
//
// A server-streaming call begins with its request, as it does without policies, and goes on by
// itself, on a goroutine of its own: it is sent, waits and is repeated, out of its budget and within
// its limits, until its first message has arrived, whether or not the caller has come for that. So
// what is subscribed to before an act sees the act; a limit around the attempt counts from its
// beginning, and a message that came in time is there for a caller who comes late; no circuit, place
// or budget waits for a RecvMsg. SendMsg keeps a copy of the request, and reports no error of the
// connection; RecvMsg does. A request of more than Wrapper.ReplayCap, or one that is no protocol
// buffer, is not kept: it is sent by SendMsg, which waits for that as long as the policies do, and
// once.
//
// It can be repeated until the first message, and until a header that the caller was shown: Header
// returns as soon as there is one, and shows none of an attempt that was discarded. The first
// message is received into one of the method's own type, which is known by its declaration, linked
// in with every generated client; what does not fit that type is decoded when the caller comes, into
// the caller's own. Of a method that is
// declared nowhere, or by another codec than that of protocol buffers, no message can be received
// before the caller has come with one: where the caller has not come by then, the header is the
// beginning, and nothing is repeated after it.
//
// A panic in what runs before the caller comes, a callback or a codec, is the caller's, from the
// next RecvMsg or Header.
//
// Client-streaming and bidirectional calls are sent once, at once. Policies stand
// around the creation of the stream and learn of its end. The same holds as in
// gRPC itself: a stream ends when RecvMsg has returned an error (for a call whose
// server does not stream, when it has returned at all) or when its context ends.
// One that is abandoned without either is never let go of, and the policies never
// learn of its end.
//
// # Verdicts
//
// Policies see the class of each attempt, and its code, which metrics and the ledger show. What
// may be sent again a retry sends again, out of its budget and no sooner than the server asks.
// CANCELLED and DEADLINE_EXCEEDED are the server's own here, while the caller has time and has
// cancelled nothing.
//
//	status                                          class          sent again            code
//	OK INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS    Success        never                 the status
//	  PERMISSION_DENIED FAILED_PRECONDITION
//	  ABORTED OUT_OF_RANGE UNIMPLEMENTED
//	  UNAUTHENTICATED
//	CANCELLED UNAVAILABLE                           Failure        if repeatable         the status
//	UNKNOWN DEADLINE_EXCEEDED INTERNAL DATA_LOSS    Failure        never                 the status
//	RESOURCE_EXHAUSTED                              Overload       never                 the status
//	RESOURCE_EXHAUSTED that says when to come back  Overload       if repeatable, later  the status
//	UNAVAILABLE of another service, by              Relayed        if repeatable         the status
//	  holdfast-origin
//	UNAVAILABLE, and there was no connection        Refused        always                the status
//	UNAVAILABLE, and its stream was refused         Refused        always                the status
//	no port, no file descriptor                     LocalShortage  always                exhausted
//	no credentials to be had                        LocalShortage  always                credentials
//	illegal metadata; what cannot be marshalled     LocalFault     never                 request
//	a message over this client's own limit, sent    LocalFault     never                 request
//	  or received
//	a codec or compressor that gRPC does not know   LocalFault     never                 request
//	on a connection that this process has closed    Ignored        never                 CANCELLED
//	time ran out, and the server had its chance     Failure        if repeatable         timeout, deadline
//	time ran out, and it had none                   Ignored        never                 timeout, deadline
//	time ran out while this process stood still     LocalPause     if repeatable         timeout, deadline
//	cancelled by the caller                         Ignored        never                 cancelled
//	cut off, as the client was closed               Ignored        never                 closed
//	another attempt won, of a hedge                 Ignored        never                 superseded
//
// Wrapper.Classify overrules the table for a server that means something else by a status.
//
// # What errors are
//
// Every error is a gRPC status. What one attempt returned is returned as it came.
// After several attempts, and when a policy has ended the call, status.Code,
// status.FromError and a plain assertion of GRPCStatus work, and so do errors.Is
// and errors.As with what is beneath: *holdfast.AttemptsError with the ledger,
// *holdfast.TimeoutError, the policy's own errors. Code, message and details
// of the last answer of a server are kept. The errors of policies have the codes:
//
//   - DeadlineExceeded: a time limit, ours or the caller's.
//   - Canceled: the caller cancelled.
//   - ResourceExhausted: a Result with the Code holdfast.CodeLimited, for policies that
//     turn a call away because this client has too many.
//   - what the Code of the Result stands for: Internal for holdfast.CodeConfig, a policy
//     or a chain that is built wrongly.
//   - Unavailable: anything else, such as a breaker that is open.
//
// The caller's end comes first: who gave up just as an attempt failed gets Canceled, and
// finds the attempt's error beneath. A circuit that opens midway leaves the status of the
// last answer, and is found beneath. The Sender of a Call has a method Outcome that tells
// observers which of these the caller will get, or Wrapper.Fallback will be given.
//
// # CallOptions
//
// They work as without policies. Header, Trailer and Peer tell of the last
// attempt, and from the second on the header has grpc-previous-rpc-attempts, how many
// came before. OnFinish runs once for a call, and also when no attempt was made: of a
// server stream that is never sent, when its context ends. After a panic it is given an
// error.
package grpcclient
