package holdfast

import "slices"

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
	CodeConfig      Code = "config"       // a chain or a policy is built wrongly
	CodePanic       Code = "panic"        // the call ended by a panic
)

// outcomes is the one table of what the codes mean to those who ask. grpc is the status
// that a caller over gRPC gets.
var outcomes = map[Code]struct {
	grpc        uint8
	outOfTime   bool // time ran out, and no answer came
	application bool // a failure may be the doing of what was asked, so that each node would fail
}{
	CodeOK: {grpc: 0}, CodeError: {grpc: 2, application: true},
	CodeCancelled: {grpc: 1}, CodeSuperseded: {grpc: 1},
	CodeTimeout: {grpc: 4, outOfTime: true}, CodeDeadline: {grpc: 4, outOfTime: true},
	CodeDial: {grpc: 14}, CodeProxy: {grpc: 14}, CodeTLS: {grpc: 14}, CodeTLSTimeout: {grpc: 14}, CodeCertificate: {grpc: 14},
	CodeRefusedStream: {grpc: 14}, CodeGoAway: {grpc: 14}, CodeReset: {grpc: 14}, CodeEOF: {grpc: 14},
	CodeTruncated: {grpc: 14}, CodeNoResponse: {grpc: 13},
	CodeRequest: {grpc: 13}, CodeRequestBody: {grpc: 13}, CodeCredentials: {grpc: 16}, CodeExhausted: {grpc: 14},
	CodeCircuitOpen: {grpc: 14}, CodeLimited: {grpc: 8}, CodeNoEndpoint: {grpc: 14}, CodeConfig: {grpc: 13}, CodePanic: {grpc: 13},

	"OK": {grpc: 0}, "CANCELLED": {grpc: 1}, "UNKNOWN": {grpc: 2, application: true}, "INVALID_ARGUMENT": {grpc: 3},
	"DEADLINE_EXCEEDED": {grpc: 4}, "NOT_FOUND": {grpc: 5}, "ALREADY_EXISTS": {grpc: 6}, "PERMISSION_DENIED": {grpc: 7},
	"RESOURCE_EXHAUSTED": {grpc: 8}, "FAILED_PRECONDITION": {grpc: 9}, "ABORTED": {grpc: 10}, "OUT_OF_RANGE": {grpc: 11},
	"UNIMPLEMENTED": {grpc: 12}, "INTERNAL": {grpc: 13, application: true}, "UNAVAILABLE": {grpc: 14},
	"DATA_LOSS": {grpc: 15, application: true}, "UNAUTHENTICATED": {grpc: 16},
}

// grpcCodes are gRPC's names by their numbers, as its specification writes them, each
// with the other transports' names for the same: the statuses are those of
// google.rpc.Code, and for UNAVAILABLE also those that gRPC itself reads as such (its
// doc/http-grpc-status-mapping.md).
var grpcCodes = [...]struct {
	name  Code
	alike []Code
}{
	{"OK", nil},
	{"CANCELLED", []Code{"499"}},
	{"UNKNOWN", nil},
	{"INVALID_ARGUMENT", []Code{"400"}},
	{"DEADLINE_EXCEEDED", []Code{"408", "504"}},
	{"NOT_FOUND", []Code{"404"}},
	{"ALREADY_EXISTS", []Code{"409"}},
	{"PERMISSION_DENIED", []Code{"403"}},
	{"RESOURCE_EXHAUSTED", []Code{"429"}},
	{"FAILED_PRECONDITION", []Code{"412"}},
	{"ABORTED", []Code{"409"}},
	{"OUT_OF_RANGE", []Code{"416"}},
	{"UNIMPLEMENTED", []Code{"501"}},
	{"INTERNAL", []Code{"500"}},
	{"UNAVAILABLE", []Code{"502", "503", "504", CodeEOF, CodeReset, CodeTimeout}},
	{"DATA_LOSS", nil},
	{"UNAUTHENTICATED", []Code{"401"}},
}

// GRPCCodes returns the names of gRPC's status codes, in the order of their numbers.
func GRPCCodes() []Code {
	names := make([]Code, len(grpcCodes))
	for i, c := range &grpcCodes {
		names[i] = c.name
	}
	return names
}

// CodeOfGRPC names a status code of gRPC by its number; one that is none is UNKNOWN.
func CodeOfGRPC(number uint32) Code {
	if number >= uint32(len(grpcCodes)) {
		return "UNKNOWN"
	}
	return grpcCodes[number].name
}

// GRPC returns the number of the gRPC status that a caller over gRPC gets for the
// outcome, and for an HTTP status the one that google.rpc.Code has for it. What a policy of
// your own rejects is UNAVAILABLE, as in package grpcclient.
func (c Code) GRPC() uint32 {
	if o, ok := outcomes[c]; ok {
		return uint32(o.grpc)
	}
	if !c.isStatus() {
		return 14
	}
	for n, g := range &grpcCodes {
		if slices.Contains(g.alike, c) {
			return uint32(n)
		}
	}
	if c[0] < '4' {
		return 0
	}
	return 2
}

// isStatus reports whether c is an HTTP status.
func (c Code) isStatus() bool { return len(c) == 3 && c[0] >= '1' && c[0] <= '5' }

// Alike returns the names that other transports have for a status code of gRPC; none
// for what is no such code.
func (c Code) Alike() []Code {
	for _, g := range &grpcCodes {
		if g.name == c {
			return slices.Clone(g.alike)
		}
	}
	return nil
}

// OutOfTime reports whether the attempt ended since time ran out, with no answer: how
// long it would have taken is not known.
func (c Code) OutOfTime() bool { return outcomes[c].outOfTime }

// Application reports whether a failure of this name may be the doing of what was
// asked, so that every node would fail alike: a status of 500, INTERNAL, an error of
// which no more is known.
func (c Code) Application() bool {
	if c.isStatus() {
		return c != "502" && c != "503" && c != "504"
	}
	return outcomes[c].application
}
