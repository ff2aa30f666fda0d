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
func wished(v verdict, s *status.Status, trailer metadata.MD) verdict {
	if v.class != holdfast.Failure && v.class != holdfast.Overload && v.class != holdfast.Refused {
		return v
	}
	after, said := retryInfo(s)
	if pushback, is := trailer[pushbackKey]; is {
		ms, err := strconv.ParseInt(strings.Join(pushback, ","), 10, 64) // none, and several, are no number
		if err != nil || ms < 0 {
			v.after = holdfast.Never
			return v
		}
		after, said = max(after, time.Duration(min(ms, int64(maxWish/time.Millisecond)))*time.Millisecond), true
	}
	// Only for these two codes is a wish also leave to repeat at all: the others
	// may be a bug that a repeat only hits again.
	if said && (s.Code() == codes.ResourceExhausted || s.Code() == codes.Unavailable) {
		v.after = after
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

// neverSent reports whether an attempt that failed as UNAVAILABLE was never given
// to a server: gRPC had no connection to put it on, and says so in words only; or
// the server has refused the stream for the second time (gRPC repeats the first
// itself). on says that it was on a connection.
func neverSent(s *status.Status, on bool) bool {
	if s.Code() != codes.Unavailable {
		return false
	}
	m := s.Message()
	if on {
		return strings.HasPrefix(m, "stream terminated by RST_STREAM with error code: REFUSED_STREAM")
	}
	for _, words := range []string{full, "connection error: desc = ", "last connection error: ", unresolved, "last resolver error: "} {
		if strings.HasPrefix(m, words) {
			return true
		}
	}
	return false
}
