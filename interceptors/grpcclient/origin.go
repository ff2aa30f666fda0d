package grpcclient

import (
	"net"
	"strings"

	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast"
)

// originKey is where a server says, in the trailer of a failed answer, which service has
// failed: its own name, or that of one behind it whose failure it passes on. See
// Wrapper.TrustOrigin.
const originKey = "holdfast-origin"

// relayed reports whether a failed answer is another service's, by the word of a server
// that is trusted.
func (d *door) relayed(cc *grpc.ClientConn, v holdfast.Verdict, at arrival) bool {
	if d.TrustOrigin == nil || v.Class != holdfast.Failure && v.Class != holdfast.Overload {
		return false
	}
	origin := at.trailer[originKey]
	if len(origin) != 1 || origin[0] == "" { // several are no one's word
		return false
	}
	target := targetOf(cc)
	return d.TrustOrigin(target) && !named(target, origin[0])
}

// named reports whether a service is the target itself: by all of it
// ("dns:///users.internal:443"), without the scheme, or by its host alone.
func named(target, service string) bool {
	address := target[strings.LastIndexByte(target, '/')+1:]
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	for _, name := range []string{target, address, host} {
		if strings.EqualFold(name, service) {
			return true
		}
	}
	return false
}
