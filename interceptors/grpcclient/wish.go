package grpcclient

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// pushbackKey is where a server says in its trailer when to come back (gRFC A6,
// "Pushback").
const pushbackKey = "grpc-retry-pushback-ms"

// wished bends a verdict by what the server wishes: grpc-retry-pushback-ms and the
// google.rpc.RetryInfo of its status, the longer of both. A pushback that is
// negative, unreadable or there twice means never. A server that has answered for
// itself is not asked again, whatever it says.
func wished(v holdfast.Verdict, s *status.Status, trailer metadata.MD) holdfast.Verdict {
	if !v.Class.Again(true) {
		return v
	}
	after, said := retryInfo(s)
	if pushback, is := trailer[pushbackKey]; is {
		ms, err := strconv.ParseInt(strings.Join(pushback, ","), 10, 64) // none, and several, are no number
		if err != nil || ms < 0 {
			v.After = holdfast.Never
			return v
		}
		after, said = max(after, time.Duration(min(ms, int64(maxWish/time.Millisecond)))*time.Millisecond), true
	}
	// A wish is also leave to repeat at all for RESOURCE_EXHAUSTED alone: the others that
	// are not repeated may be a bug that a repeat only hits again.
	if said && (v.After >= 0 || s.Code() == codes.ResourceExhausted) {
		v.After = after
	}
	return v
}

// maxWish bounds what a wish is read as; it is past any limit for it.
const maxWish = 1000 * time.Hour

// retryInfo returns the retry_delay of a status's RetryInfo.
func retryInfo(s *status.Status) (after time.Duration, said bool) {
	if len(s.Proto().GetDetails()) == 0 {
		return 0, false
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return min(max(info.GetRetryDelay().AsDuration(), 0), maxWish), true
		}
	}
	return 0, false
}
