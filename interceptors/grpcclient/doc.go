// Package grpcclient is the gRPC door of Holdfast: policies become client
// interceptors.
//
//	door := grpcclient.Wrapper{Repeatable: grpcclient.ByIdempotencyLevel} // as the .proto files declare it
//	opts := door.DialOptions(
//		timeout.New(2*time.Second),            // the whole call, retries included
//		retry.New(retry.Options{Attempts: 3}), // only what is safe to repeat
//		timeout.New(500*time.Millisecond),     // each attempt
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
// repeated: UNAVAILABLE, RESOURCE_EXHAUSTED with a word from the server, and a time
// limit of ours that ran out while the caller still has time. What was on no
// connection, or was refused by a server, is repeated whatever the method. A
// server's grpc-retry-pushback-ms (gRFC A6) and google.rpc.RetryInfo are obeyed.
//
// A unary call has the caller's own reply message and options for each of its
// attempts, one after the other. A hedge has its own, and they become the caller's
// when it has won and all others are over.
//
// gRPC's own retry, where a retryPolicy in the service config has it on, is left
// alone: such a method is neither repeated nor hedged here, so that attempts never
// multiply. DialOptions switches it off.
//
// A server-streaming call begins when its first message, or its header, is asked
// for, and not when it is created: until then SendMsg keeps a copy of the
// request, so that it can be sent again. The call can be repeated until the first
// message, or the header that was asked for, has arrived, and never after that.
// Creating such a stream and sending on it therefore report no error of the
// connection; RecvMsg does. A request of more than Wrapper.ReplayCap, or one that
// is no protocol buffer, is not kept: the call begins with SendMsg and is sent
// once.
//
// Client-streaming and bidirectional calls are sent once, at once. Policies stand
// around the creation of the stream and learn of its end. The same holds as in
// gRPC itself: a stream ends when RecvMsg has returned an error (for a call whose
// server does not stream, when it has returned at all) or when its context ends.
// One that is abandoned without either is never let go of, and the policies never
// learn of its end.
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
//   - ResourceExhausted: an error with a method Overloaded() bool that returns
//     true, for policies that turn a call away because this client has too many.
//   - Internal: a policy or a chain that is built wrongly.
//   - Unavailable: anything else, such as a breaker that is open.
//
// # CallOptions
//
// They work as without policies. Header, Trailer and Peer tell of the last
// attempt. OnFinish runs once for a call, and also when no attempt was made.
package grpcclient
