package httpclient

import (
	"net"
	"net/http"
	"strings"

	"github.com/holdfast-go/holdfast"
)

// originHeader names the service that a refusal comes from, where the server that was
// asked only passes it on.
const originHeader = "Holdfast-Origin"

// relayed returns the Class of a failed answer: Relayed where a target that is trusted
// says that the failure is another's.
func (x *exchange) relayed(call *holdfast.Call, resp *http.Response, class holdfast.Class) holdfast.Class {
	if x.door.TrustOrigin == nil {
		return class
	}
	origin := strings.TrimSpace(resp.Header.Get(originHeader))
	if origin == "" || strings.EqualFold(origin, call.Target) || !x.door.TrustOrigin(call.Target) {
		return class
	}
	if host, _, err := net.SplitHostPort(call.Target); err == nil && strings.EqualFold(origin, host) {
		return class
	}
	return holdfast.Relayed
}
