package main

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/holdfast-go/holdfast/holdfasttest"
)

var errBroken = errors.New("the server's process dies")

// outcomes answers as the kit asks for it.
func outcomes(ctx context.Context, req Request, w io.Writer) error {
	switch holdfasttest.Outcome(req.Body) {
	case holdfasttest.Failed:
		return &StatusError{Status: Failed, Text: "out of order"}
	case holdfasttest.Hanging:
		<-ctx.Done()
		return ctx.Err()
	case holdfasttest.Stalling, holdfasttest.Truncated:
		if _, err := io.WriteString(w, "begun"); err != nil || string(req.Body) == string(holdfasttest.Truncated) {
			return errBroken
		}
		<-ctx.Done()
		return ctx.Err()
	}
	_, err := io.WriteString(w, "answered")
	return err
}

// fillIn describes the transport to the kit. network makes what it runs on.
func fillIn(network func() (listen func() (net.Listener, error), dial func(context.Context, string, string) (net.Conn, error))) holdfasttest.Transport {
	return holdfasttest.Transport{
		Method: "play",
		Open: func(t testing.TB, s holdfasttest.Setup) holdfasttest.Client {
			listen, dial := network()
			l, err := listen()
			if err != nil {
				t.Fatal(err)
			}
			nobody, err := listen()
			if err != nil {
				t.Fatal(err)
			}
			if err := nobody.Close(); err != nil {
				t.Fatal(err)
			}
			server := Serve(l, outcomes)
			t.Cleanup(server.Close)
			client := func(target string) *Client {
				c := NewClient(target, s.Policies...)
				c.conns.dial, c.beneath = dial, s.Beneath
				t.Cleanup(c.Close)
				return c
			}
			there, gone := client(server.Addr()), client(nobody.Addr().String())
			return func(ctx context.Context, o holdfasttest.Outcome) (io.ReadCloser, error) {
				c := there
				if o == holdfasttest.Refusing {
					c = gone
				}
				return c.Ask(ctx, Request{Method: "play", Repeatable: true, Body: []byte(o)})
			}
		},
	}
}

// In virtual time, on a network in memory: exact, and at once.
func TestTheTransportKeepsTheContract(t *testing.T) {
	holdfasttest.TestTransport(t, fillIn(func() (func() (net.Listener, error), func(context.Context, string, string) (net.Conn, error)) {
		n := new(holdfasttest.Network)
		return func() (net.Listener, error) { return n.Listen("") }, n.DialContext
	}))
}

// And over TCP, as it will run.
func TestTheTransportKeepsTheContractOverTCP(t *testing.T) {
	tr := fillIn(func() (func() (net.Listener, error), func(context.Context, string, string) (net.Conn, error)) {
		return func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }, new(net.Dialer).DialContext
	})
	tr.Sockets = true
	holdfasttest.TestTransport(t, tr)
}
