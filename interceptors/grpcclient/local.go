package grpcclient

import (
	"fmt"
	"math"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// What gRPC says of what it could not send, or not take, in its own words.
var (
	badMetadata = []string{"there is an empty key in the header", "header key \"", "header list size to send violates the maximum size"}
	badOption   = []string{"grpc: Compressor is not installed for requested grpc-encoding", "no codec registered for content-subtype", "grpc: compressor \""}
	badHost     = []string{"failed to validate authority \"", "credentials type \""} // of the option CallAuthority
	noSecret    = []string{"transport: cannot send secure credentials on an insecure connection"}
	noToken     = []string{"transport: per-RPC creds failed due to error: ", "transport: received per-RPC creds error with illegal status: "}
	noBytes     = []string{"grpc: error while marshaling: ", "grpc: error while compressing: "}
	tooLong     = []string{"trying to send message larger than max (", "grpc: message too large ("}
	tooLarge    = []string{"grpc: received message larger than max", "grpc: message after decompression larger than max", "grpc: received message after decompression larger than max"}
	exhausted   = []string{"too many open files", "cannot assign requested address", "no buffer space available"} // the system's words
)

// local gives the verdict on what is this process's own doing: what it could not send, or
// not take. The words of gRPC count only where there is proof that they are its own.
func (r *rpc) local(s *status.Status, at arrival) (v holdfast.Verdict, is bool) {
	fault := holdfast.Verdict{Class: holdfast.LocalFault, Code: holdfast.CodeRequest}
	credentials := holdfast.Verdict{Class: holdfast.LocalShortage, Code: holdfast.CodeCredentials}
	if !at.on {
		switch {
		case begins(s, badMetadata...), begins(s, badOption...), begins(s, badHost...):
			return fault, s.Code() == codes.Internal || s.Code() == codes.InvalidArgument || s.Code() == codes.Unavailable
		case begins(s, noSecret...):
			return holdfast.Verdict{Class: holdfast.LocalFault, Code: holdfast.CodeCredentials}, s.Code() == codes.Unauthenticated
		case begins(s, noToken...):
			return credentials, s.Code() == codes.Unauthenticated || s.Code() == codes.Internal
		case s.Code() == codes.Unavailable && s.Message() == full:
			return holdfast.Verdict{Class: holdfast.LocalShortage, Code: holdfast.CodeNoEndpoint}, true
		case unconnected(s):
			return holdfast.Verdict{Class: holdfast.LocalShortage, Code: holdfast.CodeExhausted}, mentions(s, exhausted...)
		case s.Code() == codes.Unauthenticated && r.cc != nil, at.heard == unsent:
			return credentials, true // with a status of their own: they alone are between a connection and a stream on it
		}
	}
	switch {
	case at.unread:
		return fault, true
	case s.Code() == codes.Internal && begins(s, noBytes...):
		return fault, at.silent() || at.request != nil && !r.marshals(at.request)
	case s.Code() == codes.ResourceExhausted && begins(s, tooLong...):
		return fault, at.silent() || at.request != nil && r.oversized(at.request)
	case s.Code() == codes.ResourceExhausted && begins(s, tooLarge...):
		// The stream was ended here: a server that says so of itself ends it with a trailer.
		_, theirs := at.trailer[contentType]
		return fault, !theirs && len(s.Proto().GetDetails()) == 0 && r.limitIs(s)
	}
	return holdfast.Verdict{}, false
}

// mentions reports whether the message has one of the words in it.
func mentions(s *status.Status, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s.Message(), w) {
			return true
		}
	}
	return false
}

// encode makes of a message what gRPC sends, with the codec that it uses for the call.
func (r *rpc) encode(message any) (size int, err error) {
	name, marshal := "proto", func(any) (int, error) { return 0, nil }
	flat := func(f func(any) ([]byte, error)) func(any) (int, error) {
		return func(v any) (int, error) { b, err := f(v); return len(b), err }
	}
	shared := func(c encoding.CodecV2) func(any) (int, error) {
		return func(v any) (int, error) {
			b, err := c.Marshal(v)
			defer b.Free()
			return b.Len(), err
		}
	}
	forced := false
	for _, o := range r.opts { // the last one counts
		switch o := o.(type) {
		case grpc.ForceCodecCallOption:
			marshal, forced = flat(o.Codec.Marshal), true
		case grpc.ForceCodecV2CallOption:
			marshal, forced = shared(o.CodecV2), true
		case grpc.CustomCodecCallOption:
			marshal, forced = flat(o.Codec.Marshal), true
		case grpc.ContentSubtypeCallOption:
			name = o.ContentSubtype
		}
	}
	if !forced {
		if c := encoding.GetCodecV2(name); c != nil {
			marshal = shared(c)
		} else if c := encoding.GetCodec(name); c != nil {
			marshal = flat(c.Marshal)
		}
	}
	return marshal(message)
}

func (r *rpc) marshals(message any) bool {
	_, err := r.encode(message)
	return err == nil
}

// oversized reports whether a message is longer than may be sent. What is compressed may
// be shorter.
func (r *rpc) oversized(message any) bool {
	limit := math.MaxInt32 // gRPC's default
	for _, o := range r.opts {
		switch o := o.(type) {
		case grpc.MaxSendMsgSizeCallOption:
			limit = o.MaxSendMsgSize
		case grpc.CompressorCallOption:
			return false
		}
	}
	if r.cc != nil {
		if config := r.cc.GetMethodConfig(r.of.Method).MaxReqSize; config != nil {
			limit = min(limit, *config)
		}
	}
	size, err := r.encode(message)
	return err == nil && size > limit
}

// limitIs reports whether the limit that the status names is the one that this process has
// for what it receives.
func (r *rpc) limitIs(s *status.Status) bool {
	limit := 4 << 20 // gRPC's default
	for _, o := range r.opts {
		if o, ok := o.(grpc.MaxRecvMsgSizeCallOption); ok {
			limit = o.MaxRecvMsgSize
		}
	}
	if r.cc != nil {
		if config := r.cc.GetMethodConfig(r.of.Method).MaxRespSize; config != nil {
			limit = min(limit, *config)
		}
	}
	m := s.Message()
	return strings.HasSuffix(m, fmt.Sprintf(" vs. %d)", limit)) || strings.HasSuffix(m, fmt.Sprintf(" larger than max %d", limit)) ||
		strings.Contains(m, "allowed on current machine")
}
