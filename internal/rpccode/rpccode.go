// Package rpccode says what the codes of outcomes mean to those who ask: the status of
// gRPC that each is, and what other transports call the same.
package rpccode

import "slices"

// outcomes is the one table of what the codes mean to those who ask. grpc is the status
// that a caller over gRPC gets.
var outcomes = map[string]struct {
	grpc        uint8
	outOfTime   bool // time ran out, and no answer came
	application bool // a failure may be the doing of what was asked, so that each node would fail
}{
	"ok": {grpc: 0}, "error": {grpc: 2, application: true},
	"cancelled": {grpc: 1}, "superseded": {grpc: 1}, "closed": {grpc: 1}, // as gRPC says of a connection that is closed
	"timeout": {grpc: 4, outOfTime: true}, "deadline": {grpc: 4, outOfTime: true},
	"dial": {grpc: 14}, "proxy": {grpc: 14}, "tls": {grpc: 14}, "tls_timeout": {grpc: 14}, "certificate": {grpc: 14},
	"refused_stream": {grpc: 14}, "goaway": {grpc: 14}, "reset": {grpc: 14}, "eof": {grpc: 14},
	"truncated": {grpc: 14}, "no_response": {grpc: 13},
	"request": {grpc: 13}, "request_body": {grpc: 13}, "credentials": {grpc: 16}, "exhausted": {grpc: 14},
	"circuit_open": {grpc: 14}, "limited": {grpc: 8}, "no_endpoint": {grpc: 14}, "config": {grpc: 13}, "panic": {grpc: 13},

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
	name  string
	alike []string
}{
	{"OK", nil},
	{"CANCELLED", []string{"499"}},
	{"UNKNOWN", nil},
	{"INVALID_ARGUMENT", []string{"400"}},
	{"DEADLINE_EXCEEDED", []string{"408", "504"}},
	{"NOT_FOUND", []string{"404"}},
	{"ALREADY_EXISTS", []string{"409"}},
	{"PERMISSION_DENIED", []string{"403"}},
	{"RESOURCE_EXHAUSTED", []string{"429"}},
	{"FAILED_PRECONDITION", []string{"412"}},
	{"ABORTED", []string{"409"}},
	{"OUT_OF_RANGE", []string{"416"}},
	{"UNIMPLEMENTED", []string{"501"}},
	{"INTERNAL", []string{"500"}},
	{"UNAVAILABLE", []string{"502", "503", "504", "eof", "reset", "timeout"}},
	{"DATA_LOSS", nil},
	{"UNAUTHENTICATED", []string{"401"}},
}

// Names returns the names of gRPC's status codes, in the order of their numbers.
func Names() []string {
	names := make([]string, len(grpcCodes))
	for i, c := range &grpcCodes {
		names[i] = c.name
	}
	return names
}

// Name names a status code of gRPC by its number; one that is none is UNKNOWN.
func Name(number uint32) string {
	if number >= uint32(len(grpcCodes)) {
		return "UNKNOWN"
	}
	return grpcCodes[number].name
}

// Number returns the number of the gRPC status that a caller over gRPC gets for the
// outcome, and for an HTTP status the one that google.rpc.Code has for it. What a policy of
// a user's own rejects is UNAVAILABLE.
func Number[C ~string](code C) uint32 {
	c := string(code)
	if o, ok := outcomes[c]; ok {
		return uint32(o.grpc)
	}
	if !isStatus(c) {
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
func isStatus(c string) bool { return len(c) == 3 && c[0] >= '1' && c[0] <= '5' }

// Alike returns the names that other transports have for a status code of gRPC; none
// for what is no such code.
func Alike(name string) []string {
	for _, g := range &grpcCodes {
		if g.name == name {
			return slices.Clone(g.alike)
		}
	}
	return nil
}

// Known reports whether the table has the code.
func Known[C ~string](code C) bool {
	_, ok := outcomes[string(code)]
	return ok
}

// OutOfTime reports whether the attempt ended since time ran out, with no answer: how
// long it would have taken is not known.
func OutOfTime[C ~string](code C) bool { return outcomes[string(code)].outOfTime }

// Application reports whether a failure of this name may be the doing of what was
// asked, so that every node would fail alike: a status of 500, INTERNAL, an error of
// which no more is known.
func Application[C ~string](code C) bool {
	c := string(code)
	if isStatus(c) {
		return c != "502" && c != "503" && c != "504"
	}
	return outcomes[c].application
}
