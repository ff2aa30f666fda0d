package grpcclient_test

import (
	"testing"

	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A noting is a channel that notes what its resolver finds.
type noting struct {
	resolver.ClientConn
	states chan resolver.State
	errs   chan error
}

func (c *noting) UpdateState(s resolver.State) error                   { c.states <- s; return nil }
func (c *noting) ReportError(err error)                                { c.errs <- err }
func (c *noting) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }
func (c *noting) next() (s resolver.State, err error) {
	select {
	case s = <-c.states:
	case err = <-c.errs:
	}
	return s, err
}

// An address that would be a line of its own in a protocol or a log never reaches gRPC.
func TestAnAddressWithControlCharactersIsLeftOut(t *testing.T) {
	source := new(discovery.Source)
	c := &noting{states: make(chan resolver.State, 1), errs: make(chan error, 1)}
	r, err := grpcclient.Resolver("x", source).Build(resolver.Target{}, c, resolver.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	source.Publish(1, discovery.Endpoint{Addr: "a:1\r\nX-Injected: 1"})
	if _, err := c.next(); err == nil {
		t.Error("an answer with no other address is one without endpoints")
	}
	source.Publish(2, discovery.Endpoint{Addr: "a:1\x00"}, discovery.Endpoint{Addr: "b:1"}, discovery.Endpoint{Addr: "\u2028c:1"})
	if s, err := c.next(); err != nil || len(s.Endpoints) != 1 || len(s.Addresses) != 1 || s.Addresses[0].Addr != "b:1" {
		t.Errorf("%+v, %v", s, err)
	}
}
