package httpclient_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/holdfast-go/holdfast/holdfasttest"
)

// A framer is a server of HTTP/2 made of frames. It does one thing to each request of the
// path /once, when so many bytes of its body are there, answers all others with 200, and
// counts the former.
type framer struct {
	act   func(fr *http2.Framer, stream uint32) (stay bool)
	after int

	mu   sync.Mutex
	seen int
}

func (s *framer) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(c, c)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = fr.WriteSettings()
	got := map[uint32]int{}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		var of uint32
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			if f.PseudoValue("path") != "/once" {
				answer200(fr, f.StreamID, "200")
				continue
			}
			s.mu.Lock()
			s.seen++
			enough := s.seen > 10
			s.mu.Unlock()
			if enough { // or whoever sends it again would never come to an end
				answer200(fr, f.StreamID, "200")
				continue
			}
			of, got[f.StreamID] = f.StreamID, 0
		case *http2.DataFrame:
			if n, ok := got[f.StreamID]; ok {
				of, got[f.StreamID] = f.StreamID, n+len(f.Data())
			}
		}
		if of != 0 && got[of] >= s.after {
			delete(got, of)
			if !s.act(fr, of) {
				return
			}
		}
	}
}

func (s *framer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// answer200 answers with a status and no body.
func answer200(fr *http2.Framer, stream uint32, status string) {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	_ = e.WriteField(hpack.HeaderField{Name: ":status", Value: status})
	_ = e.WriteField(hpack.HeaderField{Name: "retry-after-ms", Value: "1"})
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
}

// certified is a server's certificate for example.com, and the configuration of who
// trusts it.
var certified = sync.OnceValues(func() (server, client *tls.Config) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13},
		&tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS13}
})

// start serves in memory, inside a bubble, and returns a Transport to it and the URL: by
// TLS, where HTTP/2 is agreed upon, or without, where it is known beforehand.
func (s *framer) start(t *testing.T, secure bool) (transport *http.Transport, url string) {
	t.Helper()
	network := new(holdfasttest.Network)
	server, client := certified()
	l, err := network.Listen("server:1")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if secure {
				c = tls.Server(c, server)
			}
			conns.Go(func() { s.serve(c) })
		}
	})
	transport = &http.Transport{DialContext: func(ctx context.Context, n, _ string) (net.Conn, error) {
		return network.DialContext(ctx, n, "server:1")
	}}
	url = "https://example.com"
	if secure {
		transport.ForceAttemptHTTP2, transport.TLSClientConfig = true, client.Clone()
	} else {
		url = "http://example.com"
		transport = over(transport, true)
	}
	t.Cleanup(func() { transport.CloseIdleConnections(); _ = l.Close(); network.Cut("server:1"); conns.Wait() })
	return transport, url
}
