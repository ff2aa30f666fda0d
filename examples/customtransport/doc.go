// Customtransport shows a transport of one's own: a small protocol over TCP with a client whose
// requests pass through policies, as those of HTTP and gRPC do. Copy client.go, judge.go and
// reply.go, and put your protocol in the place of frame.go, status.go and conns.go.
//
// A transport has three parts. A door (Client.Ask) makes a holdfast.Call of each request and
// runs it through the Handler that it built once. A Sender (exchange.Send) makes one attempt and
// judges it. A Reply (reply) is an answer on its way, which policies let go of or learn the end
// of. A transport whose answers are in memory when Send returns needs no such Reply: let
// holdfast.Do call it.
//
// # The door
//
//   - Target and Method name what is asked in few values: circuits, budgets and metrics are kept
//     by them. A key, a query, a user's name is neither.
//   - Repeatable is the caller's word, and no by default.
//   - The Record stands beside the Call, both in one allocation for each request.
//   - A Reply is the caller's only if it is of this request; any other is discarded, and an error.
//   - An error is told to holdfast.Within, for a request made within the function of a Do.
//
// # An attempt
//
// In this order:
//
//  1. call.Context(ctx), once. From here on that context alone is used, for VerdictOf too, which
//     finds in it how long the attempt had.
//  2. Is it done already? Then nothing is sent.
//  3. Make what is sent: a copy of the caller's, with the headers of call.Headers. What fails here
//     is a LocalFault.
//  4. Go to call.Endpoint where a balancer has chosen one, else to the Target. No connection is
//     Refused; no port or file descriptor here is a LocalShortage.
//  5. Have the end of the context end what waits: a read knows nothing of contexts.
//  6. Send, and wait for the beginning of the answer.
//  7. Judge, once. Who ended the context speaks first (VerdictOf), unless the server has answered;
//     only an error of which VerdictOf knows nothing (a Failure named CodeError) is for a table of
//     one's own.
//  8. Give back what the attempt holds: at once where there is no answer to be read, else by the
//     first hook of the Reply. Never by a defer in Send: the answer is read after it.
//
// # Traps
//
//   - Refused says that the server cannot have begun, and what is not Repeatable is sent again
//     after it. How far the attempt came tells that; the words of an error do not. A request into
//     a kept connection that the server has closed meanwhile may have been executed: a Failure.
//   - An error for the caller is not always one of the server: "not found" is a Success.
//   - A Code is one of few values, and never a text of the server's.
//   - An answer that breaks off must give its reader an error: an EOF of the connection is none
//     of the answer, unless the protocol says so.
//   - A Reply ends once, whoever comes first: Read at the end, Close, Discard. Ending.Finish sees to
//     that. The end comes before the connection is closed, so that a Read which waits at that moment
//     does not report a broken server.
//   - What is read after the end must not touch the connection: it is another request's by now.
//   - Closed early is well; closed when the context had ended is what the context says.
//   - Whoever waits for the server says so by Ending.Progress, or no idle limit works.
//   - Hedges send at the same time: nothing that an attempt changes belongs to the exchange.
//
// The tests run holdfasttest.TestTransport on it, in virtual time and over TCP, and show it
// under a retry, a breaker, a hedge and a balancer.
package main
