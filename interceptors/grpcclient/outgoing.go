package grpcclient

import (
	"context"
	"strconv"

	"google.golang.org/grpc/metadata"

	"github.com/holdfast-go/holdfast"
)

// previous puts that into the header of an attempt's answer, if there is one.
func previous(header *metadata.MD, attempt int) {
	if attempt > 1 && header != nil && *header != nil {
		header.Set(previousKey, strconv.Itoa(attempt-1))
	}
}

// outgoing has the attempt tell the server how many came before it, and what policies
// have put on it: each once, whatever the caller's own metadata say.
func outgoing(ctx context.Context, call *holdfast.Call) context.Context {
	var md metadata.MD
	set := func(key, value string) {
		if md == nil {
			if md, _ = metadata.FromOutgoingContext(ctx); md == nil { // a copy
				md = metadata.MD{}
			}
		}
		md.Set(key, value)
	}
	call.Headers(ctx, set)
	if call.Attempt > 1 {
		set(previousKey, strconv.Itoa(call.Attempt-1))
	}
	if md == nil {
		return ctx
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// previousKey is what tells a server how often a call was sent before, and the caller how
// often it was before the attempt whose header it has (gRFC A6, "Exposed Retry Metadata").
const previousKey = "grpc-previous-rpc-attempts"
