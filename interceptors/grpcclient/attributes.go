package grpcclient

import (
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"

	"github.com/holdfast-go/holdfast/discovery"
)

type attributeKey struct{}

// attributed is an endpoint as an attribute of gRPC's endpoints: a change of these,
// unlike one of an address's own attributes, reconnects nothing.
type attributed struct{ discovery.Endpoint }

// Equal is asked by gRPC.
func (a attributed) Equal(other any) bool {
	b, ok := other.(attributed)
	return ok && a.Endpoint.Equal(b.Endpoint)
}

func attributesOf(e discovery.Endpoint) *attributes.Attributes {
	return attributes.New(attributeKey{}, attributed{e})
}

// endpointOf is the endpoint of discovery that gRPC's is, or one with its first
// address alone.
func endpointOf(e resolver.Endpoint) discovery.Endpoint {
	if a, ok := e.Attributes.Value(attributeKey{}).(attributed); ok {
		return a.Endpoint
	}
	return discovery.Endpoint{Addr: addrOf(e)}
}

func addrOf(e resolver.Endpoint) string {
	if len(e.Addresses) == 0 {
		return ""
	}
	return e.Addresses[0].Addr
}
