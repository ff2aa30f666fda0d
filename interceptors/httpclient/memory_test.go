package httpclient_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// inMemory starts a server at "server.test", inside a bubble, and returns a
// Transport to it and how many connections it has made.
func inMemory(t *testing.T, h http.HandlerFunc) (*http.Transport, *atomic.Int32) {
	t.Helper()
	network, dials := new(holdfasttest.Network), new(atomic.Int32)
	l, err := network.Listen("server.test:80")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: h, Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0)}
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = server.Serve(l) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, n, addr string) (net.Conn, error) {
		dials.Add(1)
		return network.DialContext(ctx, n, addr)
	}}
	t.Cleanup(func() {
		_ = server.Close()
		<-stopped
		transport.CloseIdleConnections()
	})
	return transport, dials
}

// over makes a Transport speak HTTP/2 without TLS, or HTTP/1.
func over(transport *http.Transport, http2 bool) *http.Transport {
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	return transport
}

// after runs f on every Result before policies further out see it.
func after(f func(call *holdfast.Call, res holdfast.Result)) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			f(call, res)
			return res
		}
	})
}
