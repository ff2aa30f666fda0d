package holdfast

// A Code names an outcome, for people, metrics, and lists of what to repeat. It is one
// of few values: those here, an HTTP status ("503"), the name of a gRPC status code
// ("UNAVAILABLE"), or one that a policy of your own gives to what it rejects, or a transport of
// your own to its outcomes: never a text that a server has written, nor anything with a name of
// one request in it.
type Code string

// The outcomes that are named by Holdfast itself.
const (
	CodeOK    Code = "ok"    // a plain function returned no error
	CodeError Code = "error" // an error of which no more is known

	CodeCancelled  Code = "cancelled"  // by the caller
	CodeSuperseded Code = "superseded" // another attempt won
	CodeTimeout    Code = "timeout"    // a limit of ours ran out, or the transport's own
	CodeDeadline   Code = "deadline"   // the caller's deadline passed

	CodeDial          Code = "dial"           // no connection
	CodeProxy         Code = "proxy"          // a proxy would not connect
	CodeTLS           Code = "tls"            // the handshake failed
	CodeTLSTimeout    Code = "tls_timeout"    // it took too long
	CodeCertificate   Code = "certificate"    // the certificate does not check out
	CodeRefusedStream Code = "refused_stream" // HTTP/2's REFUSED_STREAM
	CodeGoAway        Code = "goaway"         // HTTP/2's GOAWAY came before the request was looked at
	CodeReset         Code = "reset"          // the connection was reset
	CodeEOF           Code = "eof"            // it ended
	CodeTruncated     Code = "truncated"      // the answer broke off
	CodeNoResponse    Code = "no_response"    // the base returned neither a response nor an error

	CodeRequest     Code = "request"      // the request cannot be sent as it is
	CodeRequestBody Code = "request_body" // its body cannot be read
	CodeCredentials Code = "credentials"  // there were none to be had
	CodeExhausted   Code = "exhausted"    // no port, no file descriptor, no connection slot

	CodeCircuitOpen Code = "circuit_open" // a breaker rejected the call
	CodeLimited     Code = "limited"      // a limit did
	CodeNoEndpoint  Code = "no_endpoint"  // a balancer has no endpoint for it
	CodeClosed      Code = "closed"       // the client is closed
	CodeConfig      Code = "config"       // a chain or a policy is built wrongly
	CodePanic       Code = "panic"        // the call ended by a panic
)
