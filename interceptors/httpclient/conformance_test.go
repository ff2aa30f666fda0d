package httpclient_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// outcomes answers what holdfasttest asks for, by the path.
func outcomes(w http.ResponseWriter, r *http.Request) {
	begin := func() {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
	}
	switch holdfasttest.Outcome(r.URL.Path[1:]) {
	case holdfasttest.Answered:
		_, _ = io.WriteString(w, "answer")
	case holdfasttest.Failed:
		http.Error(w, "failed", http.StatusBadGateway)
	case holdfasttest.Hanging:
		<-r.Context().Done()
	case holdfasttest.Stalling:
		begin()
		<-r.Context().Done()
	case holdfasttest.Truncated:
		begin()
		panic(http.ErrAbortHandler)
	}
}

// beneath is a base that tells what it got.
type beneath struct {
	http.RoundTripper
	tell func(context.Context)
}

func (b beneath) RoundTrip(req *http.Request) (*http.Response, error) {
	b.tell(req.Context())
	return b.RoundTripper.RoundTrip(req)
}

// The contract of a transport holds for the door, over both protocols.
func TestTheDoorKeepsTheContract(t *testing.T) {
	forCertificate := httptest.NewUnstartedServer(nil)
	forCertificate.StartTLS()
	certificates := forCertificate.TLS.Certificates
	roots := forCertificate.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	forCertificate.Close()
	for proto, port := range map[string]string{"http": "80", "https": "443"} {
		t.Run(proto, func(t *testing.T) {
			holdfasttest.TestTransport(t, holdfasttest.Transport{
				Method: "GET",
				Open: func(t testing.TB, s holdfasttest.Setup) holdfasttest.Client {
					network := new(holdfasttest.Network)
					l, err := network.Listen("server.test:" + port)
					if err != nil {
						t.Fatal(err)
					}
					server := &http.Server{Handler: http.HandlerFunc(outcomes), ErrorLog: log.New(io.Discard, "", 0)}
					if proto == "https" {
						server.TLSConfig = &tls.Config{Certificates: certificates, NextProtos: []string{"h2"}}
						l = tls.NewListener(l, server.TLSConfig)
					}
					stopped := make(chan struct{})
					go func() { defer close(stopped); _ = server.Serve(l) }()
					transport := &http.Transport{
						DialContext: network.DialContext, ForceAttemptHTTP2: true,
						TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"},
					}
					t.Cleanup(func() {
						_ = server.Close()
						<-stopped
						transport.CloseIdleConnections()
					})
					rt := httpclient.Wrap(beneath{transport, s.Beneath}, s.Policies...)
					return func(ctx context.Context, o holdfasttest.Outcome) (io.ReadCloser, error) {
						host := "server.test"
						if o == holdfasttest.Refusing {
							host = "nobody.test"
						}
						req, err := http.NewRequestWithContext(ctx, http.MethodGet, proto+"://"+host+"/"+string(o), nil)
						if err != nil {
							return nil, err
						}
						resp, err := rt.RoundTrip(req)
						if err != nil {
							if resp != nil {
								t.Error("a response together with an error")
							}
							return nil, err
						}
						if (resp.ProtoMajor == 2) != (proto == "https") {
							t.Error("spoke", resp.Proto)
						}
						return resp.Body, nil
					}
				},
			})
		})
	}
}
