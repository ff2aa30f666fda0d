package grpcclient

import (
	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast"
)

// DialOptions returns the dial options of a client with these policies: both
// interceptors, and grpc.WithDisableRetry, so that there is one retry loop and not
// two. The policies are those of Unary and Stream.
func (w Wrapper) DialOptions(policies ...holdfast.Policy) []grpc.DialOption {
	w.NoNativeRetry = true
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(w.Unary(policies...)), grpc.WithChainStreamInterceptor(w.Stream(policies...)),
		grpc.WithDisableRetry(),
	}
}

// DialOptions is Wrapper.DialOptions of the zero Wrapper.
func DialOptions(policies ...holdfast.Policy) []grpc.DialOption {
	return Wrapper{}.DialOptions(policies...)
}
