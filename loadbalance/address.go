package loadbalance

import (
	"slices"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/input"
)

// withoutRefused drops the endpoints whose addresses cannot be addresses, counts them, and says what
// is wrong with one.
func withoutRefused(endpoints []discovery.Endpoint) (good []discovery.Endpoint, refused int, why string) {
	good = slices.DeleteFunc(endpoints, func(e discovery.Endpoint) bool {
		err := input.Address(e.Addr)
		if err != nil {
			refused++
			why = "an endpoint is refused for its address: " + err.Error()
		}
		return err != nil
	})
	return good, refused, why
}
